using Vllm.Kernels;
using Vllm.Kernels.Cpu;
using Vllm.Models;
using Vllm.Models.Architectures;
using Vllm.Models.Loading;

namespace Vllm.Tests.Architectures;

/// <summary>A checkpoint with a KV cache of its own, driven without an engine: one sequence, fed in pieces.</summary>
sealed class ModelRun : IDisposable
{
    /// <summary>Not a multiple of the attention's tile, so that tables of several blocks are used.</summary>
    const int BlockSize = 16;

    readonly Checkpoint _checkpoint;
    readonly CpuDevice _device = new();
    readonly LanguageModel _model;
    readonly KvCache _cache;
    readonly AttentionMetadata _metadata;
    int _numComputed;

    public ModelRun(string path, DType dtype, int maxModelLen)
    {
        _checkpoint = Checkpoint.Open(path);
        ModelConfig config = _checkpoint.Config;
        var weights = new WeightLoader(_checkpoint, _device, dtype);
        _model = ModelRegistry.Create(new ModelContext(config, _device, weights, maxModelLen, maxModelLen, maxModelLen));
        int numBlocks = (maxModelLen + BlockSize - 1) / BlockSize;
        DType kvType = dtype == DType.F32 ? DType.F32 : DType.BF16;
        _cache = _device.CreateKvCache(
            new KvCacheSpec(config.NumHiddenLayers, numBlocks + 1, BlockSize, config.NumKvHeads, config.HeadDim, kvType));
        _metadata = new AttentionMetadata(1, maxModelLen, numBlocks);
        for (int i = 0; i < numBlocks; i++) _metadata.BlockTables[i] = numBlocks - i; // backwards: no order is promised
    }

    /// <summary>Starts the sequence again.</summary>
    public void Reset() => _numComputed = 0;

    /// <summary>Logits of all tokens, fed in chunks. [numTokens, vocabSize]</summary>
    public float[][] Logits(ReadOnlySpan<int> tokenIds, int chunk = int.MaxValue)
    {
        var logits = new List<float[]>();
        for (int start = 0; start < tokenIds.Length; start += Math.Min(chunk, tokenIds.Length))
            logits.AddRange(Feed(tokenIds[start..Math.Min(tokenIds.Length, start + Math.Min(chunk, tokenIds.Length))]));
        return [.. logits];
    }

    public int[] Greedy(float[] lastLogits, int num)
    {
        var ids = new int[num];
        for (int i = 0; i < num; i++)
        {
            ids[i] = Array.IndexOf(lastLogits, lastLogits.Max());
            lastLogits = Feed([ids[i]])[0];
        }
        return ids;
    }

    public void Dispose()
    {
        _model.Dispose();
        _cache.Dispose();
        _device.Dispose();
        _checkpoint.Dispose();
    }

    float[][] Feed(ReadOnlySpan<int> tokenIds)
    {
        int num = tokenIds.Length;
        _metadata.NumSeqs = 1;
        _metadata.NumTokens = num;
        _metadata.QueryStart[1] = num;
        _metadata.SeqLens[0] = _numComputed + num;
        for (int i = 0; i < num; i++)
        {
            int position = _numComputed + i;
            _metadata.Positions[i] = position;
            _metadata.SlotMapping[i] = _metadata.BlockTables[position / BlockSize] * BlockSize + position % BlockSize;
        }
        _numComputed += num;

        _device.BeginStep();
        Tensor hidden = _model.Forward(tokenIds, _cache, _metadata);
        Tensor logits = _model.ComputeLogits(hidden, [.. Enumerable.Range(0, num)]);
        _device.EndStep();
        return [.. Enumerable.Range(0, num).Select(row => logits.Row<float>(row).ToArray())];
    }
}
