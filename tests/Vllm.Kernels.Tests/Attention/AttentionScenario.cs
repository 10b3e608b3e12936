using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.Rope;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Attention;

/// <summary>Requests with random queries, keys and values at every position, run through cache write and attention in
/// any order of chunks, and the same in double precision.</summary>
sealed class AttentionScenario : IDisposable
{
    readonly KvCacheSpec _spec;
    readonly int _numHeads;
    readonly AttentionParameters _parameters;
    readonly int[] _lengths;
    readonly TestTensor _slopes, _sinks; // [1, numHeads]
    readonly TestTensor[] _q, _k, _v; // per request [length, width]
    readonly int _blocksPerSeq;

    public AttentionScenario(
        int numHeads, int numKvHeads, int headDim, int blockSize, DType dtype, int[] lengths, int window = 0,
        float softCap = 0, bool hasAlibi = false, bool hasSinks = false, int seed = 1)
    {
        _numHeads = numHeads;
        _lengths = lengths;
        _blocksPerSeq = (lengths.Max() + blockSize - 1) / blockSize + 1;
        _spec = new KvCacheSpec(2, lengths.Length * _blocksPerSeq + 5, blockSize, numKvHeads, headDim, dtype);
        var random = new Random(seed);
        _q = [.. lengths.Select(n => new TestTensor(n, numHeads * headDim, () => random.NextNormal(1.5)))];
        int head = 0;
        _slopes = new TestTensor(1, numHeads, () => MathF.Pow(2, -1 - head++ % 8));
        _sinks = new TestTensor(1, numHeads, () => random.NextNormal(2));
        // One far above all scores takes all of the sum, one far below none.
        if (numHeads > 2) (_sinks.Span[1], _sinks.Span[2]) = (1000, float.MinValue);
        _parameters = new AttentionParameters
        {
            Scale = 1 / MathF.Sqrt(headDim),
            Window = window,
            SoftCap = softCap,
            AlibiSlopes = hasAlibi ? _slopes.Tensor : null,
            Sinks = hasSinks ? _sinks.Tensor : null,
        };
        _k = [.. lengths.Select(n => new TestTensor(n, numKvHeads * headDim, () => random.NextNormal(1.5)))];
        _v = [.. lengths.Select(n => new TestTensor(n, numKvHeads * headDim, () => random.NextNormal()))];
    }

    /// <summary>A step: (request, tokens) pairs.</summary>
    public readonly record struct Chunk(int Request, int NumTokens);

    /// <summary>Each request alone, in chunks of a size.</summary>
    public IEnumerable<Chunk[]> OneByOne(int chunkSize) =>
        Enumerable.Range(0, _lengths.Length).SelectMany(
            r => Enumerable.Range(0, (_lengths[r] + chunkSize - 1) / chunkSize)
                .Select(i => new[] { new Chunk(r, Math.Min(chunkSize, _lengths[r] - i * chunkSize)) }));

    /// <summary>Random numbers of tokens of random requests in every step.</summary>
    public IEnumerable<Chunk[]> Mixed(int seed, int maxTokens)
    {
        var random = new Random(seed);
        int[] done = new int[_lengths.Length];
        while (true)
        {
            Chunk[] step = [.. Enumerable.Range(0, _lengths.Length)
                .Where(r => done[r] < _lengths[r] && random.Next(3) > 0)
                .Select(r => new Chunk(r, Math.Min(_lengths[r] - done[r], random.Next(2) == 0 ? 1 : random.Next(1, maxTokens))))];
            foreach (Chunk chunk in step) done[chunk.Request] += chunk.NumTokens;
            yield return step;
            if (done.Sum() == _lengths.Sum()) yield break;
        }
    }

