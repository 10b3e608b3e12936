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
    /// <summary>
    /// 12 to 30 µs, as a pause takes 25 to 60 ns: longer than most gaps between the workers of a step and than a short gap
    /// between steps. Whoever waits longer waits for a thread that does not run, and then a sleeper is better off than a
    /// spinner: it keeps its share of the core for later and is woken before the others there. With 10,000 pauses and
    /// yields in between, steps beside two busy processes took 20 times as long; see
    /// <c>docs/decisions/2026-11-24-worker-team-on-busy-and-many-cores.md</c>.
    /// </summary>
    const int MaxSpins = 500;

    [FieldOffset(0)] public int Value;
    [FieldOffset(128)] int _numSleepers;

    /// <summary>Where waiters park when there is no futex; one for all signals, as parking is rare.</summary>
    static readonly object Gate = new();

    /// <summary>Returns when the value is no longer <paramref name="old"/>.</summary>
    /// <param name="signal">In native memory.</param>
    /// <param name="old">The value to wait away from.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Wait(Signal* signal, int old)
    {
        while (true)
        {
            for (int i = 0; i < MaxSpins; i++)
            {
                if (Volatile.Read(ref signal->Value) != old) return;
                Pause();
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
