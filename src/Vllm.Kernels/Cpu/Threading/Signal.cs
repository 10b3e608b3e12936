using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.Threading;

/// <summary>
/// A number in native memory that one thread changes and others wait for. A waiter spins, then parks until the number
/// changes: by a futex on Linux (3 µs to wake), elsewhere by a monitor.
/// No wake-up is lost: the waiter counts itself (a full fence) before it looks again, the poster changes the number (a
/// full fence) before it looks for sleepers, so one of them sees the other.
/// </summary>
/// <remarks>Value and sleepers lie 128 bytes apart, as adjacent cache lines are fetched in pairs.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 256)]
unsafe struct Signal
{
    /// <summary>2 to 4 µs. On a busy machine the thread that is waited for may stand in line for the waiter's core:
    /// without yielding, a decode step of 2 threads took 88 ms there, with it 8.</summary>
    const int PausesPerYield = 64;

    [FieldOffset(0)] public int Value;
    [FieldOffset(128)] int _numSleepers;

    /// <summary>Where waiters park when there is no futex; one for all signals, as parking is rare.</summary>
    static readonly object Gate = new();

    /// <summary>Returns when the value is no longer <paramref name="old"/>.</summary>
    /// <param name="signal">In native memory.</param>
    /// <param name="old">The value to wait away from.</param>
    /// <param name="numSpins">Pauses before parking; read again at each, so that it may change while a waiter
    /// spins.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Wait(Signal* signal, int old, int* numSpins)
    {
        while (true)
        {
            for (int i = 0; i < Volatile.Read(ref *numSpins); i++)
            {
                if (Volatile.Read(ref signal->Value) != old) return;
                if (i % PausesPerYield == PausesPerYield - 1) Thread.Yield();
                else Pause();
            }

            Interlocked.Increment(ref signal->_numSleepers);
            if (Volatile.Read(ref signal->Value) == old) Park(signal, old);
            Interlocked.Decrement(ref signal->_numSleepers);
        }
    }

    /// <summary>Changes the value and wakes whoever sleeps on it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Post(Signal* signal, int value)
    {
        Interlocked.Exchange(ref signal->Value, value);
        Wake(signal);
    }

    /// <summary>Makes sleepers spin again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Wake(Signal* signal)
    {
        if (Volatile.Read(ref signal->_numSleepers) != 0) WakeSleepers(signal);
    }

    static void Park(Signal* signal, int old)
    {
        if (Futex.IsSupported)
        {
            Futex.Wait(&signal->Value, old);
            return;
        }

        lock (Gate)
        {
            if (Volatile.Read(ref signal->Value) == old) Monitor.Wait(Gate);
        }
    }

    static void WakeSleepers(Signal* signal)
    {
        if (Futex.IsSupported)
        {
            Futex.WakeAll(&signal->Value);
            return;
        }

        lock (Gate) Monitor.PulseAll(Gate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Pause()
    {
        if (X86Base.IsSupported) X86Base.Pause();
        else if (ArmBase.IsSupported) ArmBase.Yield();
        else Thread.SpinWait(1);
    }
}
