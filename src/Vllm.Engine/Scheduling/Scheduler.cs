using System.Runtime.InteropServices;
using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;

namespace Vllm.Engine.Scheduling;

/// <summary>
/// Decides what each step computes. There is no prefill or decode phase: every request gets tokens so that its computed
/// tokens catch up with its tokens, under one token budget. Per step: (1) running requests get their share, first come
/// first served, and take blocks from the last or least important ones when none are free; (2) if nobody lost blocks,
/// waiting requests are admitted while budget, seats and blocks last. A preempted request starts over, prompt and
/// output alike, and hits whatever of its blocks is still cached. The rules are those of vLLM's V1 scheduler.
/// <para>Owned by the engine thread. Every <see cref="Schedule"/> is followed by one <see cref="Update"/>; requests may
/// be added and aborted at any moment between the calls.</para>
/// </summary>
sealed class Scheduler
{
    readonly SchedulerOptions _options;
    readonly Dictionary<string, Request> _requests = [];
    readonly List<Request> _running = [];
    readonly RequestQueue _waiting;
    readonly List<Request> _finished = []; // since the last step
    readonly SchedulerOutput _output;
    readonly CachedPrefix _prefix = new();
    readonly int _maxNumRunning;
    readonly int _watermarkBlocks;

    // Of the step under way.
    int _tokenBudget;
    int _maxTokensPerRequest;

    public Scheduler(SchedulerOptions options)
    {
        _options = options;
        KvCache = new KvCacheManager(options.NumBlocks, options.BlockSize, options.EnablePrefixCaching, options.NumHostBlocks);
        _output = new SchedulerOutput(KvCache.HostTier?.Copies);
        _waiting = new RequestQueue(options.Policy);
        _maxNumRunning = options.MaxNumActiveSeqs ?? options.MaxNumSeqs;
        _watermarkBlocks = (int)(options.Watermark * options.NumBlocks);
    }

    public bool HasRequests => _requests.Count > 0;
    public int NumRunning => _running.Count;
    public int NumWaiting => _waiting.Count;

    /// <summary>Preemptions since the start.</summary>
    public long NumPreemptions { get; private set; }

    /// <summary>Running requests in order of service.</summary>
    public IReadOnlyList<Request> Running => _running;

    /// <summary>Waiting requests in order of admission.</summary>
    public IReadOnlyCollection<Request> Waiting => _waiting;

    /// <summary>The cache's usage and statistics.</summary>
    public KvCacheManager KvCache { get; }

    public void Add(Request request)
    {
        if (!_requests.TryAdd(request.Id, request))
            throw new ArgumentException($"a request with id '{request.Id}' is in the engine already", nameof(request));
        request.Status = RequestStatus.Waiting;
        _waiting.AddLast(request);
    }

    /// <summary>Makes the next step. Tokens of the step count as computed from here on.</summary>
    public SchedulerOutput Schedule()
    {
        BeginStep();
        ScheduleRunning(); // 1
        if (_output.Preempted.Count == 0) ScheduleWaiting(); // 2; a newcomer must not get what was taken from others
        return _output;
    }

    void BeginStep()
    {
        _output.Scheduled.Clear();
        _output.Preempted.Clear();
        _output.Finished.Clear();
        _output.Finished.AddRange(_finished);
        _output.TotalNumScheduledTokens = 0;
        _finished.Clear();
        KvCache.HostTier?.BeginStep();
        _tokenBudget = _options.MaxNumScheduledTokens ?? _options.MaxNumBatchedTokens;
        _maxTokensPerRequest = MaxTokensPerRequest();
    }

    /// <summary>Long prompts are cut only when somebody else would have to wait for them; adaptive: not below an equal
    /// share of the batch.</summary>
    int MaxTokensPerRequest()
    {
        int threshold = _options.LongPrefillTokenThreshold;
        if (threshold == 0 || _requests.Count <= 1) return int.MaxValue;
        return _options.LongPrefillTokenThresholdAdaptive
            ? Math.Max(threshold, _options.MaxNumBatchedTokens / _requests.Count)
            : threshold;
    }

    void ScheduleRunning()
    {
        for (int index = 0; index < _running.Count && _tokenBudget > 0; index++)
        {
            Request request = _running[index];
            int numTokens = Math.Min(request.NumTokens - request.NumComputedTokens, _maxTokensPerRequest);
            numTokens = Math.Min(numTokens, _tokenBudget);
            if (!TryAllocate(request, numTokens, ref index)) break;
            AddToStep(request, numTokens);
        }
    }

    /// <summary>Finds blocks for a running request, taking them from others if need be; false when it was itself the
    /// one to give way. <paramref name="index"/> is its place and follows it when one before it is removed.</summary>
    bool TryAllocate(Request request, int numTokens, ref int index)
    {
        while (!KvCache.TryAllocate(request, numTokens))
        {
            int victimIndex = PickVictim();
            Request victim = _running[victimIndex];
            if (victimIndex < index)
            {
                RemoveFromStep(victimIndex);
                index--;
            }
            _running.RemoveAt(victimIndex);
            Preempt(victim);
            _output.Preempted.Add(victim);
            if (victim == request) return false;
        }
        return true;
    }

    /// <summary>The last to come; with priorities, the least important one, the latest of those.</summary>
    int PickVictim()
    {
        if (_options.Policy == SchedulingPolicy.Fcfs) return _running.Count - 1;
        int worst = 0;
        for (int i = 1; i < _running.Count; i++)
            if (IsLessImportant(_running[i], _running[worst]))
                worst = i;
        return worst;
    }

