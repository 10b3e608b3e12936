using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Multiplies small random matrices in tiles and without before the first use of tiles in a process: this code was
/// checked by an interpreter of machine code, never by a processor with tiles, and integer products have one right result.
/// </summary>
static unsafe class AmxSelfCheck
{
    const int NumPanels = 2, MaxRows = 31;

    /// <summary>More than a chunk, and no multiple of it.</summary>
    const int NumColumns = AmxPanelChunk.MaxColumns + 256;

    /// <returns>Null, or what differs.</returns>
    public static string? Run()
    {
        string? difference = null;
        // Threads that have used tiles have larger signal frames: let this one be none of the caller's.
        var thread = new Thread(() =>
        {
            using var reference = new EmittedMatMul();
            using var candidate = new AmxMatMul(reference);
            difference = Compare(candidate, reference);
        });
        thread.Start();
        thread.Join();
        return difference;
    }

    /// <summary>Compares all bits for all quantized formats: a tile of a few rows, and tiles of two sizes.</summary>
    public static string? Compare(MatMulVariant candidate, MatMulVariant reference)
    {
        foreach (PanelFormat format in PanelFormat.All.Where(format => format.IsQuantized))
        {
            using NativeBuffer x = RandomRows(format.Activations), w = RandomPanels(format);
            foreach (int numRows in new[] { 9, MaxRows })
            {
                int[] expected = Multiply(reference, format, x, w, numRows);
                int[] actual = Multiply(candidate, format, x, w, numRows);
                if (expected.AsSpan().SequenceEqual(actual)) continue;
                return $"{format.Name} by {numRows} rows differs from {reference.Name}";
            }
        }

        return null;
    }

    /// <summary>The bits of the product.</summary>
    static int[] Multiply(MatMulVariant variant, PanelFormat format, NativeBuffer x, NativeBuffer w, int numRows)
    {
        int[] y = new int[numRows * NumPanels * PanelFormat.PanelColumns];
        using var scratch = new NativeBuffer(MatMulVariant.ScratchBytes);
        fixed (int* target = y)
        {
            var product = new PanelProduct
            {
                X = (byte*)x.Address,
                XStrideBytes = ActivationRows.RowBytes(format.Activations, NumColumns),
                NumRows = numRows,
                W = (byte*)w.Address,
                NumPanels = NumPanels,
                NumBlocks = format.NumBlocks(NumColumns),
                Y = (float*)target,
                YStrideBytes = NumPanels * PanelFormat.LineBytes,
            };
            variant.Multiply(format, product, scratch.Address);
        }

        return y;
    }

    static NativeBuffer RandomRows(ActivationForm form)
    {
        int rowBytes = ActivationRows.RowBytes(form, NumColumns);
        var rows = new NativeBuffer((long)MaxRows * rowBytes);
        var random = new Random(1);
        float* row = stackalloc float[NumColumns];
        for (int i = 0; i < MaxRows; i++)
        {
            for (int k = 0; k < NumColumns; k++) row[k] = (float)random.NextDouble() - 0.5f;
            ActivationRows.Convert(form, row, NumColumns, (byte*)rows.Address + i * rowBytes);
        }

        return rows;
    }

    static NativeBuffer RandomPanels(PanelFormat format)
    {
        var panels = new NativeBuffer(NumPanels * format.PanelBytes(NumColumns));
        var bytes = new Span<byte>((byte*)panels.Address, (int)panels.SizeBytes);
        new Random(2).NextBytes(bytes);
        for (int i = 1; i < bytes.Length; i += 2) bytes[i] &= 0xBF; // an fp16 of any place is then below 2
        return panels;
    }
}
