using System.Diagnostics;

namespace Vllm.Cli.Benchmarks;

/// <param name="FirstTokens">Until every sequence had its first token: the prefill.</param>
/// <param name="Total">Until the last token.</param>
readonly record struct BatchTimes(TimeSpan FirstTokens, TimeSpan Total);

/// <summary>Runs the same prompts together, again and again, and takes the time. The sampling parameters must ask for
/// deltas: the first of a stream is its first token.</summary>
sealed class TimedBatch(AsyncLLM engine, IReadOnlyList<IReadOnlyList<int>> prompts, SamplingParams samplingParams)
{
    int _numRequests;

    public async Task<BatchTimes> RunAsync()
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan[] firsts = await Task.WhenAll(prompts.Select(prompt => RunAsync(prompt, start)));
        return new BatchTimes(firsts.Max(), Stopwatch.GetElapsedTime(start));
    }

    async Task<TimeSpan> RunAsync(IReadOnlyList<int> prompt, long start)
    {
        TimeSpan? first = null;
        string id = $"{Interlocked.Increment(ref _numRequests)}";
        await foreach (RequestOutput output in engine.Generate(id, prompt, samplingParams))
        {
            first ??= Stopwatch.GetElapsedTime(start);
            if (output.Error is { } error) throw new InvalidOperationException(error);
        }
        return first!.Value;
    }
}
