using System.Numerics;
using Vllm.Kernels;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Formats;

namespace Vllm.Tests.MatMul;

public class PanelFormatTests
{
    public static TheoryData<string> Quantized =>
        [.. PanelFormat.All.Where(format => format.IsQuantized).Select(format => format.Name)];

    [Theory, MemberData(nameof(Quantized))]
    public void CodeLines_ShareNoBit_AndLeaveNone(string formatName)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        var bits = new Dictionary<int, uint>(); // that are used, by offset
        int numBits = 0;
        foreach (CodeLine line in format.CodeLines)
        {
            int shift = line.ExtraShift;
            uint extraBits = shift >= 0 ? line.ExtraMask << shift : line.ExtraMask >> -shift;
            foreach ((int offset, uint mask) in new[] { (line.BaseOffset, line.BaseMask), (line.ExtraOffset, extraBits) })
            {
                Assert.Equal(0u, bits.GetValueOrDefault(offset) & mask);
                bits[offset] = bits.GetValueOrDefault(offset) | mask;
                numBits += BitOperations.PopCount(mask);
            }
        }

        Assert.Equal(format.PartColumns * format.CodeBits, numBits);
        Assert.Equal(numBits / 32, bits.Count);
        Assert.Equal(format.ScaleOffset(0), bits.Count * PanelFormat.LineBytes);
    }

    [Theory, MemberData(nameof(Quantized))]
    public void Parts_FillBlocksOfWholeCacheLines(string formatName)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);

        Assert.Equal(0, format.PartBytes % 64);
        Assert.Equal(format.BlockBytes, format.SuperBytes + format.PartsPerBlock * format.PartBytes);
        int numGroups = format.GroupsPerPart;
        int lastOffset = format.HasMin ? format.MinOffset(numGroups) : format.ScaleOffset(numGroups);
        Assert.Equal(format.PartBytes, lastOffset);
    }

    /// <summary>A decode step takes the time that its bytes take.</summary>
    [Theory]
    [InlineData(GgmlType.Q4_0, 1), InlineData(GgmlType.Q4_1, 1), InlineData(GgmlType.Q5_0, 1)]
    [InlineData(GgmlType.Q5_1, 1), InlineData(GgmlType.Q8_0, 1), InlineData(GgmlType.Q6_K, 1)]
    [InlineData(GgmlType.Q5_K, 1.03), InlineData(GgmlType.Q4_K, 1.03), InlineData(GgmlType.Q3_K, 1.04)]
    [InlineData(GgmlType.Q2_K, 1.2)]
    public void PanelBytes_AreThoseOfTheFile(GgmlType type, double factor)
    {
        PanelFormat format = PanelPacker.FormatFor(type, DType.BF16);

        long fileBytes = GgmlTypes.RowSizeBytes(type, 4096) * PanelFormat.PanelColumns;

        Assert.InRange(format.PanelBytes(4096), fileBytes, fileBytes * factor);
    }
}
