using System.Text.Json;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>A recorded batch: its JSON line, its tensors, and its rows as the sampler takes them.</summary>
sealed class SamplingCase(string folder, JsonElement json)
{
    public JsonElement Json => json;

    public int VocabSize => json.GetProperty("vocab_size").GetInt32();

    public SafeTensorsFile Tensors { get; } =
        new(Path.Combine(Fixtures.Family("sampling"), folder, json.GetProperty("name").GetString() + ".safetensors"));

    public static TheoryData<string> Names(string folder, Func<JsonElement, bool>? filter = null)
    {
        var names = new TheoryData<string>();
        foreach (JsonElement line in Lines(folder))
            if (filter?.Invoke(line) ?? true)
                names.Add(line.GetProperty("name").GetString()!);
        return names;
    }

    public static SamplingCase Load(string folder, string name) =>
        new(folder, Lines(folder).Single(line => line.GetProperty("name").GetString() == name));

    static IEnumerable<JsonElement> Lines(string folder) =>
        Fixtures.Lines(Path.Combine(Fixtures.Family("sampling"), folder, "cases.jsonl"));

    public SamplerRow[] Rows() => [.. json.GetProperty("rows").EnumerateArray().Select(Row)];

    SamplerRow Row(JsonElement row, int index)
    {
        JsonElement p = row.GetProperty("params");
        var samplingParams = new SamplingParams
        {
            Temperature = Float(p, "temperature", 1),
            TopP = Float(p, "top_p", 1),
            TopK = Int(p, "top_k") ?? 0,
            MinP = Float(p, "min_p", 0),
            PresencePenalty = Float(p, "presence_penalty", 0),
            FrequencyPenalty = Float(p, "frequency_penalty", 0),
            RepetitionPenalty = Float(p, "repetition_penalty", 1),
            MinTokens = Int(p, "min_tokens") ?? 0,
            MaxTokens = null,
            Logprobs = Int(p, "logprobs"),
            StopTokenIds = Ints(p, "stop_token_ids") ?? [],
            AllowedTokenIds = Ints(p, "allowed_token_ids"),
            LogitBias = p.TryGetProperty("logit_bias", out JsonElement bias)
                ? bias.EnumerateObject().ToDictionary(e => int.Parse(e.Name), e => e.Value.GetSingle())
                : null,
        };
        var request = new Request($"{index}", Ints(row, "prompt_token_ids")!, samplingParams, maxTokens: int.MaxValue);
        foreach (int id in Ints(row, "output_token_ids")!) request.AppendOutputTokenId(id);
        int[][] badWords = p.TryGetProperty("bad_words_token_ids", out JsonElement words)
            ? [.. words.EnumerateArray().Select(ReadInts)]
            : [];
        int[] endTokenIds = Int(row, "eos_token_id") is { } end ? [end] : [];
        return new SamplerRow(request, seed: 0, badWords, endTokenIds);
    }

    static float Float(JsonElement e, string name, float missing) =>
        e.TryGetProperty(name, out JsonElement value) ? value.GetSingle() : missing;

    static int? Int(JsonElement e, string name) =>
        e.TryGetProperty(name, out JsonElement v) && v.ValueKind == JsonValueKind.Number ? v.GetInt32() : null;

    static int[]? Ints(JsonElement e, string name) =>
        e.TryGetProperty(name, out JsonElement v) && v.ValueKind == JsonValueKind.Array ? ReadInts(v) : null;

    public static int[] ReadInts(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>The row after all steps, as the processed logprobs see it.</summary>
    public static float[] Process(SamplerRow row, ReadOnlySpan<float> logits, SamplingKernels kernels)
    {
        float[] processed = logits.ToArray();
        LogitsProcessors.Apply(row, processed, new float[logits.Length]);
        SamplingParams p = row.Params;
        if (!p.IsGreedy) ApplyLimits(processed, p.Temperature, p.MinP, p.TopK, p.TopP, kernels);
        return processed;
    }

    public static void ApplyLimits(
        float[] logits, float temperature, float minP, int topK, float topP, SamplingKernels kernels)
    {
        var candidates = new Candidates(new SamplerScratch(logits.Length), kernels);
        candidates.Select(logits, temperature, minP, topK, topP);
        candidates.Apply(logits);
    }

    /// <summary>fp32 values computed in another order.</summary>
    public static bool AreClose(float actual, float expected, float tolerance = 1e-5f) =>
        actual.Equals(expected) || actual == expected
        || MathF.Abs(actual - expected) <= tolerance + 1e-5f * MathF.Abs(expected);
}
