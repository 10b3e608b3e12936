using System.Diagnostics;
using Vllm.Engine;
using Vllm.Engine.Execution;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;
using Vllm.Kernels.Cpu;

namespace Vllm.Micro;

/// <summary>What choosing the tokens of a step costs: on made-up logits of several sizes, and as a share of a decode step
/// of SmolLM2.</summary>
static class SamplerBenchmark
{
    const int NumPromptTokens = 100;
    const int NumOutputTokens = 50; // distinct tokens of a row are what penalties cost
    const int NumStepRequests = 32;
    const int NumSteps = 60;
    const double SecondsPerFigure = 0.5;
    const int MinSamples = 15;

    static readonly (string Name, SamplingParams Params)[] Kinds =
    [
        ("greedy", new() { Temperature = 0 }),
        ("temperature", new() { Temperature = 0.8f }),
        ("top-k 50", new() { TopK = 50 }),
        ("top-p 0.9", new() { TopP = 0.9f }),
        ("temperature 2, top-p 0.95", new() { Temperature = 2, TopP = 0.95f }), // nearly all tokens: the hardest
        ("top-k, top-p, penalties", new()
        {
            Temperature = 0.8f, TopK = 50, TopP = 0.95f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.2f, PresencePenalty = 0.2f,
        }),
        ("greedy, 5 logprobs", new() { Temperature = 0, Logprobs = 5 }),
    ];

    public static void Run(string model, int numThreads)
    {
        using var device = new CpuDevice(numThreads);
        Console.WriteLine($"{device.Name}; microseconds, median (best)");
        foreach (int vocabSize in (int[])[49152, 128256])
            foreach (int numRows in (int[])[1, 32, 256])
                RunOnRandom(device, vocabSize, numRows);
        foreach ((string name, SamplingParams kind) in Kinds) RunInStep(device, model, numThreads, name, kind);
    }

    static void RunOnRandom(CpuDevice device, int vocabSize, int numRows)
    {
        float[] logits = RandomLogits(vocabSize, numRows);
        foreach ((string name, SamplingParams kind) in Kinds)
        {
            (double median, double best) = MeasureSampler(device, logits, vocabSize, kind);
            Console.WriteLine($"{numRows,3} x {vocabSize,6}  {name,-25} {median * 1e6,9:F1} ({best * 1e6:F1})");
        }
    }

    /// <summary>Like a model's: a broad bell, and a few tokens that stand out.</summary>
    static float[] RandomLogits(int vocabSize, int numRows)
    {
        var random = new Random(1);
        var logits = new float[(long)numRows * vocabSize];
        for (int i = 0; i < logits.Length; i++) logits[i] = Normal(random, 2.5);
        for (int row = 0; row < numRows; row++)
            for (int i = 0; i < 40; i++)
                logits[row * vocabSize + random.Next(vocabSize)] = 14 + Normal(random, 2);
        return logits;
    }

    static float Normal(Random random, double deviation) =>
        (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    static (double Median, double Best) MeasureSampler(CpuDevice device, float[] logits, int vocabSize, SamplingParams kind)
    {
        int numRows = logits.Length / vocabSize;
        var sampler = new Sampler(vocabSize, numRows, seed: 1, device.ParallelFor, device.NumWorkers);
        SamplerRow[] rows = [.. Enumerable.Range(0, numRows).Select(row => sampler.CreateRow(NewRequest(row, kind, vocabSize), [], []))];
        float[] copy = new float[logits.Length];
        var output = new SamplerOutput(numRows);
        var samples = new List<double>();
        var all = Stopwatch.StartNew();
        while (samples.Count < MinSamples || all.Elapsed.TotalSeconds < SecondsPerFigure)
        {
            logits.CopyTo(copy, 0); // the sampler may overwrite them
            device.BeginStep();
            long start = Stopwatch.GetTimestamp();
            sampler.Sample(row => copy.AsSpan(row * vocabSize, vocabSize), rows, output);
            samples.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            device.EndStep();
        }
        samples.RemoveAt(0);
        return (Median(samples), samples.Min());
    }

    static double Median(List<double> samples)
    {
        samples.Sort();
        return samples[samples.Count / 2];
    }

    static Request NewRequest(int row, SamplingParams kind, int vocabSize)
    {
        var random = new Random(row);
        var request = new Request($"{row}", [.. Tokens(NumPromptTokens)], kind, maxTokens: 1000);
        foreach (int id in Tokens(NumOutputTokens)) request.AppendOutputTokenId(id);
        return request;

        IEnumerable<int> Tokens(int num) => Enumerable.Range(0, num).Select(_ => random.Next(vocabSize));
    }

    /// <summary>The time of whole decode steps, and of the sampler alone on the logits of the last of them.</summary>
    static void RunInStep(CpuDevice device, string model, int numThreads, string name, SamplingParams kind)
    {
        LoadedEngine engine = EngineLoader.Load(new EngineOptions
        {
            Model = model,
            MaxModelLen = 512,
            MaxNumSeqs = NumStepRequests,
            NumThreads = numThreads,
        }, progress: null);
        using ModelRunner runner = engine.Runner;
        int vocabSize = engine.Config.VocabSize;
        var capture = new Capture(NumStepRequests, vocabSize);
        int[] text = engine.Tokenizer.Encode(File.ReadAllText("README.md") + File.ReadAllText("docs/architecture.md"));
        for (int i = 0; i < NumStepRequests; i++)
        {
            int[] prompt = text[(i * (text.Length - NumPromptTokens) / NumStepRequests)..][..NumPromptTokens];
            SamplingParams own = kind with { IgnoreEos = true, Seed = i };
            engine.Scheduler.Add(new Request($"{i}", prompt, own, maxTokens: 400) { LogitsProcessors = [capture] });
        }
        var finished = new List<Request>();
        while (!Step(engine, finished)) { } // prefill
        for (int i = 0; i < 5; i++) Step(engine, finished);
        var samples = new List<double>();
        for (int i = 0; i < NumSteps; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Step(engine, finished);
            samples.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double step = Median(samples), best = samples[0];
        capture.IsOn = true;
        Step(engine, finished);
        (double sampler, double bestSampler) = MeasureSampler(device, capture.Logits, vocabSize, kind);
        Console.WriteLine($"step of {NumStepRequests} x {vocabSize}  {name,-25} {step * 1e6,9:F1} ({best * 1e6:F1}), sampler "
            + $"{sampler * 1e6,7:F1} ({bestSampler * 1e6:F1}) = {sampler / step:P1} ({bestSampler / best:P1})");
    }

    /// <summary>True when every request got a token.</summary>
    static bool Step(LoadedEngine engine, List<Request> finished)
    {
        SchedulerOutput step = engine.Scheduler.Schedule();
        SamplerOutput sampled = engine.Runner.Execute(step);
        engine.Scheduler.Update(step, sampled.TokenIds, finished);
        return step.Scheduled.Count(scheduled => scheduled.ProducesToken) == NumStepRequests;
    }

    /// <summary>Copies the logits of a step, in any order of the rows.</summary>
    sealed class Capture(int numRows, int vocabSize) : LogitsProcessor
    {
        int _numCaptured;

        public float[] Logits { get; } = new float[numRows * vocabSize];

        public bool IsOn { get; set; }

        public override void Process(in LogitsContext row, Span<float> logits)
        {
            if (IsOn) logits.CopyTo(Logits.AsSpan((Interlocked.Increment(ref _numCaptured) - 1) * vocabSize));
        }
    }
}
