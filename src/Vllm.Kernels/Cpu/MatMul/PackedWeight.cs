using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>A weight in the panels that the CPU kernels read: one copy in memory for all row counts and for
/// <see cref="GatherRows"/>.</summary>
sealed unsafe class PackedWeight : Weight
{
    readonly NativeBuffer? _panels; // null where they are an arena's
    readonly NativeBuffer? _bias;

    PackedWeight(string name, PanelGroup[] groups, int numInputs, NativeBuffer? panels, NativeBuffer? bias)
        : base(name, groups.Sum(group => group.NumOutputs), numInputs)
    {
        Groups = groups;
        _panels = panels;
        _bias = bias;
    }

    /// <summary>Stretches of outputs with one format each, in the order of the outputs.</summary>
    internal PanelGroup[] Groups { get; }

    /// <summary>[NumOutputs], or null.</summary>
    internal float* Bias => _bias is null ? null : (float*)_bias.Address;

    public override long SizeBytes => Groups.Sum(group => group.SizeBytes) + (_bias?.SizeBytes ?? 0);

    public override string Format => string.Join(", ", Groups.Select(group => group.Format.Name).Distinct());

    /// <summary>Packs the parts, stacked by rows. Neighbours of one format share panels.</summary>
    /// <param name="team">Packs in parallel.</param>
    /// <param name="parts">Matrices with equal numbers of columns.</param>
    /// <param name="bias">[sum of rows], or empty.</param>
    /// <param name="dtype">F32 keeps exactly dequantized values; F16 and BF16 say what floating-point files become, and
    /// keep quantized files quantized.</param>
    /// <param name="arena">Where the panels go, and stay until it is disposed; null = memory of their own.</param>
    public static PackedWeight Create(
        WorkerTeam team,
        IReadOnlyList<StoredMatrix> parts,
        ReadOnlySpan<float> bias,
        DType dtype,
        NativeArena? arena = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(parts.Count, nameof(parts));
        int numInputs = parts[0].NumColumns;
        foreach (StoredMatrix part in parts)
        {
            if (part.NumColumns != numInputs)
            {
                throw new ArgumentException(
                    $"{part.Name} has {part.NumColumns} columns, {parts[0].Name} {numInputs}", nameof(parts));
            }

            int blockValues = GgmlTypes.Block(part.Type).NumValues;
            if (numInputs % blockValues == 0) continue;
            throw new ArgumentException(
                $"{part.Name} has {numInputs} columns, {part.Type} blocks of {blockValues}", nameof(parts));
        }

        int numOutputs = parts.Sum(part => part.NumRows);
        if (!bias.IsEmpty && bias.Length != numOutputs)
        {
            throw new ArgumentException(
                $"{parts[0].Name}: a bias of {bias.Length} for {numOutputs} outputs", nameof(bias));
        }

        List<(PanelFormat Format, List<StoredMatrix> Parts)> runs = RunsOfOneFormat(parts, dtype);
        long panelsBytes = runs.Sum(run => PanelGroup.GroupBytes(run.Format, NumRows(run.Parts), numInputs));
        NativeBuffer? panels = arena is null ? new NativeBuffer(panelsBytes) : null;
        var groups = new PanelGroup[runs.Count];
        byte* address = (byte*)(panels?.Address ?? arena!.Allocate(panelsBytes));
        int firstOutput = 0;
        for (int i = 0; i < groups.Length; i++)
        {
            groups[i] = new PanelGroup(runs[i].Format, address, firstOutput, NumRows(runs[i].Parts), numInputs);
            PanelPacker.Pack(team, groups[i], runs[i].Parts);
            address += groups[i].SizeBytes;
            firstOutput += groups[i].NumOutputs;
        }

        NativeBuffer? biasBuffer = null;
        if (!bias.IsEmpty)
        {
            biasBuffer = new NativeBuffer(bias.Length * sizeof(float));
            bias.CopyTo(new Span<float>((float*)biasBuffer.Address, bias.Length));
        }

        return new PackedWeight(parts[0].Name, groups, numInputs, panels, biasBuffer);
    }

    /// <summary>output[t] = row ids[t] of the matrix, as packed. output: [ids.Length, NumInputs] F32.</summary>
    public void GatherRows(ReadOnlySpan<int> ids, Tensor output)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(output.NumColumns, NumInputs, nameof(output));
        for (int i = 0; i < ids.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)ids[i], (uint)NumOutputs, nameof(ids));
            PanelGroup group = GroupOf(ids[i]);
            PanelReader.ReadRow(group, ids[i] - group.FirstOutput, output.Row<float>(i));
        }
    }

    public override void Dispose()
    {
        _panels?.Dispose();
        _bias?.Dispose();
    }

    PanelGroup GroupOf(int outputIndex)
    {
        int i = 0;
        while (outputIndex >= Groups[i].FirstOutput + Groups[i].NumOutputs) i++;
        return Groups[i];
    }

    static List<(PanelFormat Format, List<StoredMatrix> Parts)> RunsOfOneFormat(
        IReadOnlyList<StoredMatrix> parts, DType dtype)
    {
        var runs = new List<(PanelFormat Format, List<StoredMatrix> Parts)>();
        foreach (StoredMatrix part in parts)
        {
            PanelFormat format = PanelPacker.FormatFor(part.Type, dtype);
            if (runs.Count > 0 && runs[^1].Format == format) runs[^1].Parts.Add(part);
            else runs.Add((format, [part]));
        }

        return runs;
    }

    static int NumRows(List<StoredMatrix> parts) => parts.Sum(part => part.NumRows);
}

/// <summary>Neighbouring outputs of a weight in panels of one format: [NumPanels][NumBlocks][BlockBytes].</summary>
sealed unsafe class PanelGroup(PanelFormat format, byte* address, int firstOutput, int numOutputs, int numInputs)
{
    public PanelFormat Format { get; } = format;

    public byte* Address { get; } = address;

    /// <summary>The weight's output that is this group's first.</summary>
    public int FirstOutput { get; } = firstOutput;

    public int NumOutputs { get; } = numOutputs;

    public int NumInputs { get; } = numInputs;

    public int NumPanels { get; } = CountPanels(numOutputs);

    /// <summary>Blocks of a panel.</summary>
    public int NumBlocks { get; } = format.NumBlocks(numInputs);

    public long PanelBytes { get; } = format.PanelBytes(numInputs);

    public long SizeBytes => NumPanels * PanelBytes;

    public static long GroupBytes(PanelFormat format, int numOutputs, int numInputs) =>
        CountPanels(numOutputs) * format.PanelBytes(numInputs);

    static int CountPanels(int numOutputs) => (numOutputs + PanelFormat.PanelColumns - 1) / PanelFormat.PanelColumns;
}
