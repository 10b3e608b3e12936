using System.Runtime.InteropServices;

namespace Vllm.Engine.KvCache;

/// <summary>SHA-256 of a full block: parent hash, token ids and extra keys (vLLM's <c>sha256_cbor</c>). It names the
/// block's content together with all that comes before it.</summary>
readonly record struct BlockHash(ulong A, ulong B, ulong C, ulong D)
{
    /// <summary>The digest is uniform already; any part of it will do.</summary>
    public override int GetHashCode() => (int)A;

    /// <summary>The digest in hex, as vLLM prints it.</summary>
    public override string ToString() =>
        Convert.ToHexStringLower(MemoryMarshal.AsBytes(new ReadOnlySpan<BlockHash>(in this)));
}
