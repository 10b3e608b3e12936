using System.Globalization;
using System.Text.Json.Nodes;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>A server's counters of speculative decoding, from its <c>/metrics</c> (vLLM's
/// <c>vllm:spec_decode_…_total</c>).</summary>
/// <param name="NumDrafts">Drafts made.</param>
/// <param name="NumDraftTokens">Tokens in them.</param>
/// <param name="NumAcceptedTokens">Tokens of them that stood.</param>
/// <param name="AcceptedPerPosition">The same by place in the draft.</param>
sealed record SpecDecodeCounters(
    long NumDrafts, long NumDraftTokens, long NumAcceptedTokens, IReadOnlyDictionary<int, long> AcceptedPerPosition)
{
    const string Prefix = "vllm:spec_decode_";
    const string Suffix = "_total";

    public double AcceptanceRate => 100.0 * NumAcceptedTokens / NumDraftTokens;

    /// <summary>Tokens per draft, the one that the model itself adds included.</summary>
    public double AcceptanceLength => NumDrafts > 0 ? 1 + (double)NumAcceptedTokens / NumDrafts : 0;

    public IEnumerable<double> AcceptanceRatePerPosition =>
        AcceptedPerPosition.OrderBy(entry => entry.Key).Select(entry => (double)entry.Value / Math.Max(NumDrafts, 1));

    /// <summary>Null when the text has no such counters.</summary>
    public static SpecDecodeCounters? Parse(string metrics)
    {
        var sums = new Dictionary<string, long>(StringComparer.Ordinal);
        var perPosition = new Dictionary<int, long>();
        foreach (string line in metrics.Split('\n').Where(line => line.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            int nameEnd = line.IndexOfAny(['{', ' ']);
            string value = line[(line.LastIndexOf(' ') + 1)..].Trim();
            if (nameEnd < 0 || !line.AsSpan(0, nameEnd).EndsWith(Suffix)
                || !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double count))
            {
                continue;
            }
            string name = line[Prefix.Length..(nameEnd - Suffix.Length)];
            sums[name] = sums.GetValueOrDefault(name) + (long)count;
            if (name == "num_accepted_tokens_per_pos" && Position(line) is int position)
                perPosition[position] = perPosition.GetValueOrDefault(position) + (long)count;
        }
        return sums.Count == 0 ? null : new(
            sums.GetValueOrDefault("num_drafts"), sums.GetValueOrDefault("num_draft_tokens"),
            sums.GetValueOrDefault("num_accepted_tokens"), perPosition);
    }

    /// <summary>What was added since; null when nothing was drafted.</summary>
    public static SpecDecodeCounters? Between(SpecDecodeCounters? before, SpecDecodeCounters? after)
    {
        if (before is null || after is null || after.NumDraftTokens <= before.NumDraftTokens) return null;
        return new(
            after.NumDrafts - before.NumDrafts, after.NumDraftTokens - before.NumDraftTokens,
            after.NumAcceptedTokens - before.NumAcceptedTokens,
            after.AcceptedPerPosition.ToDictionary(
                entry => entry.Key,
                entry => entry.Value - before.AcceptedPerPosition.GetValueOrDefault(entry.Key)));
    }

    public void AddTo(JsonObject result)
    {
        result["spec_decode_acceptance_rate"] = AcceptanceRate;
        result["spec_decode_acceptance_length"] = AcceptanceLength;
        result["spec_decode_num_drafts"] = NumDrafts;
        result["spec_decode_draft_tokens"] = NumDraftTokens;
        result["spec_decode_accepted_tokens"] = NumAcceptedTokens;
        result["spec_decode_per_position_acceptance_rates"] =
            new JsonArray([.. AcceptanceRatePerPosition.Select(rate => JsonValue.Create(rate))]);
    }

    static int? Position(string line)
    {
        const string Label = "position=\"";
        int start = line.IndexOf(Label, StringComparison.Ordinal) + Label.Length;
        int end = start < Label.Length ? -1 : line.IndexOf('"', start);
        return end > 0 && int.TryParse(line.AsSpan(start, end - start), CultureInfo.InvariantCulture, out int position)
            ? position
            : null;
    }
}
