namespace Vllm.Engine.KvCache;

/// <summary>The blocks that a waiting request need not compute, in order of position.</summary>
sealed class CachedPrefix
{
    /// <summary>Blocks of the cache, from the start.</summary>
    public List<KvCacheBlock> Blocks { get; } = [];

    /// <summary>Blocks of the host tier that come after them.</summary>
    public List<KvCacheBlock> HostBlocks { get; } = [];

    public int NumBlocks => Blocks.Count + HostBlocks.Count;

    public void Clear()
    {
        Blocks.Clear();
        HostBlocks.Clear();
    }
}
