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
    public required int MaxNumSeqs { get; init; }
    public required int MaxNumBatchedTokens { get; init; }
    public required int MaxModelLen { get; init; }

    /// <summary>Tokens per KV block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks of the cache, the null block 0 included.</summary>
    public required int NumBlocks { get; init; }

    public bool EnablePrefixCaching { get; init; } = true;
    public bool EnableChunkedPrefill { get; init; } = true;
    public SchedulingPolicy Policy { get; init; }

    /// <summary>Most prompt tokens of one request in a step while others are there; 0 = no limit.</summary>
    public int LongPrefillTokenThreshold { get; init; }

    public bool LongPrefillTokenThresholdAdaptive { get; init; }

    /// <summary>Share of the blocks kept free at admissions while something is running.</summary>
    public double Watermark { get; init; }

    /// <summary>Admit a request only when its whole prompt fits, not just the first chunk.</summary>
    public bool SchedulerReserveFullIsl { get; init; } = true;
}
