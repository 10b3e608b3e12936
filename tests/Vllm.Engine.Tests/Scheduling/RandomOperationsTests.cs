using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Random lives of a scheduler with a tiny pool: arrivals, forks, aborts at any moment, preemptions, resets,
/// blocks that go to the host and come back. The books balance after every operation, memory is never read before it is
/// written, and outputs do not depend on any of it.</summary>
public class RandomOperationsTests(ITestOutputHelper output)
{
    const int NumSequences = 10_000;
    const int MaxSteps = 2_000;

    [Fact]
    public void AnySequence_KeepsBooksAndOutputsRight()
    {
        var counts = new Counts();
        for (int seed = 0; seed < NumSequences; seed++)
        {
            try
            {
                new Life(seed, counts).Run();
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }
        output.WriteLine($"{counts}");
        Assert.All(counts.All(), count => Assert.True(count > NumSequences / 10));
    }

    /// <summary>How often each operation happened in all lives: what never happens is not tested.</summary>
    sealed record Counts
    {
        public long Adds, Steps, Aborts, Preemptions, Finishes, Resets, Forks, HostStores, HostLoads, HostDrops, HostResets;

        public long[] All() => [Adds, Steps, Aborts, Preemptions, Finishes, Resets, Forks, HostStores, HostLoads, HostResets];
    }

    sealed class Life
    {
        readonly Random _random;
        readonly Counts _counts;
        readonly SchedulerOptions _options;
        readonly Scheduler _scheduler;
        readonly FakeModel _model;
        readonly List<Request> _alive = [];
        readonly List<Request> _finished = [];
        int _numAdded;

        public Life(int seed, Counts counts)
        {
            _counts = counts;
            _random = new Random(seed);
            _options = RandomOptions();
            _scheduler = new Scheduler(_options);
            _model = new FakeModel(_options);
        }

        public void Run()
        {
            int numRequests = _random.Next(1, 12);
            for (int step = 0; _numAdded < numRequests || _scheduler.HasRequests; step++)
            {
                Assert.True(step < MaxSteps, "requests starve");
                while (_numAdded < numRequests && _random.Next(3) == 0)
                    AddOrFork();
                Disturb();
                Step();
            }
            Assert.Equal(_options.NumBlocks - 1, _scheduler.KvCache.NumFreeBlocks);
            CountAll();
        }

        void CountAll()
        {
            _counts.Adds += _numAdded;
            _counts.Preemptions += _scheduler.NumPreemptions;
            if (_scheduler.KvCache.HostTier is not { } tier) return;
            _counts.HostStores += tier.NumStored;
            _counts.HostLoads += tier.NumLoaded;
            _counts.HostDrops += tier.NumDropped;
        }

        void Step()
        {
            _counts.Steps++;
            SchedulerOutput output = _scheduler.Schedule();
            _scheduler.CheckIntegrity();
            Assert.True(output.TotalNumScheduledTokens <= _options.MaxNumBatchedTokens);
            Assert.True(_scheduler.NumRunning <= _options.MaxNumSeqs);
            Disturb();
            ReadOnlySpan<int> sampled = _model.Execute(output);
            Disturb();
            _finished.Clear();
            _scheduler.Update(output, sampled, _finished);
            _scheduler.CheckIntegrity();
            foreach (Request request in _finished)
                AssertFinished(request);
        }

        void AssertFinished(Request request)
        {
            _counts.Finishes++;
            _alive.Remove(request);
            Assert.Equal(FakeModel.ExpectedOutput(request, request.NumOutputTokens), request.OutputTokenIds.ToArray());
            bool endsWithEos = request.TokenIds[^1] == request.EosTokenId;
            Assert.Equal(endsWithEos ? FinishReason.Stop : FinishReason.Length, request.FinishReason);
            Assert.True(endsWithEos || request.NumOutputTokens == request.MaxTokens);
        }

        void Disturb()
        {
            AbortOne();
            if (_random.Next(30) > 0) return;
            bool resetsHost = _random.Next(4) == 0;
            if (_scheduler.ResetPrefixCache(resetRunning: _random.Next(2) == 0, resetHostTier: resetsHost)) _counts.Resets++;
            if (resetsHost) _counts.HostResets++;
            if (resetsHost) Assert.Equal(0, _scheduler.KvCache.HostTier?.NumHashes ?? 0);
            _scheduler.CheckIntegrity();
        }

        void AbortOne()
        {
            if (_alive.Count == 0 || _random.Next(30) > 0) return;
            _counts.Aborts++;
            Request request = _alive[_random.Next(_alive.Count)];
            _alive.Remove(request);
            Assert.True(_scheduler.Finish(request.Id, FinishReason.Abort));
            Assert.False(_scheduler.Finish(request.Id, FinishReason.Abort));
            _scheduler.CheckIntegrity();
        }

        void AddOrFork()
        {
            if (_alive.Count > 0 && _random.Next(4) == 0) Fork(_alive[_random.Next(_alive.Count)]);
            else Add();
        }

        /// <summary>Another request that goes on from where one stands, as the answers of one prompt and the beams of a
        /// search do.</summary>
        void Fork(Request origin)
        {
            if (origin.NumTokens >= _options.MaxModelLen) return;
            _counts.Forks++;
            Add(origin.TokenIds.ToArray(), origin.CacheSalt);
        }

        void Add()
        {
            // A prompt is the start of one of three texts with perhaps an end of its own, so that prefixes are shared.
            int length = _random.Next(1, _options.MaxModelLen);
            int text = _random.Next(3) * 1000, numShared = _random.Next(2) == 0 ? length : _random.Next(length);
            int[] prompt = new int[length];
            for (int i = 0; i < length; i++)
                prompt[i] = i < numShared ? text + i : 9000 + _random.Next(5);
            Add(prompt, _random.Next(5) == 0 ? "x" : null);
        }

        void Add(int[] prompt, string? cacheSalt)
        {
            int maxTokens = _random.Next(1, _options.MaxModelLen - prompt.Length + 1);
            var request = new Request($"r{_numAdded++:00}", prompt, new SamplingParams(), maxTokens)
            {
                EosTokenId = _random.Next(2) == 0 ? 7 : null,
                Priority = _random.Next(3),
                ArrivalTime = _numAdded,
                CacheSalt = cacheSalt,
            };
            _scheduler.Add(request);
            _alive.Add(request);
            _scheduler.CheckIntegrity();
        }

        SchedulerOptions RandomOptions()
        {
            int blockSize = 1 << _random.Next(4);
            int numBlocks = _random.Next(3, 24);
            int maxModelLen = Math.Max(2, (numBlocks - 1) * blockSize - _random.Next(blockSize));
            bool chunked = _random.Next(4) > 0;
            return new SchedulerOptions
            {
                MaxNumSeqs = _random.Next(1, 8),
                MaxNumBatchedTokens = chunked ? _random.Next(1, 2 * maxModelLen) : maxModelLen + _random.Next(50),
                MaxModelLen = maxModelLen,
                BlockSize = blockSize,
                NumBlocks = numBlocks,
                NumHostBlocks = _random.Next(2) == 0 ? _random.Next(1, 20) : 0,
                EnablePrefixCaching = _random.Next(5) > 0,
                EnableChunkedPrefill = chunked,
                Policy = _random.Next(2) == 0 ? SchedulingPolicy.Fcfs : SchedulingPolicy.Priority,
                LongPrefillTokenThreshold = chunked && _random.Next(3) == 0 ? _random.Next(1, maxModelLen) : 0,
                LongPrefillTokenThresholdAdaptive = _random.Next(2) == 0,
                Watermark = _random.Next(3) == 0 ? 0.2 : 0,
                SchedulerReserveFullIsl = _random.Next(2) == 0,
            };
        }
    }
}
