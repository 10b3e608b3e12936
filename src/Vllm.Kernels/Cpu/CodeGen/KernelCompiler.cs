using System.Text;
using Iced.Intel;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>Assembles kernels into executable memory. <c>VLLM_KERNEL_LISTING=1</c> prints each to standard
/// error.</summary>
sealed class KernelCompiler : IDisposable
{
    readonly ExecutableMemory _memory = new();
    readonly bool _printsListings = Environment.GetEnvironmentVariable("VLLM_KERNEL_LISTING") == "1";

    /// <summary>Assembles what <paramref name="emit"/> writes.</summary>
    /// <returns>The entry point, valid until <see cref="Dispose"/>.</returns>
    public nint Compile(string name, Action<Assembler> emit)
    {
        byte[] code = Assemble(emit);
        if (_printsListings) Console.Error.WriteLine($"; {name}, {code.Length} bytes\n{Listing(code)}");
        return _memory.Add(code);
    }

    public static byte[] Assemble(Action<Assembler> emit)
    {
        var assembler = new Assembler(64);
        emit(assembler);
        var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), rip: 0);
        return stream.ToArray();
    }

    /// <summary>One instruction a line, with its offset.</summary>
    public static string Listing(byte[] code)
    {
        var decoder = Iced.Intel.Decoder.Create(64, code, ip: 0);
        var formatter = new NasmFormatter();
        var line = new StringOutput();
        var listing = new StringBuilder();
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            formatter.Format(instruction, line);
            listing.Append($"{instruction.IP:x4} {line.ToStringAndReset()}\n");
        }

        return listing.ToString();
    }

    public void Dispose() => _memory.Dispose();
}