    /// <summary>Runs the steps on a cache full of NaN with a random block table, and gives the outputs per request
    /// [length, numHeads * headDim].</summary>
    public float[][] Run(
        Func<TileShape, TileKernel> variant, IEnumerable<Chunk[]> steps, int tableSeed = 1, int numThreads = 1)
    {
        using var team = new WorkerTeam(numThreads);
        using var kernel = new AttentionKernel(team, variant);
        using var cache = new PagedKvCache(_spec);
        Poison(team, cache);
        int[] blocks = [.. Enumerable.Range(1, _spec.NumBlocks - 1)];
        new Random(tableSeed).Shuffle(blocks);
        int[] done = new int[_lengths.Length];
        float[][] outputs = [.. _lengths.Select(n => new float[n * _numHeads * _spec.HeadDim])];
        foreach (Chunk[] step in steps) RunStep(step);
        return outputs;

        void RunStep(Chunk[] step)
        {
            int numTokens = step.Sum(chunk => chunk.NumTokens);
            var metadata = new AttentionMetadata(step.Length, numTokens, _blocksPerSeq) { NumSeqs = step.Length, NumTokens = numTokens };
            using var q = new TestTensor(numTokens, _numHeads * _spec.HeadDim);
            using var k = new TestTensor(numTokens, _spec.NumKvHeads * _spec.HeadDim);
            using var v = new TestTensor(numTokens, _spec.NumKvHeads * _spec.HeadDim);
            using var output = new TestTensor(numTokens, _numHeads * _spec.HeadDim, () => float.NaN);
            int row = 0;
            for (int i = 0; i < step.Length; i++)
            {
                int r = step[i].Request, first = done[r];
                metadata.QueryStart[i] = row;
                metadata.SeqLens[i] = done[r] += step[i].NumTokens;
                for (int b = 0; b < _blocksPerSeq; b++)
                {
                    // Blocks that slid out of the window are freed: their entries point to the null block.
                    bool isFreed = _parameters.Window > 0 && (b + 1) * _spec.BlockSize <= first - _parameters.Window + 1;
                    metadata.BlockTables[i * _blocksPerSeq + b] = isFreed ? 0 : blocks[r * _blocksPerSeq + b];
                }
                for (int p = first; p < done[r]; p++, row++)
                {
                    metadata.Positions[row] = p;
                    metadata.SlotMapping[row] = blocks[r * _blocksPerSeq + p / _spec.BlockSize] * _spec.BlockSize + p % _spec.BlockSize;
                    _q[r].Tensor.Row<float>(p).CopyTo(q.Tensor.Row<float>(row));
                    _k[r].Tensor.Row<float>(p).CopyTo(k.Tensor.Row<float>(row));
                    _v[r].Tensor.Row<float>(p).CopyTo(v.Tensor.Row<float>(row));
                }
            }
            metadata.QueryStart[step.Length] = row;
            using TestTensor cosSin = NoRotation(_lengths.Max());
            RopeKernel.Run(team, q, k, v, cosSin, cache, 1, metadata);
            kernel.Run(q, cache, 1, metadata, _parameters, output);
            for (int i = 0; i < step.Length; i++)
            {
                int width = _numHeads * _spec.HeadDim, num = step[i].NumTokens;
                output.Span.Slice(metadata.QueryStart[i] * width, num * width)
                    .CopyTo(outputs[step[i].Request].AsSpan((done[step[i].Request] - num) * width));
            }
        }
    }

