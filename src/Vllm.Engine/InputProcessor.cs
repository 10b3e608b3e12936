using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Text.Tokenization;

namespace Vllm.Engine;

/// <summary>Turns a prompt and its parameters into requests: validates, settles the number of tokens, resolves words
/// to tokens. Runs on the caller's thread.</summary>
sealed class InputProcessor(EngineConfig config, Tokenizer tokenizer, EngineMetrics metrics, TimeProvider clock)
{
    long _numRequests;

    /// <summary>The stream of a prompt with one request per answer.</summary>
    /// <exception cref="ArgumentException">Says which parameter and why.</exception>
    public OutputStream Process(
        string requestId, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams, GenerateOptions options)
    {
        SamplingParams parameters = samplingParams.Normalize();
        Check(samplingParams);
        IReadOnlyList<int> prompt = Truncate(promptTokenIds, parameters.TruncatePromptTokens);
        CheckPrompt(prompt);
        int room = config.MaxModelLen - prompt.Count;
        int maxTokens = Math.Min(parameters.MaxTokens ?? config.SamplingDefaults.MaxNewTokens ?? room, room);
        if (parameters.MinTokens > maxTokens)
            throw new ArgumentException($"min_tokens must be less than or equal to max_tokens={maxTokens}, got {parameters.MinTokens}.");

        int? eosTokenId = config.EosTokenIds.Count > 0 && !parameters.IgnoreEos ? config.EosTokenIds[0] : null;
        parameters = parameters.WithEndTokens(config.EosTokenIds, eosTokenId);
        IReadOnlyList<int[]> badWords = BadWordTokens(parameters.BadWords);
        LogitsProcessor[] processors =
            [.. config.Options.LogitsProcessors.Where(processor => processor.IsActive(parameters))];
        long arrival = clock.GetTimestamp();
        double arrivalSeconds = (double)arrival / clock.TimestampFrequency;

        int[] promptIds = [.. prompt];
        var stream = new OutputStream(requestId, promptIds, parameters.OutputKind, metrics, clock, arrival, options.OnFirstToken);
        for (int i = 0; i < parameters.N; i++)
        {
            SamplingParams own = parameters.Seed is { } seed ? parameters with { Seed = seed + i } : parameters;
            // The caller may use its id again before the engine has heard of the first request's end.
            string id = $"{requestId}-{Interlocked.Increment(ref _numRequests)}";
            stream.Requests.Add(new Request(id, promptIds, own, maxTokens)
            {
                EosTokenId = eosTokenId,
                Priority = options.Priority,
                CacheSalt = options.CacheSalt,
                ArrivalTime = arrivalSeconds,
                BadWords = badWords,
                LogitsProcessors = processors,
                Output = new SequenceOutput(stream, i, own, Detokenizer(own, promptIds)),
            });
        }
        return stream;
    }

    IncrementalDetokenizer? Detokenizer(SamplingParams parameters, int[] promptIds) => parameters.Detokenize
        ? new IncrementalDetokenizer(
            tokenizer, promptIds, parameters.SkipSpecialTokens, parameters.SpacesBetweenSpecialTokens, parameters.Stop,
            parameters.IncludeStopStrInOutput, parameters.MinTokens)
        : null;

    void Check(SamplingParams parameters)
    {
        // The first error alone, as in vLLM: later ones often follow from it.
        ParameterError? error = parameters.Validate().Concat(parameters.Validate(config.VocabSize, config.Options.MaxLogprobs))
            .FirstOrDefault();
        if (error is not null) throw new ArgumentException(error.ToString());
        if (parameters.ThinkingTokenBudget is >= 0) throw new ArgumentException("not supported yet: thinking_token_budget");
        foreach (LogitsProcessor processor in config.Options.LogitsProcessors) processor.Validate(parameters);
    }

    IReadOnlyList<int> Truncate(IReadOnlyList<int> prompt, int? keep)
    {
        int num = keep == -1 ? config.MaxModelLen - 1 : keep ?? prompt.Count;
        return num < prompt.Count ? [.. prompt.Skip(prompt.Count - num)] : prompt;
    }

    void CheckPrompt(IReadOnlyList<int> prompt)
    {
        if (prompt.Count == 0) throw new ArgumentException("The decoder prompt cannot be empty");
        if (prompt.Count >= config.MaxModelLen)
        {
            throw new ArgumentException(
                $"This model's maximum context length is {config.MaxModelLen} tokens, and the prompt has {prompt.Count}. "
                + "Shorten the prompt or raise max_model_len.");
        }
        foreach (int id in prompt)
            if ((uint)id >= (uint)config.VocabSize)
                throw new ArgumentException($"Token id {id} is out of vocabulary");
    }

    /// <summary>Each word as it stands at the start of a text and after a space, if that is a token sequence of its own
    /// with the same length (vLLM's rule).</summary>
    List<int[]> BadWordTokens(IReadOnlyList<string> words)
    {
        var sequences = new List<int[]>();
        foreach (string word in words)
        {
            int[] plain = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false);
            int[] spaced = tokenizer.Encode(" " + word.TrimStart(), addSpecialTokens: false);
            if (plain.Length == 0) throw new ArgumentException("bad_words entries must tokenize to at least one token.");
            sequences.Add(plain);
            if (spaced.Length == plain.Length && spaced[0] != plain[0]) sequences.Add(spaced);
        }
        return sequences;
    }
}
