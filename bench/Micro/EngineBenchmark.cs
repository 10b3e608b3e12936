using System.Diagnostics;
using Vllm.Engine;
using Vllm.Engine.Execution;
using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;
using Vllm.Kernels;
using Vllm.Models.Loading;
using Vllm.Text.Tokenization;

namespace Vllm.Micro;

/// <summary>What a step costs besides the model: decode steps of many running requests in which every request gets the
/// next of a fixed row of tokens. Time and allocated bytes of each part.</summary>
static class EngineBenchmark
{
    const int PromptLen = 128;
    const int NumWarmupSteps = 300; // methods are compiled a second time after some of them
    const int NumSteps = 640; // ten blocks of each request: their hashes are part of the mean
    const int BlockSize = 64;
    const int MaxModelLen = 2048;

    static readonly string[] Parts = ["schedule", "build batch", "update", "hand out", "text (own task)"];

    public static void Run(int numRequests, string modelFile)
    {
        using GgufFile file = GgufFile.Open(modelFile);
        Tokenizer tokenizer = Tokenizer.FromGguf(file.Metadata);
        EngineConfig config = ConfigOf(numRequests, tokenizer.VocabSize, modelFile);
        var scheduler = new Scheduler(new SchedulerOptions
        {
            MaxNumSeqs = numRequests,
            MaxNumBatchedTokens = config.MaxNumBatchedTokens,
            MaxModelLen = MaxModelLen,
            BlockSize = BlockSize,
            NumBlocks = config.NumBlocks,
            EnablePrefixCaching = true,
        });
        var input = new InputProcessor(config, tokenizer, new EngineMetrics(), TimeProvider.System);
        var parameters = new SamplingParams
        {
            IgnoreEos = true,
            MaxTokens = MaxModelLen - PromptLen,
            OutputKind = OutputKind.Delta,
        };
        var random = new Random(1);
        for (int i = 0; i < numRequests; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, PromptLen).Select(_ => random.Next(10_000))];
            OutputStream stream = input.Process($"{i}", prompt, parameters, new());
            foreach (Request request in stream.Requests) scheduler.Add(request);
        }
        Measure(scheduler, new InputBatch(config), tokenizer.Encode("The quick brown fox jumps over the lazy dog. "));
    }

    static void Measure(Scheduler scheduler, InputBatch batch, int[] answer)
    {
        var sampled = new SamplerOutput(scheduler.NumWaiting);
        var tokens = new StepTokens();
        var finished = new List<Request>();
        var times = new double[Parts.Length][];
        for (int part = 0; part < times.Length; part++) times[part] = new double[NumSteps];
        var bytes = new long[Parts.Length];
        SchedulerOutput step = null!;
        while (scheduler.NumWaiting > 0) Step(-1);
        for (int i = 0; i < NumWarmupSteps; i++) Step(-1);
        for (int i = 0; i < NumSteps; i++) Step(i);
        Report(scheduler.NumRunning, times, bytes);

        void Step(int index)
        {
            Time(index, 0, () => step = scheduler.Schedule());
            Time(index, 1, () => batch.Build(step));
            sampled.TokenIds.AsSpan().Fill(answer[(index + answer.Length) % answer.Length]);
            finished.Clear();
            Time(index, 2, () => scheduler.Update(step, sampled.TokenIds, finished));
            Time(index, 3, () => tokens.Fill(step, sampled, Stopwatch.GetTimestamp()));
            Time(index, 4, () => Append(tokens));
        }

        void Time(int index, int part, Action action)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            action();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (index < 0) return;
            bytes[part] += GC.GetAllocatedBytesForCurrentThread() - before;
            times[part][index] = seconds;
        }
    }

    static void Append(StepTokens tokens)
    {
        foreach (NewToken token in tokens.Tokens) token.Request.Output!.Stream.Append(token, tokens.Time);
    }

    static void Report(int numRequests, double[][] times, long[] bytes)
    {
        Console.WriteLine(
            $"{numRequests} running requests, {NumSteps} decode steps; µs per step (median, mean), bytes per step");
        for (int part = 0; part < Parts.Length; part++)
        {
            double[] sorted = [.. times[part].Order()];
            Console.WriteLine($"{Parts[part],-16}{sorted[NumSteps / 2] * 1e6,8:F1}{sorted.Average() * 1e6,8:F1}"
                + $"{(double)bytes[part] / NumSteps,10:F0}");
        }
        double[] engine = [.. Enumerable.Range(0, NumSteps).Select(i => times.Take(4).Sum(part => part[i])).Order()];
        Console.WriteLine($"{"engine thread",-16}{engine[NumSteps / 2] * 1e6,8:F1}{engine.Average() * 1e6,8:F1}"
            + $"{(double)bytes.Take(4).Sum() / NumSteps,10:F0}");
    }

    static EngineConfig ConfigOf(int numRequests, int vocabSize, string modelFile) => new()
    {
        Options = new EngineOptions
        {
            Model = modelFile,
            MaxNumSeqs = numRequests,
            MaxNumBatchedTokens = Math.Max(8192, numRequests),
        },
        Architecture = "LlamaForCausalLM",
        Dtype = DType.BF16,
        DeviceName = "none",
        MaxModelLen = MaxModelLen,
        BlockSize = BlockSize,
        NumBlocks = numRequests * (MaxModelLen / BlockSize) + 1,
        KvCacheBytes = 0,
        WeightBytes = 0,
        WeightFormat = "none",
        VocabSize = vocabSize,
        EosTokenIds = [],
        SamplingDefaults = new(),
    };
}
