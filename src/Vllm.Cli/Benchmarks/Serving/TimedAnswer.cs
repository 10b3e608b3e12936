using System.Diagnostics;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>An answer as it arrives, chunk by chunk.</summary>
/// <param name="start">Timestamp of sending.</param>
sealed class TimedAnswer(long start)
{
    readonly long _start = start;
    readonly Utf8Text _text = new();
    readonly List<double> _itl = [];
    double? _ttft;
    long _latest = start;
    int? _numPromptTokens;
    int? _numOutputTokens;

    public bool HasTokens => _ttft is not null;

    public string? Error { get; private set; }

    public void Take(ReadOnlySpan<byte> data)
    {
        StreamChunk chunk = StreamChunk.Read(data, _text);
        if (chunk.HasToken) TakeTime(Stopwatch.GetTimestamp());
        // With continuous usage the last count is the whole.
        _numPromptTokens = chunk.PromptTokens ?? _numPromptTokens;
        _numOutputTokens = chunk.CompletionTokens ?? _numOutputTokens;
        Error ??= chunk.Error;
    }

    public RequestOutcome Outcome(Datasets.BenchRequest request, long benchmarkStart, string error) => new()
    {
        Error = error,
        StartTime = Stopwatch.GetElapsedTime(benchmarkStart, _start).TotalSeconds,
        Ttft = _ttft ?? 0,
        Latency = Stopwatch.GetElapsedTime(_start, _latest).TotalSeconds,
        Itl = _itl,
        NumPromptTokens = _numPromptTokens ?? request.PromptTokenIds.Count,
        // A server that does not count is taken to send a token a chunk.
        NumOutputTokens = error.Length > 0 ? 0 : _numOutputTokens is > 0 and int counted ? counted : _itl.Count + 1,
        Text = _text.ToString(),
    };

    void TakeTime(long now)
    {
        if (_ttft is null) _ttft = Stopwatch.GetElapsedTime(_start, now).TotalSeconds;
        else _itl.Add(Stopwatch.GetElapsedTime(_latest, now).TotalSeconds);
        _latest = now;
    }
}
