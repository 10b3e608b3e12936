using System.Text;
using Vllm.Engine.Execution;
using Vllm.Engine.Metrics;
using Vllm.Text.Tokenization;

namespace Vllm.Engine.Requests;

/// <summary>The front-end half of a sequence: its text so far and what the reader has not taken yet. Tokens are
/// appended by the output processor, outputs taken by the reader, both under <see cref="OutputStream"/>'s lock.</summary>
sealed class SequenceOutput(
    OutputStream stream, int index, SamplingParams samplingParams, IncrementalDetokenizer? detokenizer)
{
    readonly bool _keepsAll = samplingParams.OutputKind != OutputKind.Delta;
    readonly StringBuilder _text = new();
    readonly List<int> _tokenIds = [];
    readonly List<TokenLogprobs>? _logprobs = samplingParams.NumLogprobs is null ? null : [];
    double _cumulativeLogprob;
    int _numCachedTokens;
    int _numPreemptions;
    long _firstScheduledTime;
    long _firstTokenTime;
    long _lastTokenTime;
    string? _stopString;
    int? _stopTokenId;
    bool _hasNews;

    /// <summary>The request that it is a part of.</summary>
    public OutputStream Stream { get; } = stream;

    public FinishReason? FinishReason { get; private set; }

    /// <summary>Tokens so far, those that the reader has taken included.</summary>
    public int NumTokens { get; private set; }

    /// <summary>Appends a token. True when a stop string ended the sequence: the engine must be told.</summary>
    public bool Append(in NewToken token, long time)
    {
        if (FinishReason is not null) return false; // tokens made before the engine heard of the end
        RecordToken(token, time);
        _hasNews = true;
        _tokenIds.Add(token.TokenId);
        if (token.Logprobs is { } logprobs)
        {
            _logprobs!.Add(logprobs.ToTokenLogprobs());
            _cumulativeLogprob += logprobs.Values[0];
        }
        FinishReason = token.FinishReason;
        _stopTokenId = token.StopTokenId;
        bool stopped = AppendText(token);
        if (FinishReason is not null) RecordFinished();
        return stopped;
    }

    bool AppendText(in NewToken token)
    {
        if (detokenizer is null) return false;
        DetokenizedStep step = detokenizer.Append(
            [token.TokenId], finished: token.FinishReason is not null,
            endsWithStopToken: token.FinishReason == Requests.FinishReason.Stop);
        _text.Append(step.Delta);
        if (step.StopString is null) return false;
        bool mustTellEngine = FinishReason is null;
        FinishReason = Requests.FinishReason.Stop;
        _stopString = step.StopString;
        _stopTokenId = null;
        return mustTellEngine;
    }

    public void Finish(FinishReason reason)
    {
        if (FinishReason is not null) return;
        FinishReason = reason;
        _hasNews = true;
        RecordFinished();
    }

    /// <summary>What the reader is to see, or null when nothing is new.</summary>
    public CompletionOutput? Take()
    {
        if (!_hasNews) return null;
        _hasNews = false;
        var output = new CompletionOutput
        {
            Index = index,
            Text = _text.ToString(),
            TokenIds = [.. _tokenIds],
            Logprobs = _logprobs is null ? null : [.. _logprobs],
            CumulativeLogprob = _logprobs is null ? null : _cumulativeLogprob,
            FinishReason = FinishReason,
            StopString = _stopString,
            StopTokenId = _stopTokenId,
            Metrics = FinishReason is null || _firstTokenTime == 0 ? null : Times(),
        };
        if (!_keepsAll)
        {
            _text.Clear();
            _tokenIds.Clear();
            _logprobs?.Clear();
        }
        return output;
    }

    void RecordToken(in NewToken token, long time)
    {
        if (NumTokens++ == 0)
        {
            _firstTokenTime = time;
            Stream.Metrics.RecordFirstToken(Elapsed(Stream.ArrivalTime, time));
        }
        else
        {
            Stream.Metrics.RecordInterTokenLatency(Elapsed(_lastTokenTime, time));
        }
        _lastTokenTime = time;
        _numCachedTokens = token.NumCachedTokens;
        _numPreemptions = token.NumPreemptions;
        _firstScheduledTime = token.FirstScheduledTime;
    }

    void RecordFinished() => Stream.Metrics.RecordFinished(new RequestStats
    {
        FinishReason = FinishReason!.Value,
        NumPromptTokens = Stream.NumPromptTokens,
        NumCachedTokens = _numCachedTokens,
        NumGenerationTokens = NumTokens,
        NumPreemptions = _numPreemptions,
        MaxTokens = samplingParams.MaxTokens,
        N = samplingParams.N,
        LongestGeneration = Stream.LongestGeneration,
        Latency = Elapsed(Stream.ArrivalTime, Stream.Clock.GetTimestamp()),
        Times = _firstTokenTime == 0 ? null : Times(),
    });

    RequestMetrics Times() => new()
    {
        QueueTime = Elapsed(Stream.ArrivalTime, _firstScheduledTime),
        PrefillTime = Elapsed(_firstScheduledTime, _firstTokenTime),
        DecodeTime = Elapsed(_firstTokenTime, _lastTokenTime),
        NumGenerationTokens = NumTokens,
    };

    TimeSpan Elapsed(long start, long end) => Stream.Clock.GetElapsedTime(start, end);
}
