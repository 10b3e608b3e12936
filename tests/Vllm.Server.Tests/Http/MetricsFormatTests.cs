using System.Globalization;
using System.Text.RegularExpressions;

namespace Vllm.Tests.Http;

/// <summary>What <c>/metrics</c> sends, read by the rules of Prometheus' text format 0.0.4 and checked as
/// <c>promtool check metrics</c> does.</summary>
public sealed partial class MetricsFormatTests
{
    /// <summary>Names that dashboards of earlier vLLM versions ask for.</summary>
    static readonly string[] OldNames =
    [
        "gpu_cache_usage_perc", "gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total",
        "gpu_prefix_cache_hit_rate", "cpu_cache_usage_perc", "num_requests_swapped",
        "avg_prompt_throughput_toks_per_s", "avg_generation_throughput_toks_per_s",
        "time_per_output_token_seconds", "time_in_queue_requests", "request_params_best_of",
    ];

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?<labels>(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (?<value>\S+)$""")]
    private static partial Regex SampleLine();

    static async Task<List<Family>> Families()
    {
        await using TinyServer server = await TinyServer.Start();
        await server.Post("/v1/completions", """{"prompt": "a", "max_tokens": 5, "ignore_eos": true}""");
        await server.Post("/v1/chat/completions", "{}");
        return Parse(await server.Client.GetStringAsync("/metrics"));
    }

    static List<Family> Parse(string text)
    {
        Assert.EndsWith("\n", text);
        List<Family> families = [];
        foreach (string line in text[..^1].Split('\n'))
        {
            string[] words = line.Split(' ', 4);
            if (line.StartsWith("# HELP ")) families.Add(new Family(words[2]));
            else if (line.StartsWith("# TYPE ")) families[^1].SetType(words[2], words[3]);
            else families[^1].Add(line);
        }
        return families;
    }

    [Fact]
    public async Task Text_FollowsTheFormat()
    {
        List<Family> families = await Families();

        Assert.Equal(families.Count, families.Select(f => f.Name).Distinct().Count()); // each is one group of lines
        Assert.All(families, family => family.Check());
    }

    [Fact]
    public async Task OldNames_AreThere()
    {
        List<Family> families = await Families();

        Assert.All(OldNames, name => Assert.Contains(families, f => f.Name == "vllm:" + name));
    }

    /// <summary>Head and samples of one name.</summary>
    sealed class Family(string name)
    {
        static readonly string[] Types = ["counter", "gauge", "histogram", "summary"];

        readonly HashSet<string> _keys = [];
        readonly List<(string Name, string Labels, double Value)> _samples = [];
        string _type = "";

        public string Name => name;

        public void SetType(string typeName, string type)
        {
            Assert.Equal(name, typeName);
            Assert.Equal("", _type); // once
            Assert.Contains(type, Types);
            _type = type;
        }

        public void Add(string line)
        {
            Match match = SampleLine().Match(line);
            Assert.True(match.Success, line);
            (string sample, string labels) = (match.Groups["name"].Value, match.Groups["labels"].Value);
            string[] suffixes = _type switch
            {
                "histogram" => ["_bucket", "_count", "_sum"],
                "summary" => ["_count", "_sum"],
                _ => [""],
            };
            Assert.True(suffixes.Any(suffix => sample == name + suffix), $"{sample} is no sample of the {_type} {name}");
            Assert.True(_keys.Add(sample + labels), $"twice: {line}");
            string text = match.Groups["value"].Value;
            double value = text == "+Inf"
                ? double.PositiveInfinity
                : double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            _samples.Add((sample, labels, value));
        }

        public void Check()
        {
            Assert.NotEqual("", _type);
            if (_type == "counter") Assert.EndsWith("_total", name);
            if (_type is "counter" or "histogram") Assert.All(_samples, s => Assert.True(s.Value >= 0, s.Name));
            if (_type == "histogram") CheckHistogram();
        }

        /// <summary>Per set of labels: bounds and counts ascend, and the last bucket holds all.</summary>
        void CheckHistogram()
        {
            var buckets = _samples.Where(s => s.Name == name + "_bucket").GroupBy(s => LabelsWithoutBound(s.Labels));
            foreach (var group in buckets)
            {
                double[] bounds = [.. group.Select(s => Bound(s.Labels))];
                double[] counts = [.. group.Select(s => s.Value)];
                Assert.Equal(bounds.Order(), bounds);
                Assert.Equal(counts.Order(), counts);
                Assert.Equal(double.PositiveInfinity, bounds[^1]);
                Assert.Equal(_samples.Single(s => s.Name == name + "_count" && s.Labels == group.Key).Value, counts[^1]);
                Assert.Contains(_samples, s => s.Name == name + "_sum" && s.Labels == group.Key);
            }
        }

        static double Bound(string labels)
        {
            string text = Regex.Match(labels, "(?:^|,)le=\"([^\"]*)\"").Groups[1].Value;
            return text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
        }

        static string LabelsWithoutBound(string labels) =>
            string.Join(',', labels.Split(',').Where(l => !l.StartsWith("le=\"")));
    }
}
