using System.Text.Json;
using System.Text.RegularExpressions;

namespace Vllm.Tests.Replay;

/// <summary>Compares JSON as the recordings ask: placeholders, and a tolerance for log-probabilities.</summary>
static class JsonComparison
{
    /// <summary>Absolute, given by the recordings.</summary>
    const double LogprobTolerance = 1e-3;

    /// <summary>Absolute, given by the recordings.</summary>
    const double ScoreTolerance = 1e-4;

    /// <summary>Ranks may differ by the tokens that lie within the tolerance.</summary>
    const int RankTolerance = 3;

    /// <summary>The first difference, or null.</summary>
    public static string? Difference(JsonElement expected, JsonElement actual, string path = "$")
    {
        if (expected.ValueKind == JsonValueKind.String && IsPlaceholder(expected.GetString()!))
            return MatchesPlaceholder(expected.GetString()!, actual) ? null : $"{path}: {actual} is no {expected}";
        if (path == "$.version") return null; // the product has its own
        if (expected.ValueKind != actual.ValueKind) return $"{path}: expected {Short(expected)}, got {Short(actual)}";
        return expected.ValueKind switch
        {
            JsonValueKind.Object =>
                IsTopLogprobs(path) ? TopDifference(expected, actual, path) : ObjectDifference(expected, actual, path),
            JsonValueKind.Array => ArrayDifference(expected, actual, path),
            JsonValueKind.Number => NumberDifference(expected, actual, path),
            JsonValueKind.String when expected.GetString() != actual.GetString() =>
                $"{path}: expected {Short(expected)}, got {Short(actual)}",
            _ => null,
        };
    }

    static string? ObjectDifference(JsonElement expected, JsonElement actual, string path)
    {
        foreach (JsonProperty property in expected.EnumerateObject())
            if (!actual.TryGetProperty(property.Name, out _)) return $"{path}: lacks {property.Name}";
        foreach (JsonProperty property in actual.EnumerateObject())
            if (!expected.TryGetProperty(property.Name, out _)) return $"{path}: has {property.Name}";
        return expected.EnumerateObject()
            .Select(p =>
                Difference(p.Value, actual.GetProperty(p.Name), $"{path}.{p.Name}")).FirstOrDefault(d => d is not null);
    }

    static string? ArrayDifference(JsonElement expected, JsonElement actual, string path)
    {
        if (expected.GetArrayLength() != actual.GetArrayLength())
            return $"{path}: expected {expected.GetArrayLength()} items, got {actual.GetArrayLength()}";
        if (IsChatTop(expected, path)) return ChatTopDifference(expected, actual, path);
        for (int i = 0; i < expected.GetArrayLength(); i++)
            if (Difference(expected[i], actual[i], $"{path}[{i}]") is { } difference) return difference;
        return null;
    }

    static bool IsChatTop(JsonElement list, string path) => path.EndsWith(".top_logprobs") && list.GetArrayLength() > 0
        && list[0].ValueKind == JsonValueKind.Object && list[0].TryGetProperty("logprob", out _);

    static string? NumberDifference(JsonElement expected, JsonElement actual, string path)
    {
        double difference = Math.Abs(expected.GetDouble() - actual.GetDouble());
        double tolerance = path.EndsWith(".rank") ? RankTolerance
            : path.Contains("logprob") ? LogprobTolerance
            : path.EndsWith(".score") ? ScoreTolerance : 0;
        return difference <= tolerance ? null : $"{path}: expected {expected}, got {actual}";
    }

    static bool IsTopLogprobs(string path) => Regex.IsMatch(path, @"(top_logprobs|prompt_logprobs)\[\d+\]$");

    /// <summary>By token: one within the tolerance of the last place may be another.</summary>
    static string? TopDifference(JsonElement expected, JsonElement actual, string path)
    {
        if (expected.TryGetProperty("token", out _)) return ObjectDifference(expected, actual, path);
        double last = expected.EnumerateObject().Select(p => Logprob(p.Value)).DefaultIfEmpty().Min();
        foreach (JsonProperty property in expected.EnumerateObject())
        {
            if (actual.TryGetProperty(property.Name, out JsonElement value))
            {
                if (Difference(property.Value, value, $"{path}.{property.Name}") is { } difference) return difference;
            }
            else if (Logprob(property.Value) > last + LogprobTolerance)
            {
                return $"{path}: lacks {property.Name}";
            }
        }
        return null;
    }

