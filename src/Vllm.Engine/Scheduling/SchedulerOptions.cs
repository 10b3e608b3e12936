namespace Vllm.Engine.Scheduling;

/// <summary>Order in which requests are admitted and, when blocks run out, preempted.</summary>
public enum SchedulingPolicy
{
    Fcfs,
    Priority,
}

/// <summary>The scheduler's limits, resolved from the engine's options (vLLM's <c>SchedulerConfig</c>).</summary>
sealed record SchedulerOptions
{
    /// <summary>Most requests in one step.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>Most requests that run at once; null = <see cref="MaxNumSeqs"/>.</summary>
    public int? MaxNumActiveSeqs { get; init; }

    /// <summary>Most tokens the runner can take in one step.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>The token budget of a step; null = <see cref="MaxNumBatchedTokens"/>.</summary>
    public int? MaxNumScheduledTokens { get; init; }

    /// <summary>Most tokens of a request, prompt and output.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>Tokens per KV block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks of the cache, the null block 0 included. A request that needs more would wait for ever, with all
    /// behind it: <see cref="KvCache.KvCacheSizing"/> sees to it that <see cref="MaxModelLen"/> tokens fit.</summary>
    public required int NumBlocks { get; init; }

    /// <summary>Blocks that the host keeps of what the cache gives up; 0 = none. Needs prefix caching.</summary>
    public int NumHostBlocks { get; init; }

    public bool EnablePrefixCaching { get; init; } = true;
    public bool EnableChunkedPrefill { get; init; } = true;
    public SchedulingPolicy Policy { get; init; }

    /// <summary>Most prompt tokens of one request in a step while others are there; 0 = no limit.</summary>
    public int LongPrefillTokenThreshold { get; init; }

    /// <summary>Raises the threshold to an equal share of the batch when few requests are there.</summary>
    public bool LongPrefillTokenThresholdAdaptive { get; init; }

    /// <summary>Share of the blocks kept free at admissions while something is running.</summary>
    public double Watermark { get; init; }

    /// <summary>Admit a request only when its whole prompt fits, not just the first chunk.</summary>
    public bool SchedulerReserveFullIsl { get; init; } = true;
}
