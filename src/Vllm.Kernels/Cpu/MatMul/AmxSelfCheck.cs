using System.ComponentModel;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Multiplies small matrices in tiles and without, before the first use of tiles in a process: this code was checked by
/// an interpreter of machine code, never by a processor with tiles. Products of integers have one right result,
/// whatever the order of additions; those of other numbers in bf16 have to be the same for every number of rows.
/// </summary>
static unsafe class AmxSelfCheck
{
    const int NumPanels = 2, MaxRows = 31;

    /// <summary>Two chunks and a part of one; blocks of 256 are whole.</summary>
    const int NumColumns = 2 * AmxPanelChunk.MaxColumns + 256;

    /// <summary>A tile of one row, if bf16; one whole tile; two of different sizes.</summary>
    static readonly int[] RowCounts = [1, 16, MaxRows];

    /// <returns>Null, or what is wrong.</returns>
    public static string? Run()
    {
        string? failure = null;
        // Threads that have used tiles have larger signal frames: let this one be none of the caller's.
        var thread = new Thread(() =>
        {
            using var reference = new EmittedMatMul();
            using var candidate = new AmxMatMul(reference);
            try
            {
                failure = Compare(candidate, reference, CpuFeatures.HasAmxBf16);
            }
            catch (Win32Exception e) // of memory that the system did not give
            {
                failure = e.Message;
            }
        });
        thread.Start();
        thread.Join();
        return failure;
    }

    /// <summary>Compares all bits, for all formats that tiles multiply.</summary>
    public static string? Compare(MatMulVariant candidate, MatMulVariant reference, bool hasBF16)
    {
        foreach (PanelFormat format in PanelFormat.All)
        {
            if (!AmxMatMul.HasKernel(format) || (!format.IsQuantized && !hasBF16)) continue;
            int numColumns = format.IsQuantized ? NumColumns : NumColumns + format.BlockColumns; // and a part of a step
            using NativeBuffer w = format.IsQuantized ? RandomBytes(format) : SmallIntegers(format, numColumns);
            using NativeBuffer x = Rows(format.Activations, numColumns, isInteger: !format.IsQuantized);
            foreach (int numRows in RowCounts)
            {
                int[] expected = Multiply(reference, format, x, w, numColumns, numRows);
                int[] actual = Multiply(candidate, format, x, w, numColumns, numRows);
                if (!expected.AsSpan().SequenceEqual(actual))
                    return $"{format.Name} by {numRows} rows differs from {reference.Name}";
            }

            if (!format.IsQuantized && RowsDepend(candidate, format, w, numColumns))
                return $"{format.Name}: a row depends on the number of rows";
        }

        return null;
    }

    static bool RowsDepend(MatMulVariant variant, PanelFormat format, NativeBuffer w, int numColumns)
    {
        using NativeBuffer x = Rows(format.Activations, numColumns, isInteger: false);
        int[] all = Multiply(variant, format, x, w, numColumns, MaxRows);
        return RowCounts.Any(numRows =>
        {
            int[] few = Multiply(variant, format, x, w, numColumns, numRows);
            return !all.AsSpan(0, few.Length).SequenceEqual(few);
        });
    }

    /// <summary>The bits of the product.</summary>
    static int[] Multiply(
        MatMulVariant variant, PanelFormat format, NativeBuffer x, NativeBuffer w, int numColumns, int numRows)
    {
        int[] y = new int[numRows * NumPanels * PanelFormat.PanelColumns];
        using var scratch = new NativeBuffer(MatMulVariant.ScratchBytes);
        fixed (int* target = y)
        {
            var product = new PanelProduct
            {
                X = (byte*)x.Address,
                XStrideBytes = ActivationRows.RowBytes(format.Activations, numColumns),
                NumRows = numRows,
                W = (byte*)w.Address,
                NumPanels = NumPanels,
                NumBlocks = format.NumBlocks(numColumns),
                Y = (float*)target,
                YStrideBytes = NumPanels * PanelFormat.LineBytes,
            };
            variant.Multiply(format, product, scratch.Address);
        }

        return y;
    }

    /// <summary>Integers of -8..8, or numbers between -1 and 1.</summary>
    static NativeBuffer Rows(ActivationForm form, int numColumns, bool isInteger)
    {
        int rowBytes = ActivationRows.RowBytes(form, numColumns);
        var rows = new NativeBuffer((long)MaxRows * rowBytes);
        var random = new Random(1);
        float* row = stackalloc float[numColumns];
        for (int i = 0; i < MaxRows; i++)
        {
            for (int k = 0; k < numColumns; k++)
                row[k] = isInteger ? random.Next(-8, 9) : 2 * (float)random.NextDouble() - 1;
            ActivationRows.Convert(form, row, numColumns, (byte*)rows.Address + i * rowBytes);
        }

        return rows;
    }

    /// <summary>Any codes, and any scales below 2.</summary>
    static NativeBuffer RandomBytes(PanelFormat format)
    {
        var panels = new NativeBuffer(NumPanels * format.PanelBytes(NumColumns));
        var bytes = new Span<byte>((byte*)panels.Address, (int)panels.SizeBytes);
        new Random(2).NextBytes(bytes);
        for (int i = 1; i < bytes.Length; i += 2) bytes[i] &= 0xBF; // an fp16 of any place is then below 2
        return panels;
    }

    /// <summary>-8..8 in bf16.</summary>
    static NativeBuffer SmallIntegers(PanelFormat format, int numColumns)
    {
        var panels = new NativeBuffer(NumPanels * format.PanelBytes(numColumns));
        var random = new Random(3);
        foreach (ref ushort weight in new Span<ushort>((byte*)panels.Address, (int)panels.SizeBytes / sizeof(ushort)))
            weight = (ushort)(BitConverter.SingleToUInt32Bits(random.Next(-8, 9)) >> 16);
        return panels;
    }
}
