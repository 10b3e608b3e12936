using System.Diagnostics;
using Vllm.Engine;
using Vllm.Engine.Execution;
using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using Vllm.Kernels.Cpu;
using Vllm.Models;
using Vllm.Models.Architectures;
using Vllm.Models.Loading;

namespace Vllm.Micro;

/// <summary>What each operation takes of a decode step and of a prefill.</summary>
static class StepBenchmark
{
    const int MaxModelLen = 2048;
    const int NumContextTokens = 100;
    const int NumPrefillTokens = 512;
    const int NumWarmupSteps = 20;

    /// <summary>Everything that is neither product, attention nor choosing tokens.</summary>
    static readonly string[] Small = ["norm", "rotary and KV write", "gated activation", "gather", "embedding"];

    public static void Run(string model, int numThreads, int numDecodeSteps, int numPrefills, int numRequests)
    {
        using Bench bench = new(model, numThreads, numRequests);
        var random = new Random(1);
        for (int i = 0; i < numRequests; i++)
            bench.Add($"{i}", Prompt(NumContextTokens), numOutputTokens: NumWarmupSteps + numDecodeSteps);
        for (int i = 0; i < NumWarmupSteps; i++) bench.Step(); // the first are the prefill
        Report($"decode, {numRequests} requests, contexts of {NumContextTokens + NumWarmupSteps} tokens and more",
            [.. Enumerable.Range(0, numDecodeSteps).Select(_ => bench.Step())]);

        bench.Finish();
        var prefills = new List<Dictionary<string, double>>();
        for (int i = 0; i <= numPrefills; i++)
        {
            bench.Add($"prefill {i}", Prompt(NumPrefillTokens), numOutputTokens: 1);
            prefills.Add(bench.Step());
        }
        if (numPrefills > 0) Report($"prefill of {NumPrefillTokens} tokens", [.. prefills.Skip(1)]);

        int[] Prompt(int numTokens) => [.. Enumerable.Range(0, numTokens).Select(_ => random.Next(1000, 40_000))];
    }

    static void Report(string title, Dictionary<string, double>[] steps)
    {
        double whole = Median(steps.Select(step => step[Bench.Whole]));
        Console.WriteLine($"{title}: {whole * 1e3:F2} ms (median of {steps.Length}; best {steps.Min(step => step[Bench.Whole]) * 1e3:F2})");
        foreach (string operation in steps[0].Keys.Where(key => key != Bench.Whole))
            Line(operation, step => step.GetValueOrDefault(operation));
        Line("not in an operation", step => step[Bench.Whole] - step.Where(pair => pair.Key != Bench.Whole).Sum(pair => pair.Value));
        Line("small operations in all", step => Small.Sum(operation => step.GetValueOrDefault(operation)));

        void Line(string name, Func<Dictionary<string, double>, double> seconds) => Console.WriteLine(
            $"  {name,-24}{Median(steps.Select(seconds)) * 1e6,9:F0} us  {Median(steps.Select(step => seconds(step) / step[Bench.Whole])),7:P1}"
            + $"  best {steps.Min(seconds) * 1e6,8:F0} us");
    }

    static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    /// <summary>An engine whose device takes the time.</summary>
    sealed class Bench : IDisposable
    {
        public const string Whole = "step";

        readonly Scheduler _scheduler;
        readonly ModelRunner _runner;
        readonly TimedDevice _device;
        readonly List<Request> _finished = [];

        public Bench(string model, int numThreads, int numRequests)
        {
            LoadedEngine engine = EngineLoader.Load(new EngineOptions
            {
                Model = model,
                MaxModelLen = MaxModelLen,
                MaxNumSeqs = numRequests,
                MaxNumBatchedTokens = Math.Max(numRequests * NumContextTokens, NumPrefillTokens),
                NumThreads = numThreads,
                EnablePrefixCaching = false,
            }, progress: null);
            engine.Runner.Dispose();
            EngineConfig config = engine.Config;
            using Checkpoint checkpoint = Checkpoint.Open(model);
            ModelConfig shape = checkpoint.Config;
            _device = new TimedDevice(new CpuDevice(numThreads));
            int qkv = (shape.NumAttentionHeads + 2 * shape.NumKvHeads) * shape.HeadDim;
            _device.Products[(shape.VocabSize, shape.HiddenSize)] = "LM head";
            _device.Products[(qkv, shape.HiddenSize)] = "q, k, v";
            _device.Products[(shape.HiddenSize, shape.NumAttentionHeads * shape.HeadDim)] = "o";
            _device.Products[(2 * shape.IntermediateSize, shape.HiddenSize)] = "gate, up";
            _device.Products[(shape.HiddenSize, shape.IntermediateSize)] = "down";
            LanguageModel network = ModelRegistry.Create(new ModelContext(
                shape, _device, new WeightLoader(checkpoint, _device, config.Dtype), MaxModelLen,
                config.MaxNumBatchedTokens, numRequests));
            _runner = new ModelRunner(config, network, _device, _device.CreateKvCache(new(
                shape.NumHiddenLayers, config.NumBlocks, config.BlockSize, shape.NumKvHeads, shape.HeadDim, config.Dtype)));
            _scheduler = engine.Scheduler;
            Console.WriteLine($"{_device.Name}, {network.WeightFormat}");
        }

        public void Add(string id, int[] prompt, int numOutputTokens) => _scheduler.Add(new Request(
            id, prompt, new SamplingParams { Temperature = 0, IgnoreEos = true }, numOutputTokens));

        /// <summary>Seconds by operation, and of the whole step.</summary>
        public Dictionary<string, double> Step()
        {
            _device.Take();
            long start = Stopwatch.GetTimestamp();
            SchedulerOutput step = _scheduler.Schedule();
            _scheduler.Update(step, _runner.Execute(step).TokenIds, _finished);
            double whole = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Dictionary<string, double> seconds = _device.Take();
            seconds[Whole] = whole;
            return seconds;
        }

        public void Finish()
        {
            while (_scheduler.NumRunning > 0) Step();
        }

        public void Dispose() => _runner.Dispose();
    }
}
