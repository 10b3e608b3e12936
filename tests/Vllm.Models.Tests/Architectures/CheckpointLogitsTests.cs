using System.Text.Json;
using Vllm.Kernels;
using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Architectures;

/// <summary>Every Hugging Face checkpoint of the fixtures whose architecture is known, against transformers.</summary>
public sealed class CheckpointLogitsTests
{
    const int NumGreedy = 24;
    static readonly int[] Chunks = [int.MaxValue, 7, 1];

    public static TheoryData<string> Cases =>
        [.. Fixtures.Folders("models").Where(IsSupported).Select(folder => Path.GetFileName(folder))];

    static bool IsSupported(string folder)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
        string? architecture = config.RootElement.GetProperty("architectures")[0].GetString();
        return ModelRegistry.Architectures.Contains(architecture);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Fp32_EqualsReference(string name)
    {
        string folder = Path.Combine(Fixtures.Family("models"), name);
        using var expected = new ExpectedTensors(Path.Combine(folder, "expected.safetensors"));
        double tolerance = Tolerance(folder, "fp32_logits_max_abs");
        foreach (string config in ConfigFiles(folder))
        {
            using var checkpoint = new ConfiguredFolder(folder, config);
            CheckShort(checkpoint.Path, expected, "", tolerance);
            CheckLong(checkpoint.Path, expected, tolerance);
            if (expected.Has("logits_long_factors")) CheckShort(checkpoint.Path, expected, "_long_factors", tolerance);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Bf16_IsWithinTolerance(string name)
    {
        string folder = Path.Combine(Fixtures.Family("models"), name);
        using var expected = new ExpectedTensors(Path.Combine(folder, "expected.safetensors"));
        int[] prompt = expected.Ints("input_ids");
        using var run = new ModelRun(folder, DType.BF16, prompt.Length + NumGreedy);

        float[][] logits = run.Logits(prompt);
        int[] greedy = run.Greedy(logits[^1], NumGreedy);

        Distance distance = Distance.Of(logits, expected.Rows("logits"));
        double max = Tolerance(folder, "bf16_logits_max_abs");
        Assert.True(distance.Max <= max, $"max {distance.Max}, tolerance {max}");
        Assert.True(distance.Mean <= Tolerance(folder, "bf16_logits_mean_abs"), $"mean {distance.Mean}");
        Assert.True(distance.Rms <= Tolerance(folder, "bf16_logits_rms"), $"rms {distance.Rms}");
        int numCertain = expected.Floats("greedy_margins").TakeWhile(margin => margin >= 2 * max).Count();
        Assert.Equal(expected.Ints("greedy_ids").Take(numCertain), greedy.Take(numCertain));
    }

    /// <summary>The prompt in one piece, in chunks and token by token, then greedy decoding from the cache.</summary>
    static void CheckShort(string path, ExpectedTensors expected, string suffix, double tolerance)
    {
        int[] prompt = expected.Ints("input_ids");
        // Scalings by length are settled by the longest sequence: without a suffix the values are for short ones.
        int maxModelLen = suffix.Length > 0 ? expected.Ints("input_ids_long").Length : prompt.Length + NumGreedy;
        using var run = new ModelRun(path, DType.F32, maxModelLen);
        float[][]? whole = null;
        foreach (int chunk in Chunks)
        {
            run.Reset();
            float[][] logits = run.Logits(prompt, chunk);
            Distance distance = Distance.Of(logits, expected.Rows("logits" + suffix));
            Assert.True(distance.Max <= tolerance, $"chunk {chunk}: max {distance.Max}, tolerance {tolerance}");
            Assert.Equal(expected.Ints("greedy_ids" + suffix), run.Greedy(logits[^1], NumGreedy));
            whole ??= logits;
            Assert.Equal(whole, logits); // to the bit
        }
    }

    static void CheckLong(string path, ExpectedTensors expected, double tolerance)
    {
        int[] prompt = expected.Ints("input_ids_long");
        using var run = new ModelRun(path, DType.F32, prompt.Length);
        float[][] rows = expected.Rows("logits_long");
        Distance distance = Distance.Of(run.Logits(prompt)[^rows.Length..], rows);
        Assert.True(distance.Max <= tolerance, $"long prompt: max {distance.Max}, tolerance {tolerance}");
    }

    static double Tolerance(string folder, string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "case.json")));
        return document.RootElement.GetProperty("tolerances").GetProperty(name).GetDouble();
    }

    static IEnumerable<string> ConfigFiles(string folder) =>
        new[] { "config.json", "config.legacy.json" }.Where(file => File.Exists(Path.Combine(folder, file)));

    /// <summary>A folder in which the given file is config.json: links to the others.</summary>
    sealed class ConfiguredFolder : IDisposable
    {
        public ConfiguredFolder(string folder, string config)
        {
            Path = Directory.CreateTempSubdirectory("vllm-model-").FullName;
            foreach (string file in Directory.GetFiles(folder))
            {
                string name = System.IO.Path.GetFileName(file);
                if (name == config) name = "config.json";
                else if (name.StartsWith("config.", StringComparison.Ordinal)) continue;
                File.CreateSymbolicLink(System.IO.Path.Combine(Path, name), file);
            }
        }

        public string Path { get; }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
