namespace Vllm.Engine.KvCache;

/// <summary>The ids of a request's blocks in order of position: token <c>p</c> lies in block <c>Ids[p / blockSize]</c>.
/// It only grows, until <see cref="Clear"/>.</summary>
sealed class BlockTable
{
    int[] _ids = [];

    public int Count { get; private set; }

    /// <summary>How many blocks from the start are in the prefix cache, hits included.</summary>
    public int NumCachedBlocks { get; set; }

    /// <summary>Keeps its content when the table is cleared or grows, so that a step under way can go on reading it
    /// after its request was aborted.</summary>
    public ReadOnlyMemory<int> Ids => _ids.AsMemory(0, Count);

    /// <summary>Makes room, so that adding blocks allocates nothing.</summary>
    public void Reserve(int numBlocks)
    {
        if (numBlocks > _ids.Length) Array.Resize(ref _ids, numBlocks);
    }

    public void Add(int blockId)
    {
        if (Count == _ids.Length) Array.Resize(ref _ids, Math.Max(8, 2 * Count));
        _ids[Count++] = blockId;
    }

    public void Clear() => Count = NumCachedBlocks = 0;
}
