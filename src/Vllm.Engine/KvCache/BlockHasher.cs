using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Vllm.Engine.KvCache;

/// <summary>
/// Computes block hashes: SHA-256 over the canonical CBOR (RFC 8949 §4.2.1) of
/// <c>[parent hash, [token ids], extra keys]</c>, bit-equal to vLLM's <c>sha256_cbor</c>. Extra keys are null, or
/// <c>[["cache_salt", salt]]</c> in the first block of a salted request. Not for concurrent use: one buffer is reused.
/// </summary>
sealed class BlockHasher
{
    /// <summary>vLLM's seed where PYTHONHASHSEED is not set: hashes agree between processes and machines.</summary>
    const string DefaultSeed = "vllm-none-hash";

    const byte UnsignedInteger = 0 << 5, ByteString = 2 << 5, TextString = 3 << 5, ArrayOf = 4 << 5, Null = 0xf6;

    /// <summary>A head of CBOR with a 32-bit argument.</summary>
    const int MaxHeadBytes = 5;

    byte[] _buffer;
    int _length;

    /// <param name="blockSize">Tokens per block.</param>
    /// <param name="seed">Text whose hash is the parent of every first block.</param>
    public BlockHasher(int blockSize, string seed = DefaultSeed)
    {
        _buffer = new byte[MaxHeadBytes * (blockSize + 8) + SHA256.HashSizeInBytes];
        WriteText(seed);
        Root = HashBuffer();
    }

    /// <summary>The parent of a first block.</summary>
    public BlockHash Root { get; }

    public BlockHash Hash(BlockHash parent, ReadOnlySpan<int> tokenIds, string? cacheSalt)
    {
        WriteHead(ArrayOf, 3);
        WriteHead(ByteString, SHA256.HashSizeInBytes);
        MemoryMarshal.Write(_buffer.AsSpan(_length), parent);
        _length += SHA256.HashSizeInBytes;
        WriteHead(ArrayOf, tokenIds.Length);
        foreach (int tokenId in tokenIds)
            WriteHead(UnsignedInteger, tokenId);
        WriteExtraKeys(cacheSalt);
        return HashBuffer();
    }

    void WriteExtraKeys(string? cacheSalt)
    {
        if (string.IsNullOrEmpty(cacheSalt))
        {
            _buffer[_length++] = Null;
            return;
        }
        WriteHead(ArrayOf, 1);
        WriteHead(ArrayOf, 2);
        WriteText("cache_salt");
        WriteText(cacheSalt);
    }

    void WriteText(string text)
    {
        int numBytes = Encoding.UTF8.GetByteCount(text);
        int needed = _length + MaxHeadBytes + numBytes;
        if (needed > _buffer.Length) Array.Resize(ref _buffer, needed);
        WriteHead(TextString, numBytes);
        _length += Encoding.UTF8.GetBytes(text, _buffer.AsSpan(_length));
    }

    /// <summary>Major type and argument in the shortest form.</summary>
    void WriteHead(byte majorType, int argument)
    {
        byte[] buffer = _buffer;
        if (argument < 24)
        {
            buffer[_length++] = (byte)(majorType | argument);
            return;
        }
        int numBytes = argument <= byte.MaxValue ? 1 : argument <= ushort.MaxValue ? 2 : 4;
        buffer[_length++] = (byte)(majorType | (numBytes == 1 ? 24 : numBytes == 2 ? 25 : 26));
        for (int shift = 8 * (numBytes - 1); shift >= 0; shift -= 8)
            buffer[_length++] = (byte)(argument >> shift);
    }

    BlockHash HashBuffer()
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_buffer.AsSpan(0, _length), digest);
        _length = 0;
        return MemoryMarshal.Read<BlockHash>(digest);
    }
}
