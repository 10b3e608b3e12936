using System.Globalization;

namespace Vllm.Server;

/// <summary>What vLLM's servers take from environment variables, with its defaults.</summary>
public sealed record ServerEnvironment
{
    /// <summary>Most stop strings of a request (<c>VLLM_MAX_STOP_STRINGS</c>).</summary>
    public int MaxStopStrings { get; init; } = 4;

    /// <summary>Most prompts of a completion request (<c>VLLM_MAX_COMPLETION_PROMPTS</c>).</summary>
    public int MaxCompletionPrompts { get; init; } = 1024;

    /// <summary>Most bad words of a request (<c>VLLM_MAX_NUM_BAD_WORDS</c>).</summary>
    public int MaxNumBadWords { get; init; } = 128;

    /// <summary>Most tokens of a request's bad words together (<c>VLLM_MAX_BAD_WORDS_TOTAL_TOKENS</c>).</summary>
    public int MaxBadWordsTotalTokens { get; init; } = 1024;

    /// <summary>How long an idle connection is kept (<c>VLLM_HTTP_TIMEOUT_KEEP_ALIVE</c>).</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Serve the developer routes (<c>VLLM_SERVER_DEV_MODE=1</c>).</summary>
    public bool DevMode { get; init; }

    /// <summary>Answer whatever model a request names (<c>VLLM_SKIP_MODEL_NAME_VALIDATION</c>).</summary>
    public bool SkipModelNameValidation { get; init; }

    /// <summary>Keep serving (with errors) when the engine has died
    /// (<c>VLLM_KEEP_ALIVE_ON_ENGINE_DEATH=1</c>).</summary>
    public bool KeepAliveOnEngineDeath { get; init; }

    /// <summary>The process's own environment.</summary>
    /// <exception cref="ArgumentException">A variable has no valid value.</exception>
    public static ServerEnvironment Read() => Read(Environment.GetEnvironmentVariable);

    /// <summary>An environment given as a function from name to value.</summary>
    /// <exception cref="ArgumentException">A variable has no valid value.</exception>
    public static ServerEnvironment Read(Func<string, string?> variable)
    {
        var defaults = new ServerEnvironment();
        return new ServerEnvironment
        {
            MaxStopStrings = Number("VLLM_MAX_STOP_STRINGS", defaults.MaxStopStrings),
            MaxCompletionPrompts = Number("VLLM_MAX_COMPLETION_PROMPTS", defaults.MaxCompletionPrompts),
            MaxNumBadWords = Number("VLLM_MAX_NUM_BAD_WORDS", defaults.MaxNumBadWords),
            MaxBadWordsTotalTokens = Number("VLLM_MAX_BAD_WORDS_TOTAL_TOKENS", defaults.MaxBadWordsTotalTokens),
            KeepAliveTimeout = TimeSpan.FromSeconds(Number("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", 5)),
            DevMode = Switch("VLLM_SERVER_DEV_MODE"),
            SkipModelNameValidation =
                variable("VLLM_SKIP_MODEL_NAME_VALIDATION")?.ToLowerInvariant() is "1" or "true",
            KeepAliveOnEngineDeath = Switch("VLLM_KEEP_ALIVE_ON_ENGINE_DEATH"),
        };

        int Number(string name, int defaultValue)
        {
            if (variable(name) is not { } text) return defaultValue;
            bool isNumber = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number);
            return isNumber && number > 0
                ? number
                : throw new ArgumentException($"{name} must be a positive whole number, got '{text}'.");
        }

        bool Switch(string name) => variable(name) switch
        {
            null or "0" => false,
            "1" => true,
            var text => throw new ArgumentException($"{name} must be 0 or 1, got '{text}'."),
        };
    }
}
