using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Memory;

namespace Vllm.Tests.CodeGen;

/// <summary>The interpreter against the processor, by the kernels that this machine can run.</summary>
public class CodeInterpreterTests
{
    const int NumRows = 5, NumPanels = 2, NumColumns = 512;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate void Kernel(nint arguments);

    public static TheoryData<string> FormatNames =>
        [.. PanelFormat.All.Where(format => format != PanelFormat.BF16).Select(format => format.Name)];

    [Theory, MemberData(nameof(FormatNames))]
    public void Run_OfAnAvx512Kernel_GivesTheProcessorsBits(string formatName)
    {
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni, "needs AVX-512 with VNNI");
        Assert.SkipUnless(CodeInterpreter.KnowsCallingConvention, "another calling convention");
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        int rowBytes = ActivationRows.RowBytes(format.Activations, NumColumns);
        using NativeBuffer x = RandomBytes(NumRows * rowBytes);
        using NativeBuffer w = RandomBytes(NumPanels * format.PanelBytes(NumColumns));
        using var actual = new NativeBuffer(NumRows * NumPanels * PanelFormat.LineBytes);
        using var expected = new NativeBuffer(actual.SizeBytes);
        using var scratch = new NativeBuffer(MatMulVariant.ScratchBytes);
        using var arguments = new NativeBuffer(256);
        Set(nameof(PanelLoopArguments.X), x.Address);
        Set(nameof(PanelLoopArguments.XStrideBytes), rowBytes);
        Set(nameof(PanelLoopArguments.W), w.Address);
        Set(nameof(PanelLoopArguments.NumBlocks), format.NumBlocks(NumColumns));
        Set(nameof(PanelLoopArguments.NumPanels), NumPanels);
        Set(nameof(PanelLoopArguments.YStrideBytes), NumPanels * PanelFormat.LineBytes);
        Set(nameof(PanelLoopArguments.NumLargeRowBlocks), 1); // of 3 rows
        Set(nameof(PanelLoopArguments.NumSmallRowBlocks), 1); // of 2
        Set(nameof(PanelLoopArguments.ChunkBlocks), 1);
        Set(nameof(PanelLoopArguments.Scratch), scratch.Address);
        byte[] code = KernelCompiler.Assemble(
            a => PanelLoopEmitter.Emit(a, TileEmitter.For(format)!, numRows: 2, new Prefetches(2, 0)));
        using var interpreter = new CodeInterpreter(code);
        using var memory = new ExecutableMemory();

        Set(nameof(PanelLoopArguments.Y), expected.Address);
        Marshal.GetDelegateForFunctionPointer<Kernel>(memory.Add(code))(arguments.Address);
        Set(nameof(PanelLoopArguments.Y), actual.Address);
        interpreter.Run(arguments.Address);

        Assert.Equal(Bits(expected), Bits(actual));
        Assert.Contains(Bits(expected), bits => bits != 0);

        void Set(string field, nint value) =>
            Marshal.WriteIntPtr(arguments.Address, PanelLoopArguments.Offset(field), value);
    }

    [Fact]
    public void Run_OfAnUnknownInstruction_Fails()
    {
        using var interpreter = new CodeInterpreter(KernelCompiler.Assemble(a => a.cpuid()));

        Assert.Throws<NotSupportedException>(() => interpreter.Run(0));
    }

    /// <summary>Two of each four bytes without the bit that makes an fp16, bf16 or fp32 there 2 or more.</summary>
    static NativeBuffer RandomBytes(long numBytes)
    {
        byte[] bytes = new byte[numBytes];
        new Random(1).NextBytes(bytes);
        for (int i = 1; i < bytes.Length; i += 2) bytes[i] &= 0xBF;
        var buffer = new NativeBuffer(numBytes);
        Marshal.Copy(bytes, 0, buffer.Address, bytes.Length);
        return buffer;
    }

    static int[] Bits(NativeBuffer buffer)
    {
        int[] bits = new int[buffer.SizeBytes / sizeof(int)];
        Marshal.Copy(buffer.Address, bits, 0, bits.Length);
        return bits;
    }
}