    static bool IsLessImportant(Request left, Request right) => left.Priority != right.Priority
        ? left.Priority > right.Priority
        : left.ArrivalTime > right.ArrivalTime;

    void Preempt(Request victim)
    {
        KvCache.Free(victim);
        victim.NumComputedTokens = 0;
        victim.NumPreemptions++;
        victim.Status = RequestStatus.Preempted;
        _waiting.AddFirst(victim);
        NumPreemptions++;
    }

    void ScheduleWaiting()
    {
        while (_tokenBudget > 0 && _running.Count < _maxNumRunning && _waiting.First is { } request)
        {
            KvCache.FindCachedPrefix(request, _prefix);
            int numHitTokens = _prefix.NumBlocks * _options.BlockSize;
            int numTokens = Math.Min(request.NumTokens - numHitTokens, _maxTokensPerRequest);
            if (numTokens > _tokenBudget)
            {
                if (!_options.EnableChunkedPrefill) break;
                numTokens = _tokenBudget;
            }
            int numReserved = _running.Count > 0 ? _watermarkBlocks : 0;
            if (!KvCache.TryAdmit(request, _prefix, numTokens, _options.SchedulerReserveFullIsl, numReserved)) break;

            _waiting.Remove(request);
            _running.Add(request);
            request.Status = RequestStatus.Running;
            request.NumComputedTokens = numHitTokens;
            if (request.NumCachedTokens < 0) request.NumCachedTokens = numHitTokens;
            AddToStep(request, numTokens);
        }
    }

    void AddToStep(Request request, int numTokens)
    {
        _output.Scheduled.Add(new(request, request.NumComputedTokens, numTokens, request.BlockTable.Ids));
        _output.TotalNumScheduledTokens += numTokens;
        _tokenBudget -= numTokens;
        request.NumComputedTokens += numTokens;
    }

    /// <summary>Takes back the share of a running request; so far the step lists them in the order of
    /// <see cref="Running"/>.</summary>
    void RemoveFromStep(int index)
    {
        ScheduledRequest share = _output.Scheduled[index];
        KvCache.InvalidateFrom(share.Request, share.NumComputedTokens);
        _output.Scheduled.RemoveAt(index);
        _output.TotalNumScheduledTokens -= share.NumTokens;
        _tokenBudget += share.NumTokens;
    }

    /// <summary>Appends the sampled tokens, applies the stop rules and takes the blocks of finished requests
    /// back.</summary>
    /// <param name="output">The step, as <see cref="Schedule"/> returned it.</param>
    /// <param name="sampledTokenIds">One token per entry with <see cref="ScheduledRequest.ProducesToken"/>, in order.
    /// That of a request which is no longer running is dropped.</param>
    /// <param name="finished">Receives the requests that ended with this step, in order.</param>
    public void Update(SchedulerOutput output, ReadOnlySpan<int> sampledTokenIds, List<Request> finished)
    {
        int numFinishedBefore = finished.Count;
        int next = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(output.Scheduled))
        {
            if (!scheduled.ProducesToken) continue;
            int tokenId = sampledTokenIds[next++];
            Request request = scheduled.Request;
            if (request.Status != RequestStatus.Running) continue;
            request.AppendOutputTokenId(tokenId);
            if (!StopRules.Apply(request, _options.MaxModelLen)) continue;
            Finish(request);
            finished.Add(request);
        }
        if (finished.Count > numFinishedBefore) _running.RemoveAll(static request => request.IsFinished);
    }

    /// <summary>Ends a request from outside, wherever it stands; false when there is none with this id. Its share of a
    /// step under way is computed and dropped.</summary>
    public bool Finish(string requestId, FinishReason reason)
    {
        if (!_requests.TryGetValue(requestId, out Request? request)) return false;
        if (request.Status == RequestStatus.Running) _running.Remove(request);
        else _waiting.Remove(request);
        request.FinishReason = reason;
        Finish(request);
        return true;
    }

    void Finish(Request request)
    {
        request.Status = RequestStatus.Finished;
        KvCache.Free(request);
        _requests.Remove(request.Id);
        _finished.Add(request);
    }

    /// <summary>Forgets all cached blocks, for instance because the weights changed.</summary>
    /// <param name="resetRunning">Preempt what is running, so that the reset succeeds in any case.</param>
    /// <param name="resetHostTier">Forget what the host has, too; that succeeds in any case.</param>
    /// <returns>False, with no cached block forgotten, when requests hold blocks.</returns>
    public bool ResetPrefixCache(bool resetRunning = false, bool resetHostTier = false)
    {
        if (resetHostTier) KvCache.HostTier?.Clear();
        if (resetRunning)
        {
            for (int i = _running.Count - 1; i >= 0; i--)
                Preempt(_running[i]);
            _running.Clear();
        }
        return KvCache.ResetPrefixCache();
    }

    /// <summary>Throws when the scheduler's books or those of its cache do not balance.</summary>
    public void CheckIntegrity()
    {
        if (_running.Count + _waiting.Count != _requests.Count)
            throw new InvalidOperationException($"{NumRunning} running, {NumWaiting} waiting of {_requests.Count}");
        foreach (Request request in _waiting)
            if (request.BlockTable.Count > 0 || request.NumComputedTokens > 0)
                throw new InvalidOperationException($"request {request.Id} waits and holds blocks");
        KvCache.CheckIntegrity(_running);
    }
}
