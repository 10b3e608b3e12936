using Vllm.Kernels;

namespace Vllm.Engine.KvCache;

/// <summary>Copies between cache and host that a step has to make before it computes: first all stores, as the blocks
/// are about to be overwritten, then all loads, which may read what was just stored.</summary>
sealed class BlockCopies
{
    /// <summary>Blocks that lose what they cache, to the host.</summary>
    public List<KvBlockCopy> Stores { get; } = [];

    /// <summary>Blocks that get their content back from the host.</summary>
    public List<KvBlockCopy> Loads { get; } = [];
}
