namespace Vllm.Engine.Metrics;

/// <summary>What the engine counts and measures. Written by the engine thread, read by any.</summary>
public sealed class EngineMetrics
{
    /// <summary>After each step, and when the engine falls idle.</summary>
    internal void RecordStep(in StepStats stats) { }

    /// <summary>Once per request, at its end.</summary>
    internal void RecordFinished(in RequestStats stats) { }
}

/// <summary>One step in numbers.</summary>
readonly record struct StepStats
{
    public required int NumRunning { get; init; }
    public required int NumWaiting { get; init; }

    /// <summary>Share of the blocks that live requests hold.</summary>
    public required double KvCacheUsage { get; init; }

    /// <summary>Prompt tokens computed in this step.</summary>
    public required int NumPromptTokens { get; init; }

    /// <summary>Tokens sampled in this step.</summary>
    public required int NumGenerationTokens { get; init; }

    public required int NumPreemptions { get; init; }
    public required int PrefixCacheQueries { get; init; }
    public required int PrefixCacheHits { get; init; }
}

/// <summary>One finished request in numbers. Times are <see cref="TimeProvider.GetTimestamp"/> values.</summary>
readonly record struct RequestStats
{
    public required Requests.FinishReason FinishReason { get; init; }
    public required int NumPromptTokens { get; init; }
    public required int NumCachedTokens { get; init; }
    public required int NumGenerationTokens { get; init; }
    public required int NumPreemptions { get; init; }
    public required int? MaxTokens { get; init; }
    public required int N { get; init; }
    public required long ArrivalTime { get; init; }
    public required long FirstScheduledTime { get; init; }
    public required long FirstTokenTime { get; init; }
    public required long FinishedTime { get; init; }
}