    static double Logprob(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object ? value.GetProperty("logprob").GetDouble() : value.GetDouble();

    /// <summary>By place: the log-probabilities agree, and so do tokens that no neighbour equals.</summary>
    static string? ChatTopDifference(JsonElement expected, JsonElement actual, string path)
    {
        double last = expected[expected.GetArrayLength() - 1].GetProperty("logprob").GetDouble();
        for (int i = 0; i < expected.GetArrayLength(); i++)
        {
            string place = $"{path}[{i}]";
            double logprob = expected[i].GetProperty("logprob").GetDouble();
            if (Math.Abs(logprob - actual[i].GetProperty("logprob").GetDouble()) > LogprobTolerance)
                return $"{place}: expected {logprob}, got {actual[i].GetProperty("logprob")}";
            bool hasTwin = logprob <= last + LogprobTolerance || expected.EnumerateArray()
                .Count(e => Math.Abs(e.GetProperty("logprob").GetDouble() - logprob) <= LogprobTolerance) > 1;
            if (!hasTwin && ObjectDifference(expected[i], actual[i], place) is { } difference) return difference;
        }
        return null;
    }

    /// <summary>Same keys and kinds of values; nothing about the values. For sampled answers.</summary>
    public static string? StructureDifference(JsonElement expected, JsonElement actual, string path = "$")
    {
        if (expected.ValueKind == JsonValueKind.Object && actual.ValueKind == JsonValueKind.Object)
        {
            string?[] names = [.. expected.EnumerateObject().Select(p => p.Name)];
            if (IsTopLogprobs(path)) return null;
            if (!names.Order().SequenceEqual(actual.EnumerateObject().Select(p =>
                p.Name).Order())) return $"{path}: other keys";
            return expected.EnumerateObject()
                .Select(p => StructureDifference(p.Value, actual.GetProperty(p.Name), $"{path}.{p.Name}"))
                .FirstOrDefault(d => d is not null);
        }
        if (expected.ValueKind == JsonValueKind.Array && actual.ValueKind == JsonValueKind.Array)
        {
            bool sameLength = expected.GetArrayLength() == actual.GetArrayLength();
            if (path == "$.choices" && !sameLength) return $"{path}: other number";
            return expected.GetArrayLength() == 0 || actual.GetArrayLength() == 0
                ? null
                : StructureDifference(expected[0], actual[0], $"{path}[0]");
        }
        // Ends are possible ones, not the same ones.
        bool isPlaceholder = expected.ValueKind == JsonValueKind.String && IsPlaceholder(expected.GetString()!);
        if (isPlaceholder || path.EndsWith("_reason")) return null;
        if (path.EndsWith(".prompt_tokens")) return Difference(expected, actual, path);
        return expected.ValueKind == actual.ValueKind ? null : $"{path}: {Short(actual)} instead of {Short(expected)}";
    }

    static bool IsPlaceholder(string text) =>
        text.Length > 2 && text[0] == '<' && text[^1] == '>' && !text.StartsWith("<|", StringComparison.Ordinal);

    static bool MatchesPlaceholder(string placeholder, JsonElement actual)
    {
        if (placeholder.StartsWith("<id:", StringComparison.Ordinal))
        {
            string pattern = "^" + Regex.Escape(placeholder[4..^1]).Replace("\\*", "[0-9a-zA-Z]+") + "$";
            return actual.ValueKind == JsonValueKind.String && Regex.IsMatch(actual.GetString()!, pattern);
        }
        if (placeholder.StartsWith("<created")) return actual.ValueKind == JsonValueKind.Number;
        return actual.ValueKind != JsonValueKind.Null;
    }

    static string Short(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length > 80 ? text[..80] + "…" : text;
    }
}