    /// <summary>Bytes allocated by the last of ten cache writes and attentions; the first ones emit and compile code.</summary>
    public long AllocatedBytes(Func<TileShape, TileKernel> variant)
    {
        using var team = new WorkerTeam(1);
        using var kernel = new AttentionKernel(team, variant);
        using var cache = new PagedKvCache(_spec);
        using var output = new TestTensor(_lengths[0], _numHeads * _spec.HeadDim);
        using TestTensor cosSin = NoRotation(_lengths[0]);
        var metadata = new AttentionMetadata(1, _lengths[0], _blocksPerSeq) { NumSeqs = 1, NumTokens = _lengths[0] };
        metadata.QueryStart[1] = metadata.SeqLens[0] = _lengths[0];
        for (int i = 0; i < _lengths[0]; i++) metadata.Positions[i] = metadata.SlotMapping[i] = i;
        long before = 0;
        for (int i = 0; i < 10; i++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            RopeKernel.Run(team, _q[0], _k[0], _v[0], cosSin, cache, 0, metadata);
            kernel.Run(_q[0], cache, 0, metadata, _parameters, output);
        }
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>Fills every slot with NaN, as a previous owner might have left it; where nothing stands for NaN, with the
    /// largest numbers.</summary>
    void Poison(WorkerTeam team, PagedKvCache cache)
    {
        int numSlots = _spec.NumBlocks * _spec.BlockSize;
        var metadata = new AttentionMetadata(1, numSlots, 1) { NumTokens = numSlots };
        for (int slot = 0; slot < numSlots; slot++) metadata.SlotMapping[slot] = slot;
        using var q = new TestTensor(numSlots, _spec.HeadDim);
        using var nan = new TestTensor(numSlots, _spec.NumKvHeads * _spec.HeadDim, () => _spec.DType == DType.I8 ? 1e36f : float.NaN);
        using TestTensor cosSin = NoRotation(1);
        RopeKernel.Run(team, q, nan, nan, cosSin, cache, 1, metadata);
    }

    TestTensor NoRotation(int numPositions)
    {
        int column = 0, rotaryDim = _spec.HeadDim & ~1;
        return new TestTensor(numPositions, rotaryDim, () => column++ % rotaryDim < rotaryDim / 2 ? 1 : 0);
    }

    /// <summary>The output of one token and head in double precision, from keys and values as the cache stores them.</summary>
    public double[] Reference(int request, int token, int head)
    {
        int dims = _spec.HeadDim, kvHead = head / (_numHeads / _spec.NumKvHeads);
        int window = _parameters.Window, first = window == 0 ? 0 : Math.Max(0, token - window + 1);
        Span<float> q = _q[request].Tensor.Row<float>(token).Slice(head * dims, dims);
        double[] scores = new double[token + 1], output = new double[dims];
        double max = double.NegativeInfinity, sum = 0;
        for (int t = first; t <= token; t++)
        {
            Span<float> k = _k[request].Tensor.Row<float>(t).Slice(kvHead * dims, dims);
            for (int d = 0; d < dims; d++) scores[t] += (double)q[d] * Stored(k, d);
            scores[t] *= 1 / Math.Sqrt(dims);
            if (_parameters.SoftCap > 0) scores[t] = _parameters.SoftCap * Math.Tanh(scores[t] / _parameters.SoftCap);
            if (_parameters.AlibiSlopes is not null) scores[t] -= _slopes.Span[head] * (token - t);
            max = Math.Max(max, scores[t]);
        }
        if (_parameters.Sinks is not null) sum = Math.Exp(_sinks.Span[head] - max);
        for (int t = first; t <= token; t++) sum += Math.Exp(scores[t] - max);
        for (int t = first; t <= token; t++)
        {
            Span<float> v = _v[request].Tensor.Row<float>(t).Slice(kvHead * dims, dims);
            for (int d = 0; d < dims; d++) output[d] += Math.Exp(scores[t] - max) / sum * Stored(v, d);
        }
        return output;
    }

    /// <summary>What the cache makes of element d of a token's head.</summary>
    double Stored(Span<float> values, int d)
    {
        float value = values[d];
        switch (_spec.DType)
        {
            case DType.F32:
                return value;
            case DType.F8E4M3 or DType.F8E5M2:
                return Nearest.Float(value, _spec.DType);
            case DType.I8:
                float scale = Nearest.Scale(values);
                return scale * Math.Round(value / scale);
        }
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }

    public void Dispose()
    {
        foreach (TestTensor tensor in _q.Concat(_k).Concat(_v).Append(_slopes).Append(_sinks)) tensor.Dispose();
    }
}
