using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Turns rows of words, one for each output of a panel, into the panel's lines.</summary>
static unsafe class Transposition
{
    /// <summary>Words of a row that are moved at a time.</summary>
    public const int NumWords = 8;

    const int NumRows = PanelFormat.PanelColumns;

    /// <summary>lines[word][row] = rows[row][word].</summary>
    /// <param name="rows">[32] rows of at least <see cref="NumWords"/> words.</param>
    /// <param name="rowBytes">From row to row.</param>
    /// <param name="lines">[NumWords][32].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(byte* rows, nint rowBytes, uint* lines)
    {
        for (int row = 0; row < NumRows; row += 8, rows += 8 * rowBytes)
        {
            if (Avx.IsSupported) EightByEight(rows, rowBytes, lines + row);
            else
                for (int i = 0; i < 8; i++)
                    for (int word = 0; word < NumWords; word++)
                        lines[word * NumRows + row + i] = ((uint*)(rows + i * rowBytes))[word];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void EightByEight(byte* rows, nint rowBytes, uint* lines)
    {
        // Pairs of rows, then fours, are interleaved within halves; last, halves are joined.
        (Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3) = Four(rows, rowBytes);
        (Vector256<float> b0, Vector256<float> b1, Vector256<float> b2, Vector256<float> b3) = Four(rows + 4 * rowBytes, rowBytes);
        Store(a0, b0, 0);
        Store(a1, b1, 1);
        Store(a2, b2, 2);
        Store(a3, b3, 3);

        void Store(Vector256<float> a, Vector256<float> b, int word)
        {
            Avx.Permute2x128(a, b, 0x20).Store((float*)lines + word * NumRows);
            Avx.Permute2x128(a, b, 0x31).Store((float*)lines + (word + 4) * NumRows);
        }
    }

    /// <summary>Four rows: result i has their words i in the lower and i + 4 in the upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Four(byte* rows, nint rowBytes)
    {
        Vector256<float> r0 = Load(0), r1 = Load(1), r2 = Load(2), r3 = Load(3);
        Vector256<float> low01 = Avx.UnpackLow(r0, r1), high01 = Avx.UnpackHigh(r0, r1);
        Vector256<float> low23 = Avx.UnpackLow(r2, r3), high23 = Avx.UnpackHigh(r2, r3);
        return (Avx.Shuffle(low01, low23, 0x44), Avx.Shuffle(low01, low23, 0xEE),
            Avx.Shuffle(high01, high23, 0x44), Avx.Shuffle(high01, high23, 0xEE));

        Vector256<float> Load(int row) => Vector256.Load((float*)(rows + row * rowBytes));
    }
}
