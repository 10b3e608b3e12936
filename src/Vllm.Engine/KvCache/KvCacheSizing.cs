using System.Globalization;

namespace Vllm.Engine.KvCache;

/// <summary>How many blocks the KV cache gets and what fits into them, for models in which every layer keeps all
/// tokens. Numbers and messages are vLLM's.</summary>
sealed record KvCacheSizing
{
    const string Advice = "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.";

    KvCacheSizing()
    {
    }

    /// <summary>Blocks of the cache, the null block included.</summary>
    public required int NumBlocks { get; init; }

    /// <summary>Tokens per block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>The longest request; below what was asked for only after auto-fit.</summary>
    public required int MaxModelLen { get; init; }

    public int MaxBlocksPerRequest => NumBlocksFor(MaxModelLen, BlockSize);

    /// <summary>Requests of full length that fit at once.</summary>
    public double MaxConcurrency => (double)NumBlocks / MaxBlocksPerRequest;

    /// <summary><see cref="MaxConcurrency"/> as it is logged: <c>2.67x</c>.</summary>
    public string MaxConcurrencyText =>
        RoundHalfToEven(MaxConcurrency).ToString("F2", CultureInfo.InvariantCulture) + "x";

    /// <summary>Tokens in requests of full length that fit at once.</summary>
    public long NumTokens => (long)(MaxConcurrency * MaxModelLen);

    /// <summary>Bytes of one block of one layer.</summary>
    /// <param name="blockSize">Tokens per block.</param>
    /// <param name="numKvHeads">KV heads that this device holds.</param>
    /// <param name="headSizeK">Elements of a key.</param>
    /// <param name="headSizeV">Elements of a value; 0 when values are part of the keys (MLA).</param>
    /// <param name="elementSizeBytes">Bytes per element.</param>
    public static long PageSizeBytes(
        int blockSize, int numKvHeads, int headSizeK, int headSizeV, int elementSizeBytes) =>
        (long)blockSize * numKvHeads * (headSizeK + headSizeV) * elementSizeBytes;

    /// <summary>Divides memory into blocks and checks that one request of full length fits.</summary>
    /// <param name="availableBytes">Memory left for the cache; 0 or less when there is none.</param>
    /// <param name="blockSizeBytes">Bytes of one block over all layers.</param>
    /// <param name="blockSize">Tokens per block.</param>
    /// <param name="maxModelLen">The longest request asked for.</param>
    /// <param name="autoFit">Lower <paramref name="maxModelLen"/> to what fits, in place of failing.</param>
    /// <param name="numBlocksOverride">Number of blocks whatever the memory; null = from the memory.</param>
    /// <exception cref="InsufficientMemoryException">One request of full length does not fit.</exception>
    public static KvCacheSizing Compute(long availableBytes, long blockSizeBytes, int blockSize, int maxModelLen,
        bool autoFit = false, int? numBlocksOverride = null)
    {
        if (numBlocksOverride is { } numBlocks) availableBytes = numBlocks * blockSizeBytes;
        long bytesForRequests = availableBytes - blockSizeBytes; // all but the null block
        long longest = Math.Min(Math.Max(bytesForRequests, 0) / blockSizeBytes * blockSize, maxModelLen);
        if (autoFit)
        {
            if (longest == 0)
                throw new InsufficientMemoryException("Cannot auto-fit max_model_len: not enough GPU memory available "
                    + "to serve even a single token. Try increasing `gpu_memory_utilization`.");
            maxModelLen = (int)longest;
        }
        if (bytesForRequests <= 0)
            throw new InsufficientMemoryException("No available memory for the cache blocks. Try increasing "
                + "`gpu_memory_utilization` when initializing the engine (this flag also controls CPU memory "
                + $"reservation on the CPU backend, despite its name). {Advice}");
        if (longest < maxModelLen)
            throw new InsufficientMemoryException(DescribeShortage(
                maxModelLen, NumBlocksFor(maxModelLen, blockSize) * blockSizeBytes, bytesForRequests, longest));
        return new KvCacheSizing
        {
            NumBlocks = checked((int)(availableBytes / blockSizeBytes)),
            BlockSize = blockSize,
            MaxModelLen = maxModelLen,
        };
    }

    static string DescribeShortage(int maxModelLen, long neededBytes, long availableBytes, long longest) =>
        $"To serve at least one request with the model's max seq len ({maxModelLen}), ({Gib(neededBytes)} GiB KV cache "
        + $"is needed, which is larger than the available KV cache memory ({Gib(availableBytes)} GiB). "
        + (longest > 0 ? $"Based on the available memory, the estimated maximum model length is {longest}. " : "")
        + "Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing "
        + $"`max_model_len` when initializing the engine. {Advice}";

    static string Gib(long bytes) =>
        RoundHalfToEven((double)bytes / (1 << 30)).ToString("0.0#", CultureInfo.InvariantCulture);

    /// <summary>Rounds what lies exactly between two hundredths as Python does; "F2" would round it up. Only odd
    /// multiples of 1/8 are such numbers.</summary>
    static double RoundHalfToEven(double value) => value * 8 % 2 == 1 ? Math.Round(value, 2) : value;

    static int NumBlocksFor(int numTokens, int blockSize) => (numTokens + blockSize - 1) / blockSize;
}
