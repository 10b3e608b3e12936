using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Micro;

/// <summary>What the machine can do at most just now, all workers together.</summary>
sealed unsafe class MachinePeaks(WorkerTeam team) : IDisposable
{
    const int NumRounds = 20_000;
    const int NumChains = 12;
    const long ReadBytes = 256 << 20;

    readonly KernelCompiler _compiler = new();
    readonly NativeBuffer _memory = new(ReadBytes);

    /// <summary>Multiplications and additions per second of independent vpdpbusd chains, in 10^9.</summary>
    public double Int8 => CpuFeatures.HasAvx512Vnni
        ? Rate(64, (a, i) => a.vpdpbusd(Registers.Zmm[i], zmm30, zmm31))
        : 0;

    /// <summary>The same for vdpbf16ps.</summary>
    public double BF16 => CpuFeatures.HasAvx512Bf16
        ? Rate(32, (a, i) => a.vdpbf16ps(Registers.Zmm[i], zmm30, zmm31))
        : 0;

    /// <summary>The same for vfmadd231ps.</summary>
    public double F32 => CpuFeatures.HasAvx512 ? Rate(16, (a, i) => a.vfmadd231ps(Registers.Zmm[i], zmm30, zmm31)) : 0;

    /// <summary>GB/s of reading memory outside all caches.</summary>
    public double Read()
    {
        nint loop = _compiler.Compile("read", a =>
        {
            Label next = a.CreateLabel();
            a.mov(rax, rdi);
            a.Label(ref next);
            for (int i = 0; i < 16; i++) a.vmovdqu64(Registers.Zmm[i], __[rax + i * 64]);
            a.add(rax, 1024);
            a.sub(rsi, 1024);
            a.jnz(next);
            a.vzeroupper();
            a.ret();
        });
        // Memory that nobody wrote is one page of zeros, which caches hold.
        new Span<byte>((void*)_memory.Address, (int)ReadBytes).Fill(1);
        long share = ReadBytes / team.NumWorkers / 1024 * 1024;
        double seconds = Clock.Best(() => team.ParallelFor(team.NumWorkers, worker =>
            ((delegate* unmanaged<nint, nint, void>)loop)(_memory.Address + (nint)(worker * share), (nint)share)));
        return share * team.NumWorkers / seconds / 1e9;
    }

    public void Dispose()
    {
        _compiler.Dispose();
        _memory.Dispose();
    }

    double Rate(int productsPerInstruction, Action<Assembler, int> emit)
    {
        nint loop = _compiler.Compile("peak", a =>
        {
            Label next = a.CreateLabel();
            for (int i = 0; i < 32; i++) a.vpxord(Registers.Zmm[i], Registers.Zmm[i], Registers.Zmm[i]);
            a.mov(ecx, NumRounds);
            a.Label(ref next);
            for (int i = 0; i < NumChains; i++) emit(a, i);
            a.dec(ecx);
            a.jnz(next);
            a.vzeroupper();
            a.ret();
        });
        double seconds = Clock.Best(() => team.ParallelFor(team.NumWorkers, _ => ((delegate* unmanaged<void>)loop)()));
        return 2.0 * productsPerInstruction * NumChains * NumRounds * team.NumWorkers / seconds / 1e9;
    }
}
