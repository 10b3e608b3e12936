using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using Vllm.Kernels;

namespace Vllm.Engine.Execution;

/// <summary>A step's tokens in the form that the model takes. Arrays are sized once; <see cref="Build"/> refills them.</summary>
sealed class InputBatch
{
    readonly int _blockSize;
    readonly int[] _tokenIds;
    readonly int[] _sampledRows;
    readonly Request[] _sampledRequests;
    int _numTokens;
    int _numSampled;

    public InputBatch(EngineConfig config)
    {
        _blockSize = config.BlockSize;
        int maxNumSeqs = config.Options.MaxNumSeqs;
        int maxNumTokens = config.MaxNumBatchedTokens;
        int maxBlocksPerSeq = (config.MaxModelLen + _blockSize - 1) / _blockSize;
        Metadata = new AttentionMetadata(maxNumSeqs, maxNumTokens, maxBlocksPerSeq);
        _tokenIds = new int[maxNumTokens];
        _sampledRows = new int[maxNumSeqs];
        _sampledRequests = new Request[maxNumSeqs];
    }

    public AttentionMetadata Metadata { get; }

    /// <summary>[numTokens], requests one after another.</summary>
    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, _numTokens);

    /// <summary>Rows of the requests that get a token: the last one of each. [numSampled]</summary>
    public ReadOnlySpan<int> SampledRows => _sampledRows.AsSpan(0, _numSampled);

    /// <summary>The requests of <see cref="SampledRows"/>.</summary>
    public ReadOnlySpan<Request> SampledRequests => _sampledRequests.AsSpan(0, _numSampled);

    public void Build(SchedulerOutput step)
    {
        _numTokens = 0;
        _numSampled = 0;
        for (int i = 0; i < step.Scheduled.Count; i++) Add(i, step.Scheduled[i]);
        Metadata.NumSeqs = step.Scheduled.Count;
        Metadata.NumTokens = _numTokens;
        Metadata.QueryStart[step.Scheduled.Count] = _numTokens;
    }

    void Add(int index, in ScheduledRequest scheduled)
    {
        int first = scheduled.NumComputedTokens;
        int num = scheduled.NumTokens;
        scheduled.Request.TokenIds.Slice(first, num).CopyTo(_tokenIds.AsSpan(_numTokens));
        Metadata.QueryStart[index] = _numTokens;
        Metadata.SeqLens[index] = first + num;

        Span<int> table = Metadata.BlockTables.AsSpan(index * Metadata.MaxBlocksPerSeq, Metadata.MaxBlocksPerSeq);
        int numBlocks = (first + num + _blockSize - 1) / _blockSize;
        scheduled.BlockIds.Span[..numBlocks].CopyTo(table);
        for (int i = 0; i < num; i++)
        {
            int position = first + i;
            Metadata.Positions[_numTokens + i] = position;
            Metadata.SlotMapping[_numTokens + i] = table[position / _blockSize] * _blockSize + position % _blockSize;
        }
        _numTokens += num;
        if (scheduled.ProducesToken)
        {
            _sampledRows[_numSampled] = _numTokens - 1;
            _sampledRequests[_numSampled++] = scheduled.Request;
        }
    }
}
