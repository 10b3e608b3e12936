namespace Vllm.Kernels;

/// <summary>How blocks are kept in the host's memory.</summary>
public enum HostKvFormat
{
    /// <summary>Bit for bit as in the cache.</summary>
    AsStored,

    /// <summary>8 bits per element and an fp32 scale per token and KV head, for keys and values each: absmax / 127,
    /// rounded to the nearest. What comes back differs from what was stored. For caches of BF16 and F32.</summary>
    Int8PerTokenHead,
}

/// <summary>Shape of the host's part of a KV cache.</summary>
/// <param name="Cache">The cache whose blocks it takes.</param>
/// <param name="NumBlocks">Blocks that it holds.</param>
/// <param name="Format">How it keeps them.</param>
public sealed record HostKvCacheSpec(KvCacheSpec Cache, int NumBlocks, HostKvFormat Format)
{
    /// <summary>Bytes of one block over all layers, keys and values.</summary>
    public long BlockBytes => Format == HostKvFormat.AsStored
        ? Cache.BlockBytes
        : 2L * Cache.NumLayers * Cache.StoredBlockSize * Cache.NumKvHeads * (Cache.StoredHeadDim + sizeof(float));
}

/// <summary>Blocks of a KV cache in the host's memory, in a layout of the device's choice.</summary>
public abstract class HostKvCache(HostKvCacheSpec spec) : IDisposable
{
    public HostKvCacheSpec Spec { get; } = spec;

    public abstract void Dispose();
}

/// <summary>One block on its way between the cache and the host.</summary>
/// <param name="Block">Block of the cache.</param>
/// <param name="HostBlock">Block of the host's part.</param>
public readonly record struct KvBlockCopy(int Block, int HostBlock);
