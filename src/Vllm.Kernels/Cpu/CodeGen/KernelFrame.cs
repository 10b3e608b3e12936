using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>Entry and exit of a kernel <c>void f(args*)</c> by the platform's calling convention.</summary>
static class KernelFrame
{
    const int NumSavedXmm = 10; // xmm6-xmm15 belong to the caller on Windows

    static readonly AssemblerRegister64[] SavedRegisters = OperatingSystem.IsWindows()
        ? [rbx, rsi, rdi, r12, r13, r14, r15]
        : [rbx, r12, r13, r14, r15];

    /// <summary>Saves what the caller owns, makes rsp a multiple of 64 with <paramref name="localBytes"/> above it, and
    /// puts the argument into r14. Every other register is free.</summary>
    public static void EmitEntry(Assembler a, int localBytes)
    {
        a.push(rbp);
        a.mov(rbp, rsp);
        foreach (AssemblerRegister64 register in SavedRegisters) a.push(register);
        if (OperatingSystem.IsWindows())
        {
            a.sub(rsp, NumSavedXmm * 16);
            for (int i = 0; i < NumSavedXmm; i++) a.vmovdqu(__[rsp + i * 16], Xmm(i));
        }

        a.mov(r14, OperatingSystem.IsWindows() ? rcx : rdi);
        a.sub(rsp, localBytes);
        a.and(rsp, -64);
    }

    public static void EmitExit(Assembler a)
    {
        int savedBytes = SavedRegisters.Length * 8;
        if (OperatingSystem.IsWindows())
        {
            a.lea(rsp, __[rbp - (savedBytes + NumSavedXmm * 16)]);
            for (int i = 0; i < NumSavedXmm; i++) a.vmovdqu(Xmm(i), __[rsp + i * 16]);
        }

        a.lea(rsp, __[rbp - savedBytes]);
        for (int i = SavedRegisters.Length - 1; i >= 0; i--) a.pop(SavedRegisters[i]);
        a.pop(rbp);
        a.vzeroupper();
        a.ret();
    }

    static AssemblerRegisterXMM Xmm(int i) =>
        new AssemblerRegisterXMM[] { xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15 }[i];
}
