namespace Vllm.Engine.KvCache;

/// <summary>SHA-256 of a full block: parent hash, token ids and extra keys (vLLM's <c>sha256_cbor</c>).</summary>
readonly record struct BlockHash(ulong A, ulong B, ulong C, ulong D);
