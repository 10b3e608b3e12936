using Vllm.Engine.Requests;

namespace Vllm.Engine.Metrics;

/// <summary>What the engine counts and measures, with vLLM's meanings. Steps are recorded by the engine thread, requests
/// where their outputs are made: only what a reader could see counts. Any thread reads.</summary>
public sealed class EngineMetrics
{
    /// <summary>Longest series of token bounds: prompts and answers have at most this many tokens.</summary>
    const int MaxTokens = 10_000_000;

    static readonly double[] LatencyBounds =
        [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    static readonly double[] TokenLatencyBounds =
        [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    readonly long[] _finished = new long[Enum.GetValues<FinishReason>().Length];
    StepStats _last;
    long _numPromptTokens;
    long _numGenerationTokens;

    internal EngineMetrics(TimeProvider? clock = null)
    {
        clock ??= TimeProvider.System;
        PromptThroughput = new Throughput(clock);
        GenerationThroughput = new Throughput(clock);
    }

    public int NumRequestsRunning => _last.NumRunning;

    public int NumRequestsWaiting => _last.NumWaiting;

    /// <summary>Share of the blocks that live requests hold, 0…1.</summary>
    public double KvCacheUsage => _last.KvCacheUsage;

    /// <summary>Prompt tokens computed or taken from the cache since the start.</summary>
    public long NumPromptTokens => Volatile.Read(ref _numPromptTokens) + PrefixCacheHits + HostTier.NumHitTokens;

    /// <summary>Prompt tokens computed since the start.</summary>
    public long NumComputedPromptTokens => Volatile.Read(ref _numPromptTokens);

    public long NumGenerationTokens => Volatile.Read(ref _numGenerationTokens);

    public long NumPreemptions => _last.NumPreemptions;

    /// <summary>Tokens looked up in the prefix cache since the start.</summary>
    public long PrefixCacheQueries => _last.PrefixCacheQueries;

    /// <summary>Tokens found there.</summary>
    public long PrefixCacheHits => _last.PrefixCacheHits;

    /// <summary>What the host's memory kept of the blocks that the cache gave up; zero when it keeps nothing.</summary>
    public HostTierStats HostTier => _last.HostTier;

    public Throughput PromptThroughput { get; }

    public Throughput GenerationThroughput { get; }

    /// <summary>Tokens computed per step.</summary>
    public Histogram IterationTokens { get; } =
        new(1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384);

    public Histogram TimeToFirstToken { get; } =
        new(.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560);

    public Histogram InterTokenLatency { get; } = new(TokenLatencyBounds);

    /// <summary>Mean time per token after the first, one value per request.</summary>
    public Histogram TimePerOutputToken { get; } = new(TokenLatencyBounds);

    /// <summary>Arrival to end.</summary>
    public Histogram RequestLatency { get; } = new(LatencyBounds);

    /// <summary>Arrival to first step.</summary>
    public Histogram QueueTime { get; } = new(LatencyBounds);

    /// <summary>First step to end.</summary>
    public Histogram InferenceTime { get; } = new(LatencyBounds);

    /// <summary>First step to first token.</summary>
    public Histogram PrefillTime { get; } = new(LatencyBounds);

    /// <summary>First token to end.</summary>
    public Histogram DecodeTime { get; } = new(LatencyBounds);

    public Histogram RequestPromptTokens { get; } = new(TokenBounds());

    public Histogram RequestGenerationTokens { get; } = new(TokenBounds());

    /// <summary>The longest of a prompt's answers.</summary>
    public Histogram RequestLongestGeneration { get; } = new(TokenBounds());

    public Histogram RequestMaxTokens { get; } = new(TokenBounds());

    /// <summary>Prompt tokens that the cache did not have.</summary>
    public Histogram RequestComputedPromptTokens { get; } = new(TokenBounds());

    public Histogram RequestN { get; } = new(1, 2, 5, 10, 20);

    public Histogram RequestPreemptions { get; } = new(1, 2, 3, 4, 5, 10, 20);

    /// <summary>Requests that ended for a reason since the start.</summary>
    public long NumFinished(FinishReason reason) => Volatile.Read(ref _finished[(int)reason]);

    /// <summary>After each step, and when the engine falls idle.</summary>
    internal void RecordStep(in StepStats stats)
    {
        _last = stats;
        int numTokens = stats.NumPromptTokens + stats.NumSampledTokens;
        if (numTokens == 0) return;
        Volatile.Write(ref _numPromptTokens, _numPromptTokens + stats.NumPromptTokens);
        PromptThroughput.Add(stats.NumPromptTokens);
        IterationTokens.Record(numTokens);
    }

    /// <summary>The first token of an answer, so long after the request was submitted.</summary>
    internal void RecordFirstToken(TimeSpan latency)
    {
        TimeToFirstToken.Record(latency.TotalSeconds);
        RecordToken();
    }

    /// <summary>Another token, so long after the one before.</summary>
    internal void RecordInterTokenLatency(TimeSpan latency)
    {
        InterTokenLatency.Record(latency.TotalSeconds);
        RecordToken();
    }

    void RecordToken()
    {
        Interlocked.Increment(ref _numGenerationTokens);
        GenerationThroughput.Add(1);
    }

    /// <summary>Once per request, at its end.</summary>
    internal void RecordFinished(in RequestStats stats)
    {
        Interlocked.Increment(ref _finished[(int)stats.FinishReason]);
        RequestPromptTokens.Record(stats.NumPromptTokens);
        RequestGenerationTokens.Record(stats.NumGenerationTokens);
        RequestComputedPromptTokens.Record(stats.NumPromptTokens - stats.NumCachedTokens);
        if (stats.MaxTokens is { } maxTokens) RequestMaxTokens.Record(maxTokens);
        if (stats.LongestGeneration is { } longest)
        {
            RequestN.Record(stats.N);
            RequestLongestGeneration.Record(longest);
        }
        RequestPreemptions.Record(stats.NumPreemptions);
        RequestLatency.Record(stats.Latency.TotalSeconds);
        if (stats.Times is { } times) RecordTimes(times);
    }

    void RecordTimes(RequestMetrics times)
    {
        QueueTime.Record(times.QueueTime.TotalSeconds);
        PrefillTime.Record(times.PrefillTime.TotalSeconds);
        DecodeTime.Record(times.DecodeTime.TotalSeconds);
        InferenceTime.Record((times.PrefillTime + times.DecodeTime).TotalSeconds);
        TimePerOutputToken.Record(times.TimePerOutputToken.TotalSeconds);
    }

    static double[] TokenBounds()
    {
        List<double> bounds = [];
        for (int decade = 1; decade <= MaxTokens; decade *= 10) bounds.AddRange([decade, 2 * decade, 5 * decade]);
        return [.. bounds];
    }
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

    /// <summary>Requests that get a token in this step.</summary>
    public required int NumSampledTokens { get; init; }

    /// <summary>Since the engine started.</summary>
    public required long NumPreemptions { get; init; }

    /// <summary>Tokens looked up since the engine started.</summary>
    public required long PrefixCacheQueries { get; init; }

    /// <summary>Tokens found since the engine started.</summary>
    public required long PrefixCacheHits { get; init; }

    public HostTierStats HostTier { get; init; }
}

/// <summary>Blocks and tokens that went to the host's memory and came back, since the engine started.</summary>
public readonly record struct HostTierStats
{
    /// <summary>Tokens that the prefix cache did not have and that were looked up here.</summary>
    public required long NumQueriedTokens { get; init; }

    /// <summary>Those that were found.</summary>
    public required long NumHitTokens { get; init; }

    /// <summary>Blocks copied to the host.</summary>
    public required long NumStored { get; init; }

    /// <summary>Given-up blocks that it had already.</summary>
    public required long NumAlreadyStored { get; init; }

    /// <summary>Given-up blocks that found no room.</summary>
    public required long NumDropped { get; init; }

    /// <summary>Blocks copied back, for preempted requests too.</summary>
    public required long NumLoaded { get; init; }
}

/// <summary>One finished answer in numbers.</summary>
readonly record struct RequestStats
{
    public required FinishReason FinishReason { get; init; }
    public required int NumPromptTokens { get; init; }
    public required int NumCachedTokens { get; init; }
    public required int NumGenerationTokens { get; init; }
    public required int NumPreemptions { get; init; }
    public required int? MaxTokens { get; init; }
    public required int N { get; init; }

    /// <summary>Tokens of the longest of the prompt's N answers, when this one is the last of them to end.</summary>
    public required int? LongestGeneration { get; init; }

    /// <summary>Submission to end.</summary>
    public required TimeSpan Latency { get; init; }

    /// <summary>Null when it ended before its first token.</summary>
    public required RequestMetrics? Times { get; init; }
}
