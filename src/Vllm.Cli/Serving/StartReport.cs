using System.Globalization;
using Vllm.Kernels;

namespace Vllm.Cli.Serving;

/// <summary>What a user wants to know of a server that has just started.</summary>
static class StartReport
{
    const double BytesPerGib = 1L << 30;

    public static void Write(Log log, EngineConfig config, string address)
    {
        foreach (string line in Lines(config, address)) log.Info(line);
    }

    internal static IEnumerable<string> Lines(EngineConfig config, string address)
    {
        string name = config.Options.ServedModelName is [string first, ..] ? first : config.Options.Model;
        yield return Text($"Model: {name} ({config.Architecture}), {NameOf(config.Dtype)}");
        yield return Text($"Weights: {config.WeightFormat}, {config.WeightBytes / BytesPerGib:F2} GiB, ready in {config.LoadTime.TotalSeconds:F2} s");
        yield return $"Device: {config.DeviceName}";
        double cacheGib = config.KvCacheBytes / BytesPerGib;
        yield return Text($"KV cache: {config.NumBlocks:N0} blocks of {config.BlockSize} tokens, {cacheGib:F2} GiB");
        yield return Text($"KV cache size: {config.KvCacheTokens:N0} tokens");
        int length = config.MaxModelLen;
        yield return Text($"Maximum concurrency for {length:N0} tokens per request: {config.MaxConcurrency:F2}x");
        yield return $"Listening on {address}";
        yield return $"Try: {Example(address)}";
    }

    static string Example(string address)
    {
        const string Unix = "unix:";
        string target = address.StartsWith(Unix, StringComparison.Ordinal)
            ? $"--unix-socket {address[Unix.Length..]} http://localhost"
            : address.Replace("[::]", "localhost", StringComparison.Ordinal)
                .Replace("0.0.0.0", "localhost", StringComparison.Ordinal);
        return $"curl {target}/v1/chat/completions -H 'Content-Type: application/json' "
            + """-d '{"messages": [{"role": "user", "content": "Hello"}]}'""";
    }

    static string NameOf(DType dtype) => dtype switch
    {
        DType.F32 => "float32",
        DType.F16 => "float16",
        DType.BF16 => "bfloat16",
        _ => $"{dtype}",
    };

    static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
