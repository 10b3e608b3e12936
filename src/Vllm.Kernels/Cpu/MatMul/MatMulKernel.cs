using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// output = x · weightᵀ + bias, split over outputs (and rows, when there are many). An output element is one chain of
/// additions along K, the same in every path: its bits do not depend on the other rows, their number or the threads.
/// </summary>
/// <remarks>A product runs in these steps: 1. activations are converted to the forms that the weight's formats read;
/// 2. each worker multiplies its rows by its panels, in slabs; 3. and adds the bias.</remarks>
sealed unsafe class MatMulKernel : IDisposable
{
    /// <summary>Rows that pass over a panel together; their activations fit the L2 cache.</summary>
    public const int SlabRows = 256;

    /// <summary>Converting this many elements takes about 1 µs; fewer are converted by the caller alone, as a barrier
    /// would cost as much.</summary>
    const int MaxElementsConvertedAlone = 4096;

    /// <summary>Fewer rows are bound by their weights' way from memory.</summary>
    const int MinRowsToReadAhead = 13;

    const string Operation = "MATMUL";

    readonly WorkerTeam _team;
    readonly MatMulVariant[] _variants;
    readonly Dictionary<PanelFormat, MatMulVariant> _variantOf;
    readonly NativeBuffer _scratch; // [NumWorkers][2][ScratchBytes]: partial sums, then outputs of a partial panel
    readonly NativeBuffer?[] _converted = new NativeBuffer?[Enum.GetValues<ActivationForm>().Length];
    GCHandle<MatMulKernel> _self;

    // The product at hand.
    Tensor _x;
    Tensor _output;
    PackedWeight? _weight;
    bool _convertsInJob;

    /// <param name="team">Splits every product.</param>
    /// <param name="variantName">Forces a <see cref="MatMulVariant"/>; null = <c>VLLM_KERNEL_MATMUL</c>, else the best
    /// for each format.</param>
    public MatMulKernel(WorkerTeam team, string? variantName = null)
        : this(team, MatMulVariant.CreateAll(), variantName)
    {
    }

    /// <param name="team">Splits every product.</param>
    /// <param name="variants">In order of preference; disposed with the kernel.</param>
    /// <param name="variantName">Forces one of them.</param>
    public MatMulKernel(WorkerTeam team, MatMulVariant[] variants, string? variantName)
    {
        _team = team;
        _variants = variants;
        variantName ??= Environment.GetEnvironmentVariable(KernelChoice.Variable(Operation));
        _variantOf = Choose(_variants, variantName);
        _scratch = new NativeBuffer((long)team.NumWorkers * 2 * MatMulVariant.ScratchBytes);
        ReadAhead = new ReadAhead(team.NumWorkers);
        _self = new GCHandle<MatMulKernel>(this);
    }

    /// <summary>What products of many rows fetch besides their weights.</summary>
    public ReadAhead ReadAhead { get; }

    /// <summary>The variant that multiplies a format, for logs.</summary>
    public string VariantName(PanelFormat format) => _variantOf[format].Name;

    /// <summary>Which variants run, and why: one where all formats have the same.</summary>
    public IEnumerable<KernelChoice> Choices =>
        from chosen in _variantOf
        group chosen.Key by chosen.Value into formats
        let supported = _variants.Where(variant => formats.Any(variant.Supports)).Select(variant => variant.Name)
        let choice = WithRefusals(KernelChoice.Of(Operation, formats.Key.Name, supported))
        let names = string.Join(", ", formats.Select(format => format.Name))
        select formats.Count() == _variantOf.Count ? choice : choice with { Reason = $"for {names}: {choice.Reason}" };

    /// <param name="x">[numRows, NumInputs] F32.</param>
    /// <param name="weight">[NumOutputs, NumInputs].</param>
    /// <param name="output">[numRows, NumOutputs] F32, not x.</param>
    public void Run(Tensor x, PackedWeight weight, Tensor output)
    {
        if (x.NumColumns != weight.NumInputs || output.NumColumns != weight.NumOutputs || x.NumRows != output.NumRows)
        {
            throw new ArgumentException(
                $"{weight.Name} [{weight.NumOutputs}, {weight.NumInputs}]: x {x}, output {output}");
        }

        if (x.NumRows == 0) return;
        (_x, _weight, _output) = (x, weight, output);
        PrepareConversion();
        _team.Run(&RunShare, (void*)GCHandle<MatMulKernel>.ToIntPtr(_self));
    }

    public void Dispose()
    {
        _self.Dispose();
        foreach (MatMulVariant variant in _variants) variant.Dispose();
        foreach (NativeBuffer? buffer in _converted) buffer?.Dispose();
        _scratch.Dispose();
        ReadAhead.Dispose();
    }

    KernelChoice WithRefusals(KernelChoice choice)
    {
        IEnumerable<string> refusals = _variants
            .Where(variant => variant.Refusal is not null)
            .Select(variant => $"; not {variant.Name}: {variant.Refusal}");
        return choice with { Reason = choice.Reason + string.Concat(refusals) };
    }

    static Dictionary<PanelFormat, MatMulVariant> Choose(MatMulVariant[] variants, string? name)
    {
        IEnumerable<string> supported =
            variants.Where(variant => PanelFormat.All.Any(variant.Supports)).Select(variant => variant.Name);
        if (!string.IsNullOrEmpty(name) && !supported.Contains(name))
        {
            throw new ArgumentException(
                $"matrix product '{name}': this machine can run {string.Join(", ", supported)}", nameof(name));
        }

        var chosen = new Dictionary<PanelFormat, MatMulVariant>();
        foreach (PanelFormat format in PanelFormat.All)
        {
            MatMulVariant? named = variants.FirstOrDefault(variant => variant.Name == name && variant.Supports(format));
            chosen[format] = named ?? variants.First(variant => variant.Supports(format));
        }

        return chosen;
    }

