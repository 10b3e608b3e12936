using System.Runtime.CompilerServices;

namespace Vllm.Engine.Requests;

/// <summary>Holds the outputs of a stream back until an answer has so many new tokens (<c>stream_interval</c>). Its first
/// and its last tokens are passed on at once.</summary>
sealed class StreamInterval
{
    readonly int _numTokens;
    readonly bool _isDelta;
    readonly Dictionary<int, int> _numPassed = []; // tokens per answer that the reader has
    readonly Dictionary<int, CompletionOutput> _pending = [];

    StreamInterval(int numTokens, OutputKind kind)
    {
        _numTokens = numTokens;
        _isDelta = kind == OutputKind.Delta;
    }

    /// <summary>The outputs as the request wants them.</summary>
    public static IAsyncEnumerable<RequestOutput> Apply(IAsyncEnumerable<RequestOutput> outputs, SamplingParams samplingParams) =>
        samplingParams is { StreamInterval: > 1 and int numTokens, OutputKind: not OutputKind.FinalOnly }
            ? new StreamInterval(numTokens, samplingParams.OutputKind).ApplyAsync(outputs)
            : outputs;

    async IAsyncEnumerable<RequestOutput> ApplyAsync(
        IAsyncEnumerable<RequestOutput> outputs, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (RequestOutput output in outputs.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            var ready = new List<CompletionOutput>(output.Outputs.Count);
            foreach (CompletionOutput answer in output.Outputs)
                if (Take(answer) is { } passed)
                    ready.Add(passed);
            if (ready.Count > 0 || output.Finished) yield return output with { Outputs = ready };
        }
    }

    /// <summary>What is passed on, or null when it has to wait.</summary>
    CompletionOutput? Take(CompletionOutput output)
    {
        if (_isDelta && _pending.Remove(output.Index, out CompletionOutput? earlier)) output = Join(earlier, output);
        bool isFirst = !_numPassed.TryGetValue(output.Index, out int numPassed);
        int numNew = output.TokenIds.Count - (_isDelta ? 0 : numPassed);
        if (isFirst || numNew >= _numTokens || output.FinishReason is not null)
        {
            _numPassed[output.Index] = output.TokenIds.Count;
            return output;
        }
        _pending[output.Index] = output;
        return null;
    }

    static CompletionOutput Join(CompletionOutput first, CompletionOutput second) => second with
    {
        Text = first.Text + second.Text,
        TokenIds = [.. first.TokenIds, .. second.TokenIds],
        Logprobs = second.Logprobs is null ? first.Logprobs : [.. first.Logprobs ?? [], .. second.Logprobs],
    };
}
