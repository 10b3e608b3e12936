using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Random lives of a scheduler with a tiny pool: arrivals, aborts at any moment, preemptions, resets. The
/// books balance after every operation, memory is never read before it is written, and outputs do not depend on any of
/// it.</summary>
public class RandomOperationsTests
{
    const int NumSequences = 10_000;
    const int MaxSteps = 2_000;

    [Fact]
    public void AnySequence_KeepsBooksAndOutputsRight()
    {
        for (int seed = 0; seed < NumSequences; seed++)
        {
            try
            {
                new Life(seed).Run();
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }
    }

    sealed class Life
    {
        readonly Random _random;
        readonly SchedulerOptions _options;
        readonly Scheduler _scheduler;
        readonly FakeModel _model;
        readonly List<Request> _alive = [];
        readonly List<Request> _finished = [];
        int _numAdded;

        public Life(int seed)
        {
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
                    Add();
                Disturb();
                Step();
            }
            Assert.Equal(_options.NumBlocks - 1, _scheduler.KvCache.NumFreeBlocks);
        }

        void Step()
        {
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
            _scheduler.ResetPrefixCache(resetRunning: _random.Next(2) == 0);
            _scheduler.CheckIntegrity();
        }

        void AbortOne()
        {
            if (_alive.Count == 0 || _random.Next(30) > 0) return;
            Request request = _alive[_random.Next(_alive.Count)];
            _alive.Remove(request);
            Assert.True(_scheduler.Finish(request.Id, FinishReason.Abort));
            Assert.False(_scheduler.Finish(request.Id, FinishReason.Abort));
            _scheduler.CheckIntegrity();
        }

        void Add()
        {
            // A prompt is the start of one of three texts with perhaps an end of its own, so that prefixes are shared.
            int length = _random.Next(1, _options.MaxModelLen);
            int text = _random.Next(3) * 1000, numShared = _random.Next(2) == 0 ? length : _random.Next(length);
            int[] prompt = new int[length];
            for (int i = 0; i < length; i++)
                prompt[i] = i < numShared ? text + i : 9000 + _random.Next(5);
            int maxTokens = _random.Next(1, _options.MaxModelLen - length + 1);
            var request = new Request($"r{_numAdded++:00}", prompt, new SamplingParams(), maxTokens)
            {
                EosTokenId = _random.Next(2) == 0 ? 7 : null,
                Priority = _random.Next(3),
                ArrivalTime = _numAdded,
                CacheSalt = _random.Next(5) == 0 ? "x" : null,
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
