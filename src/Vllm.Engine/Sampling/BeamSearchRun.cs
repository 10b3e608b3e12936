using Vllm.Engine.Requests;

namespace Vllm.Engine.Sampling;

/// <summary>
/// Runs a <see cref="BeamSearch"/> on an engine. In each step every running beam is a request for one token, with the
/// log-probabilities of the most likely ones; all that a beam has in full blocks comes from the prefix cache.
/// </summary>
/// <param name="engine">Runs the steps.</param>
/// <param name="requestId">The beginning of the ids of the steps' requests.</param>
/// <param name="promptTokenIds">The prompt.</param>
/// <param name="beamSearchParams">Validated.</param>
/// <param name="options">Of the steps' requests.</param>
sealed class BeamSearchRun(
    AsyncLLM engine, string requestId, IReadOnlyList<int> promptTokenIds, BeamSearchParams beamSearchParams,
    GenerateOptions options)
{
    readonly int? _eosTokenId = engine.Config.EosTokenIds.Count > 0 ? engine.Config.EosTokenIds[0] : null;

    /// <summary>The best sequences, best first; or, when the engine failed or aborted a step, an output that says so.</summary>
    public async Task<RequestOutput> RunAsync(CancellationToken cancellationToken)
    {
        int room = engine.Config.MaxModelLen - promptTokenIds.Count;
        BeamSearchParams withinModel = beamSearchParams with { MaxTokens = Math.Min(beamSearchParams.MaxTokens, Math.Max(room, 1)) };
        var search = new BeamSearch(promptTokenIds, withinModel, _eosTokenId);
        SamplingParams sampling = StepParams(search.NumLogprobs);
        int? numCachedTokens = null;
        while (search.Running is { Count: > 0 } beams)
        {
            RequestOutput[] steps = await Task.WhenAll(
                beams.Select((beam, index) => NextAsync(beam, index, sampling, cancellationToken))).ConfigureAwait(false);
            numCachedTokens ??= steps[0].NumCachedTokens;
            if (Array.Find(steps, HasFailed) is { } failed) return Output([Failure(failed)], numCachedTokens.Value, failed.Error);
            search.Advance([.. steps.Select(step => Candidates(step, search.NumLogprobs))]);
        }
        return Output([.. search.Results().Select(Answer)], numCachedTokens ?? 0);
    }

    SamplingParams StepParams(int numLogprobs) => new()
    {
        MaxTokens = 1,
        Logprobs = numLogprobs,
        Temperature = beamSearchParams.Temperature,
        Detokenize = false,
        OutputKind = OutputKind.FinalOnly,
    };

    async Task<RequestOutput> NextAsync(Beam beam, int index, SamplingParams sampling, CancellationToken cancellationToken)
    {
        RequestOutput? last = null;
        IAsyncEnumerable<RequestOutput> outputs =
            engine.Generate($"{requestId}-beam-{index}", beam.TokenIds, sampling, options, cancellationToken);
        await foreach (RequestOutput output in outputs.ConfigureAwait(false)) last = output;
        return last!;
    }

    static bool HasFailed(RequestOutput step) => step.Outputs[0].FinishReason is FinishReason.Error or FinishReason.Abort;

    /// <summary>The most likely tokens, best first. With a temperature the token that happened to be drawn is in front,
    /// and one more when it is none of them: a search does not depend on it.</summary>
    static TokenLogprobs Candidates(RequestOutput step, int num) => new(
        [.. step.Outputs[0].Logprobs![0].Entries.OrderByDescending(entry => entry.Logprob).ThenBy(entry => entry.TokenId).Take(num)]);

    static CompletionOutput Failure(RequestOutput step) => step.Outputs[0] with { Index = 0, TokenIds = [], Logprobs = [] };

    CompletionOutput Answer(Beam beam, int index)
    {
        bool hidesEnd = beam.IsFinished && !beamSearchParams.IncludeStopStrInOutput;
        int[] tokenIds = beam.TokenIds[promptTokenIds.Count..^(hidesEnd ? 1 : 0)];
        return new CompletionOutput
        {
            Index = index,
            Text = engine.Tokenizer.Decode(tokenIds, beamSearchParams.SkipSpecialTokens),
            TokenIds = tokenIds,
            Logprobs = beam.Output[..tokenIds.Length],
            CumulativeLogprob = beam.CumulativeLogprob,
            FinishReason = beam.IsFinished ? FinishReason.Stop : FinishReason.Length,
            StopTokenId = beam.IsFinished ? _eosTokenId : null,
        };
    }

    RequestOutput Output(IReadOnlyList<CompletionOutput> outputs, int numCachedTokens, string? error = null) => new()
    {
        RequestId = requestId,
        PromptTokenIds = promptTokenIds,
        Outputs = outputs,
        NumCachedTokens = numCachedTokens,
        Finished = true,
        Error = error,
    };
}