    static void RunShare(void* self, int worker, int numWorkers) =>
        GCHandle<MatMulKernel>.FromIntPtr((nint)self).Target.RunShare(worker, numWorkers);

    void PrepareConversion()
    {
        foreach (PanelGroup group in _weight!.Groups)
        {
            ActivationForm form = group.Format.Activations;
            if (form == ActivationForm.F32) continue;
            long sizeBytes = (long)_x.NumRows * ActivationRows.RowBytes(form, _x.NumColumns);
            ref NativeBuffer? buffer = ref _converted[(int)form];
            if (buffer is not null && buffer.SizeBytes >= sizeBytes) continue;
            buffer?.Dispose();
            buffer = new NativeBuffer(sizeBytes);
        }

        _convertsInJob = (long)_x.NumRows * _x.NumColumns > MaxElementsConvertedAlone && _team.NumWorkers > 1;
        if (!_convertsInJob) Convert(0, _x.NumRows);
    }

    /// <summary>Step 1 for rows [first, end).</summary>
    void Convert(int first, int end)
    {
        int numDone = 0;
        foreach (PanelGroup group in _weight!.Groups)
        {
            ActivationForm form = group.Format.Activations;
            if (form == ActivationForm.F32 || (numDone >> (int)form & 1) != 0) continue;
            numDone |= 1 << (int)form;
            nint stride = ActivationRows.RowBytes(form, _x.NumColumns);
            byte* target = (byte*)_converted[(int)form]!.Address;
            for (int row = first; row < end; row++)
                ActivationRows.Convert(form, _x.Float(row), _x.NumColumns, target + row * stride);
        }
    }

    void RunShare(int worker, int numWorkers)
    {
        if (_convertsInJob)
        {
            (int first, int end) = WorkerTeam.Share(_x.NumRows, worker, numWorkers);
            Convert(first, end);
            _team.Barrier(worker);
        }

        foreach (PanelGroup group in _weight!.Groups)
        {
            Partition partition = Partition.Of(_x.NumRows, group.NumPanels, worker, numWorkers);
            if (partition.NumPanels == 0) continue;
            for (int row = partition.FirstRow; row < partition.EndRow; row += SlabRows)
                MultiplySlab(group, row, Math.Min(SlabRows, partition.EndRow - row), partition, worker);
        }
    }

    /// <summary>Steps 2 and 3 for up to <see cref="SlabRows"/> rows.</summary>
    void MultiplySlab(PanelGroup group, int firstRow, int numRows, Partition partition, int worker)
    {
        ActivationForm form = group.Format.Activations;
        (nint x, nint xStride) = form == ActivationForm.F32
            ? (_x.Address, (nint)_x.RowStride * sizeof(float))
            : (_converted[(int)form]!.Address, ActivationRows.RowBytes(form, _x.NumColumns));
        nint scratch = _scratch.Address + (nint)worker * 2 * MatMulVariant.ScratchBytes;
        var product = new PanelProduct
        {
            X = (byte*)x + firstRow * xStride,
            XStrideBytes = xStride,
            NumRows = numRows,
            NumBlocks = group.NumBlocks,
            ReadAhead = _x.NumRows >= MinRowsToReadAhead ? ReadAhead.Cursor(worker) : null,
        };
        int numWhole = Math.Min(partition.EndPanel, group.NumOutputs / PanelFormat.PanelColumns) - partition.FirstPanel;
        if (numWhole > 0)
        {
            product.W = group.Address + partition.FirstPanel * group.PanelBytes;
            product.NumPanels = numWhole;
            product.Y = _output.Float(firstRow) + group.FirstOutput + partition.FirstPanel * PanelFormat.PanelColumns;
            product.YStrideBytes = (nint)_output.RowStride * sizeof(float);
            _variantOf[group.Format].Multiply(group.Format, product, scratch);
        }

        if (numWhole < partition.NumPanels)
            MultiplyPartialPanel(group, firstRow, product, scratch);
        if (_weight!.Bias is not null) AddBias(group, firstRow, numRows, partition);
    }

    /// <summary>The last panel, when it has fewer than 32 outputs: by way of memory of its own.</summary>
    void MultiplyPartialPanel(PanelGroup group, int firstRow, PanelProduct product, nint scratch)
    {
        int firstOutput = (group.NumPanels - 1) * PanelFormat.PanelColumns;
        product.W = group.Address + (group.NumPanels - 1) * group.PanelBytes;
        product.NumPanels = 1;
        product.Y = (float*)(scratch + MatMulVariant.ScratchBytes);
        product.YStrideBytes = PanelFormat.LineBytes;
        _variantOf[group.Format].Multiply(group.Format, product, scratch);
        for (int row = 0; row < product.NumRows; row++)
        {
            var y = new ReadOnlySpan<float>(product.YRow(row), group.NumOutputs - firstOutput);
            y.CopyTo(new Span<float>(_output.Float(firstRow + row) + group.FirstOutput + firstOutput, y.Length));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void AddBias(PanelGroup group, int firstRow, int numRows, Partition partition)
    {
        int first = group.FirstOutput + partition.FirstPanel * PanelFormat.PanelColumns;
        int end = group.FirstOutput + Math.Min(partition.EndPanel * PanelFormat.PanelColumns, group.NumOutputs);
        float* bias = _weight!.Bias;
        for (int row = firstRow; row < firstRow + numRows; row++)
        {
            float* output = _output.Float(row);
            for (int i = first; i < end; i++) output[i] += bias[i];
        }
    }
}
