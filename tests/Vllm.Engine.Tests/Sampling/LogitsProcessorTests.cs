using Vllm.Engine;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Users' own logits processors, in the engine and loaded by name.</summary>
public sealed class LogitsProcessorTests
{
    const string Prompt = "The capital of France is";

    static LLM Load(params LogitsProcessor[] processors) => new(new EngineOptions
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        MaxModelLen = 256,
        MaxNumSeqs = 8,
        LogitsProcessors = processors,
    });

    static SamplingParams With(string name, object value) => new()
    {
        Temperature = 0,
        MaxTokens = 4,
        ExtraArgs = new Dictionary<string, object> { [name] = value },
    };

    [Fact]
    public void Process_DecidesForItsRequestAlone()
    {
        using LLM llm = Load(new TargetToken());
        var plain = new SamplingParams { Temperature = 0, MaxTokens = 4 };
        IReadOnlyList<int> expected = llm.Generate([Prompt], plain)[0].Outputs[0].TokenIds;

        IReadOnlyList<RequestOutput> targeted = llm.Generate([Prompt], With("target_token", 1234L));

        Assert.Equal([1234, 1234, 1234, 1234], targeted[0].Outputs[0].TokenIds);
        Assert.Equal(expected, llm.Generate([Prompt], plain)[0].Outputs[0].TokenIds);
    }

    [Fact]
    public void Validate_RefusesTheRequest()
    {
        using LLM llm = Load(new TargetToken());

        ArgumentException error = Assert.Throws<ArgumentException>(() => llm.Generate([Prompt], With("target_token", "x")));

        Assert.Equal("target_token must be a whole number", error.Message);
    }

    [Fact]
    public async Task Exception_FailsItsRequestAlone()
    {
        await using AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 256,
            MaxNumSeqs = 8,
            LogitsProcessors = [new TargetToken()],
        });

        Task<RequestOutput> failing = Last(engine.Generate("failing", [1, 2, 3], With("fail_after", 2L)));
        Task<RequestOutput> other = Last(engine.Generate("other", [1, 2, 3], new SamplingParams { Temperature = 0, MaxTokens = 30 }));
        RequestOutput[] outputs = await Task.WhenAll(failing, other);

        Assert.Equal(FinishReason.Error, outputs[0].Outputs[0].FinishReason);
        Assert.Contains("asked to fail", outputs[0].Error);
        Assert.Equal(2, outputs[0].Outputs[0].TokenIds.Count);
        Assert.Equal(30, outputs[1].Outputs[0].TokenIds.Count);
        Assert.True(engine.IsHealthy);
    }

    static async Task<RequestOutput> Last(IAsyncEnumerable<RequestOutput> outputs)
    {
        RequestOutput? last = null;
        await foreach (RequestOutput output in outputs) last = output;
        return last!;
    }

    [Fact]
    public void Process_ComesAfterTheBiasAndBeforeThePenalties()
    {
        var recorder = new Recorder();
        var parameters = new SamplingParams
        {
            Temperature = 0,
            LogitBias = new Dictionary<int, float> { [3] = 2 },
            RepetitionPenalty = 2,
            Logprobs = 0,
        };
        var request = new Request("0", [3, 1], parameters, maxTokens: 10) { LogitsProcessors = [recorder] };
        var sampler = new Sampler(vocabSize: 5, maxNumSeqs: 1);
        float[] logits = [0, 0, 0, 4, 5];
        var output = new SamplerOutput(1);

        sampler.Sample(_ => logits, [sampler.CreateRow(request, badWords: [], endTokenIds: [])], output);

        Assert.Equal([0, 0, 0, 6, 5], recorder.Logits);
        Assert.Equal([3, 1], recorder.PromptTokenIds);
        Assert.Empty(recorder.OutputTokenIds);
        Assert.Equal(3, logits[3]); // (4 + 2) / 2
        Assert.Equal(4, output.TokenIds[0]);
        float logSum = MathF.Log(3 * MathF.Exp(-5) + MathF.Exp(-1) + 1);
        Assert.Equal(-logSum, output.Logprobs[0]!.Values[0], 1e-5f); // raw: before all of it
    }

    [Fact]
    public void Load_MakesTheTypeOfAnAssembly()
    {
        string path = typeof(TargetToken).Assembly.Location;

        LogitsProcessor loaded = LogitsProcessorLoader.Load($"{typeof(TargetToken).FullName}, {path}");

        Assert.Equal(nameof(TargetToken), loaded.GetType().Name);
        Assert.NotSame(typeof(TargetToken).Assembly, loaded.GetType().Assembly); // a context of its own
        Assert.Throws<ArgumentException>(() => loaded.Validate(With("target_token", "x")));
    }

    public static TheoryData<string, string> BadNames()
    {
        string path = typeof(TargetToken).Assembly.Location;
        string noAssembly = Path.Combine(Fixtures.RepositoryRoot, "README.md");
        return new()
        {
            { "My.Type", "is no logits processor; write Namespace.Type, path/to/assembly.dll" },
            { "My.Type, /no/such.dll", "there is no file /no/such.dll" },
            { $"My.Type, {noAssembly}", "is no .NET assembly that can be loaded" },
            { $"My.Type, {path}", "has no type My.Type" },
            { $"{typeof(LogitsProcessorTests).FullName}, {path}", "is no class derived from Vllm.LogitsProcessor" },
            { $"{typeof(Unmakeable).FullName}, {path}", "failed: no settings" },
            { $"{typeof(Parametrised).FullName}, {path}", "needs a public constructor without parameters" },
        };
    }

    [Theory]
    [MemberData(nameof(BadNames))]
    public void Load_SaysWhatIsWrong(string name, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => LogitsProcessorLoader.Load(name)).Message);
}

/// <summary>Leaves one token, or throws, as the request's arguments say.</summary>
public sealed class TargetToken : LogitsProcessor
{
    public override void Validate(SamplingParams samplingParams)
    {
        if (samplingParams.ExtraArgs?.TryGetValue("target_token", out object? token) == true && token is not long)
            throw new ArgumentException("target_token must be a whole number");
    }

    public override bool IsActive(SamplingParams samplingParams) => samplingParams.ExtraArgs is not null;

    public override void Process(in LogitsContext row, Span<float> logits)
    {
        IReadOnlyDictionary<string, object> arguments = row.SamplingParams.ExtraArgs!;
        if (arguments.TryGetValue("fail_after", out object? numTokens) && row.OutputTokenIds.Length == (long)numTokens)
            throw new InvalidOperationException("asked to fail");
        if (!arguments.TryGetValue("target_token", out object? token)) return;
        logits.Fill(float.NegativeInfinity);
        logits[(int)(long)token] = 0;
    }
}

sealed class Recorder : LogitsProcessor
{
    public float[] Logits { get; private set; } = [];
    public int[] PromptTokenIds { get; private set; } = [];
    public int[] OutputTokenIds { get; private set; } = [];

    public override void Process(in LogitsContext row, Span<float> logits)
    {
        Logits = logits.ToArray();
        PromptTokenIds = row.PromptTokenIds.ToArray();
        OutputTokenIds = row.OutputTokenIds.ToArray();
    }
}

sealed class Unmakeable : LogitsProcessor
{
    public Unmakeable() => throw new InvalidOperationException("no settings");

    public override void Process(in LogitsContext row, Span<float> logits) { }
}

sealed class Parametrised(int unused) : LogitsProcessor
{
    public override void Process(in LogitsContext row, Span<float> logits) => logits[unused] = 0;
}
