using Vllm.Engine.Metrics;

namespace Vllm;

/// <summary>The online engine: many callers submit requests at any time and read their outputs as streams. All members
/// may be called from any thread.</summary>
public sealed class AsyncLLM : IAsyncDisposable
{
    /// <summary>Loads the model and starts the engine thread.</summary>
    /// <exception cref="ArgumentException">Options that contradict each other or the model.</exception>
    public static AsyncLLM Create(EngineOptions options, IProgress<LoadProgress>? progress = null) => throw new NotSupportedException();

    public EngineConfig Config => throw new NotSupportedException();

    /// <summary>Counters and gauges of the engine, for <c>/metrics</c> and the log.</summary>
    public EngineMetrics Metrics => throw new NotSupportedException();

    /// <summary>False once the engine loop has died; every request fails from then on.</summary>
    public bool IsHealthy => throw new NotSupportedException();

    /// <summary>Submits a request and streams its outputs until the last has <see cref="RequestOutput.Finished"/>. Leaving
    /// the enumeration, or cancelling, aborts the request and frees its blocks within a step.</summary>
    /// <exception cref="ArgumentException">The prompt or the parameters are not valid (says which and why).</exception>
    public IAsyncEnumerable<RequestOutput> Generate(
        string requestId, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams,
        GenerateOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Ends requests by id; unknown ids are ignored.</summary>
    public void Abort(string requestId) => throw new NotSupportedException();

    /// <summary>Forgets all cached prompts. False when requests still hold blocks.</summary>
    public Task<bool> ResetPrefixCacheAsync() => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}

/// <summary>What a request may say besides its sampling parameters.</summary>
public sealed record GenerateOptions
{
    /// <summary>Lower is served first, with the priority policy.</summary>
    public int Priority { get; init; }

    /// <summary>Prompts of different salts share no cached blocks.</summary>
    public string? CacheSalt { get; init; }
}

/// <param name="Stage">What is being done: "reading", "packing weights", ….</param>
/// <param name="Fraction">0…1 of the whole loading.</param>
public readonly record struct LoadProgress(string Stage, double Fraction);
