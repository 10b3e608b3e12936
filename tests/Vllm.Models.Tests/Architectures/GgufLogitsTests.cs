using System.Text.Json;
using Vllm.Kernels;
using Vllm.Kernels.Formats;
using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Architectures;

/// <summary>Every tiny GGUF model of the fixtures whose architecture is known, against transformers on the exactly
/// dequantized weights. Tolerances: README of the family.</summary>
public sealed class GgufLogitsTests
{
    const double Fp32Tolerance = 2e-4;
    const double Fp32Margin = 2e-3;
    const double Int8RmsOfStd = 0.06;
    const double Int8Max = 0.5;
    const double Int8Margin = 0.8;
    const double Bf16RmsOfStd = 0.02;
    static readonly int[] Chunks = [int.MaxValue, 5, 1];

    public static TheoryData<string> Cases =>
        [.. Fixtures.Folders("gguf", "models").Where(IsSupported).Select(folder => Path.GetFileName(folder))];

    static bool IsSupported(string folder)
    {
        JsonElement record = Case(folder);
        return ModelRegistry.Architectures.Contains(record.GetProperty("hf_class").GetString())
            && record.GetProperty("tensor_types").EnumerateObject().All(type =>
                Enum.TryParse(type.Name, out GgmlType parsed) && Dequantizer.IsSupported(parsed));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Fp32_EqualsReference(string name) => Check(name, DType.F32, (distance, _) =>
        Assert.True(distance.Max <= Fp32Tolerance, $"max {distance.Max}"), Fp32Margin);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Quantized_IsWithinTolerance(string name) => Check(name, DType.BF16, (distance, record) =>
    {
        double std = record.GetProperty("logits_std").GetDouble();
        bool isFloat = record.GetProperty("tensor_types").EnumerateObject().All(type => type.Name is "F32" or "F16" or "BF16");
        double rms = (isFloat ? Bf16RmsOfStd : Int8RmsOfStd) * std;
        Assert.True(distance.Rms <= rms, $"rms {distance.Rms}, tolerance {rms}");
        Assert.True(distance.Max <= Int8Max, $"max {distance.Max}");
    }, Int8Margin);

    static void Check(string name, DType dtype, Action<Distance, JsonElement> checkDistance, double margin)
    {
        string folder = Path.Combine(Fixtures.Family("gguf"), "models", name);
        JsonElement record = Case(folder);
        using var expected = new ExpectedTensors(Path.Combine(folder, "expected.safetensors"));
        int[] prompt = expected.Ints("input_ids");
        int[] greedy = [.. record.GetProperty("greedy").EnumerateArray().Select(id => id.GetInt32())];
        int numCertain = record.GetProperty("margins").EnumerateArray().TakeWhile(value => value.GetDouble() >= margin).Count();
        using var run = new ModelRun(
            Path.Combine(folder, record.GetProperty("file").GetString()!), dtype, prompt.Length + greedy.Length);
        foreach (int chunk in Chunks)
        {
            run.Reset();
            float[][] logits = run.Logits(prompt, chunk);
            foreach ((float[] actual, float[] row) in logits.Zip(expected.Rows("logits")))
                checkDistance(Distance.Of([actual], [row]), record);
            Assert.Equal(greedy.Take(numCertain), run.Greedy(logits[^1], greedy.Length).Take(numCertain));
        }
    }

    static JsonElement Case(string folder) =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "case.json"))).RootElement;
}
