using System.Collections;
using System.Globalization;
using Vllm.Kernels.Cpu;

namespace Vllm.Cli.CommandLine;

/// <summary>An environment variable that the program honours.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Help">What it does.</param>
/// <param name="Flag">The option that it stands for; null when it is read where it is used.</param>
/// <param name="Convert">The option's value; null for none. The variable's own text by default.</param>
sealed record EnvironmentVariable(string Name, string Help, string? Flag = null, Func<string, string?>? Convert = null);

/// <summary>The environment variables of the program and of vLLM.</summary>
static class EnvironmentVariables
{
    const string Prefix = "VLLM_";

    /// <summary>One per operation: VLLM_KERNEL_MATMUL and others.</summary>
    const string KernelPrefix = "VLLM_KERNEL_";

    public static IReadOnlyList<EnvironmentVariable> All { get; } =
    [
        new("VLLM_API_KEY", "Key that clients of `vllm serve` must send; --api-key beats it."),
        new("VLLM_LOGGING_LEVEL", "Least important messages that are shown.", "--log-level"),
        new("VLLM_LOG_STATS_INTERVAL", "Seconds between two lines of throughput and load; 10 by default."),
        new("VLLM_CPU_KVCACHE_SPACE", "GiB of KV cache; 0 = decided by the program.",
            "--kv-cache-memory-bytes", Gibibytes),
        new("VLLM_CPU_ONLY", "1: run on the CPU.", "--device", text => IsOn(text) ? "cpu" : null),
        new("VLLM_CPU_NUM_OF_RESERVED_CPU", "Physical cores to leave to others.", "--num-threads", RemainingCores),
        new("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1: take a --max-model-len beyond the model's own.",
            "--allow-long-max-model-len", text => IsOn(text) ? "true" : "false"),
        new("VLLM_HTTP_MAX_REQUEST_BODY_SIZE", "Bytes of the largest request body.", "--max-request-body-size"),
        new("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "Seconds that an idle connection is kept; 5 by default."),
        new("VLLM_MAX_STOP_STRINGS", "Most stop strings of a request; 4 by default."),
        new("VLLM_MAX_COMPLETION_PROMPTS", "Most prompts of a completion request; 1024 by default."),
        new("VLLM_MAX_NUM_BAD_WORDS", "Most bad words of a request; 128 by default."),
        new("VLLM_MAX_BAD_WORDS_TOTAL_TOKENS", "Most tokens of a request's bad words; 1024 by default."),
        new("VLLM_SERVER_DEV_MODE", "1: serve the developer routes."),
        new("VLLM_SKIP_MODEL_NAME_VALIDATION", "1: answer whatever model a request names."),
        new("VLLM_KEEP_ALIVE_ON_ENGINE_DEATH", "1: serve errors when the engine has died."),
        new("VLLM_MAX_N_SEQUENCES", "Most answers that one request may ask for; 16384 by default."),
        new("VLLM_BATCH_INVARIANT", "Nothing: answers never depend on other requests."),
        new("VLLM_NO_USAGE_STATS", "Nothing: no statistics are sent."),
        new("VLLM_DO_NOT_TRACK", "Nothing: no statistics are sent."),
    ];

    public static IReadOnlyDictionary<string, string> OfProcess() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(entry => entry.Key is string key && key.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(entry => (string)entry.Key, entry => entry.Value as string ?? "", StringComparer.Ordinal);

    /// <summary>What the variables say about a command's options.</summary>
    public static IEnumerable<Setting> Settings(
        IReadOnlyDictionary<string, string> environment, Func<string, bool> isOption)
    {
        foreach (EnvironmentVariable variable in All)
        {
            if (variable.Flag is not { } flag || !isOption(flag)) continue;
            if (!environment.TryGetValue(variable.Name, out string? text) || text.Length == 0) continue;
            if ((variable.Convert is null ? text : variable.Convert(text)) is { } value)
                yield return new Setting(flag, [value], variable.Name);
        }
    }

    /// <summary>A line for each variable that neither this program nor vLLM knows.</summary>
    public static IEnumerable<string> Problems(IReadOnlyDictionary<string, string> environment)
    {
        string[] others = [.. Others(environment)];
        if (others.Length == 0) yield break;
        HashSet<string> known = VllmNames();
        string[] all = [.. known, .. All.Select(variable => variable.Name)];
        foreach (string name in others)
            if (!known.Contains(name))
                yield return $"Unknown environment variable {name}{UsageException.DidYouMean(name, all)}.";
    }

    /// <summary>A line on all variables that vLLM knows and this program does nothing with.</summary>
    public static IEnumerable<string> Remarks(IReadOnlyDictionary<string, string> environment)
    {
        string[] others = [.. Others(environment)];
        if (others.Length == 0) yield break;
        others = [.. others.Where(VllmNames().Contains)];
        if (others.Length > 0) yield return $"Without effect here: {string.Join(", ", others)}.";
    }

    static IEnumerable<string> Others(IReadOnlyDictionary<string, string> environment) => environment.Keys
        .Where(name => !name.StartsWith(KernelPrefix, StringComparison.Ordinal)
            && All.All(variable => variable.Name != name))
        .Order(StringComparer.Ordinal);

    static HashSet<string> VllmNames()
    {
        using Stream stream = typeof(EnvironmentVariables).Assembly.GetManifestResourceStream("vllm-env.txt")!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }

    static bool IsOn(string text) => text is "1" || text.Equals("true", StringComparison.OrdinalIgnoreCase);

    static string? Gibibytes(string text)
    {
        if (!double.TryParse(text, CultureInfo.InvariantCulture, out double gib) || gib is not (>= 0 and < 1e6))
            throw new UsageException($"VLLM_CPU_KVCACHE_SPACE: '{text}' is no number of GiB");
        return gib > 0 ? ((long)(gib * (1L << 30))).ToString(CultureInfo.InvariantCulture) : null;
    }

    static string RemainingCores(string text)
    {
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int numReserved))
            throw new UsageException($"VLLM_CPU_NUM_OF_RESERVED_CPU: '{text}' is no number of cores");
        return $"{Math.Max(1, CpuDevice.NumPhysicalCores - numReserved)}";
    }
}
