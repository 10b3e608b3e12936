using Vllm.Server.Protocol;
using Vllm.Text.Tokenization;

namespace Vllm.Server.Generation;

/// <summary>The engine's rules for sampling parameters as answers to the client, and the server's own limits.</summary>
static class SamplingChecks
{
    /// <summary>What can be said without the model.</summary>
    /// <exception cref="RequestException">The first rule that is broken.</exception>
    public static void CheckValues(SamplingParams samplingParams) => ThrowFirst(samplingParams.Validate());

    /// <summary>What depends on the model and the engine's limits. In a stream these errors come as events, as vLLM
    /// finds them only after the answer has begun.</summary>
    /// <exception cref="RequestException">The first rule that is broken.</exception>
    public static void CheckAgainstModel(
        SamplingParams samplingParams, EngineConfig config, ServerEnvironment environment, Tokenizer tokenizer)
    {
        ThrowFirst(samplingParams.Validate(config.VocabSize, config.Options.MaxLogprobs));
        CheckBadWords(samplingParams.BadWords, environment, tokenizer);
    }

    static void ThrowFirst(IReadOnlyList<ParameterError> errors)
    {
        if (errors is [{ } error, ..]) throw RequestException.BadRequest($"{error}", error.Parameter);
    }

    /// <summary>Every bad word is compared at every step: hence limits.</summary>
    static void CheckBadWords(IReadOnlyList<string> words, ServerEnvironment environment, Tokenizer tokenizer)
    {
        if (words.Count > environment.MaxNumBadWords)
        {
            throw RequestException.BadRequest($"bad_words must have at most {environment.MaxNumBadWords} entries, got "
                + $"{words.Count}. To increase this limit, set the VLLM_MAX_NUM_BAD_WORDS environment variable.");
        }
        int numTokens = 0;
        foreach (string word in words)
        {
            int length = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false).Length;
            if (length == 0)
            {
                throw RequestException.Value("bad_words entries must tokenize to at least one token.",
                    "bad_words", PythonText.List(words));
            }
            numTokens += length;
        }
        if (numTokens <= environment.MaxBadWordsTotalTokens) return;
        throw RequestException.BadRequest($"bad_words must have at most {environment.MaxBadWordsTotalTokens} tokens in "
            + $"all, got {numTokens}. To increase this limit, set the VLLM_MAX_BAD_WORDS_TOTAL_TOKENS environment "
            + "variable.");
    }
}
