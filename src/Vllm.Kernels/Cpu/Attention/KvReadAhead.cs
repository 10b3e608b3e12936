namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Which keys and values a decode step reads in its next layer.</summary>
static unsafe class KvReadAhead
{
    /// <summary>Requests with more new tokens compute long enough on what they read.</summary>
    const int MaxNewTokens = 4;

    /// <summary>Lists the blocks that <paramref name="layer"/> will read, in the order of the requests; none beyond the
    /// last layer.</summary>
    /// <param name="readAhead">Receives them.</param>
    /// <param name="cache">Where they are.</param>
    /// <param name="layer">A layer, or the number of layers.</param>
    /// <param name="metadata">The step.</param>
    /// <param name="window">Positions that a token sees; 0 = all.</param>
    public static void List(ReadAhead readAhead, PagedKvCache cache, int layer, AttentionMetadata metadata, int window)
    {
        int blockSize = cache.Spec.BlockSize;
        bool hasRoom = layer < cache.Spec.NumLayers;
        readAhead.Begin();
        for (int request = 0; request < metadata.NumSeqs && hasRoom; request++)
        {
            if (metadata.QueryStart[request + 1] - metadata.QueryStart[request] > MaxNewTokens) continue;
            int seqLen = metadata.SeqLens[request];
            int end = (seqLen + blockSize - 1) / blockSize;
            int first = window == 0 ? 0 : Math.Max(0, seqLen - window - MaxNewTokens) / blockSize;
            ReadOnlySpan<int> blocks = metadata.BlockTables.AsSpan(request * metadata.MaxBlocksPerSeq, end);
            for (int i = first; i < end && hasRoom; i++)
                hasRoom = readAhead.TryAdd((nint)cache.Keys(layer, blocks[i]), cache.ChunkBytes * cache.Spec.NumKvHeads);
        }

        readAhead.End();
    }
}
