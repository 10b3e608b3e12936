using Vllm.Server.Protocol;

namespace Vllm.Server.Generation;

/// <summary>The requests between their admission and their end: counts them exactly, so that the queue limits hold
/// under bursts, and finds them for those who want to end them.</summary>
sealed class ActiveRequests(ServerOptions options, AsyncLLM engine)
{
    readonly Lock _gate = new();
    readonly HashSet<Admission> _admissions = [];
    TaskCompletionSource? _resumed; // while paused
    long _numAnswers;
    long _numPrefillTokens;
    long _numRejectedForRequests;
    long _numRejectedForTokens;

    /// <summary>Requests refused because too many were under way.</summary>
    public long NumRejectedForRequests => Volatile.Read(ref _numRejectedForRequests);

    /// <summary>Requests refused because too many prompt tokens waited.</summary>
    public long NumRejectedForTokens => Volatile.Read(ref _numRejectedForTokens);

    public bool IsPaused => Volatile.Read(ref _resumed) is not null;

    /// <summary>Lets a request in, which ends when the result is disposed. Waits while the server is paused.</summary>
    /// <param name="requestId">The id that the client sees.</param>
    /// <param name="numAnswers">Prompts times answers per prompt.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    /// <exception cref="RequestException">503: too many are under way.</exception>
    public async ValueTask<Admission> Enter(string requestId, long numAnswers, CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _resumed) is { } resumed) await resumed.Task.WaitAsync(cancellationToken);
        lock (_gate)
        {
            if (_numAnswers + numAnswers > options.MaxNumQueuedReqs)
            {
                _numRejectedForRequests++;
                throw RequestException.QueueFull("The server has as many requests under way as it may "
                    + $"(--max-num-queued-reqs {options.MaxNumQueuedReqs}). Please retry later.");
            }
            var admission = new Admission(this, requestId, numAnswers);
            _numAnswers += numAnswers;
            _admissions.Add(admission);
            return admission;
        }
    }

    void AddPrefillTokens(long numTokens)
    {
        lock (_gate)
        {
            if (_numPrefillTokens >= options.MaxNumQueuedTokens)
            {
                _numRejectedForTokens++;
                throw RequestException.QueueFull("The server has as many prompt tokens waiting as it may "
                    + $"(--max-num-queued-tokens {options.MaxNumQueuedTokens}). Please retry later.");
            }
            _numPrefillTokens += numTokens;
        }
    }

    /// <summary>Ends requests by the ids that their clients know, or all of them; they answer with what they have and
    /// the finish reason <c>abort</c>.</summary>
    /// <returns>The ids of those that were under way.</returns>
    public IReadOnlyList<string> Abort(IReadOnlyCollection<string>? requestIds)
    {
        Admission[] found;
        string[] engineIds;
        lock (_gate)
        {
            found = [.. _admissions.Where(a => requestIds?.Contains(a.RequestId) ?? true)];
            engineIds = [.. found.SelectMany(a => a.EngineIds)];
        }
        // Not under the lock: the engine calls EndPrefill under locks of its own.
        foreach (string engineId in engineIds) engine.Abort(engineId);
        return [.. found.Select(a => a.RequestId)];
    }

    /// <summary>New requests wait from now on.</summary>
    public void Pause()
    {
        lock (_gate) _resumed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public void Resume()
    {
        lock (_gate)
        {
            _resumed?.SetResult();
            _resumed = null;
        }
    }

    /// <summary>Completes when no request is under way.</summary>
    public async Task Drained(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task ended;
            lock (_gate)
            {
                if (_admissions.FirstOrDefault() is not { } admission) return;
                ended = admission.Ended;
            }
            await ended.WaitAsync(cancellationToken);
        }
    }

    /// <summary>One HTTP request's place among them.</summary>
    public sealed class Admission(ActiveRequests owner, string requestId, long numAnswers) : IDisposable
    {
        readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly Dictionary<string, int> _numPromptTokens = []; // by the engine's id; 0 once there is a first token
        long _numPrefillTokens;

        public string RequestId => requestId;

        public Task Ended => _ended.Task;

        public IEnumerable<string> EngineIds => _numPromptTokens.Keys;

        /// <summary>The prompts are tokenized: they count until each has its first token. Once.</summary>
        /// <exception cref="RequestException">503: too many tokens wait already.</exception>
        public void CountPrompts(long numTokens)
        {
            owner.AddPrefillTokens(numTokens);
            _numPrefillTokens = numTokens;
        }

        /// <summary>A prompt goes to the engine, under an id of its own.</summary>
        public void Begin(string engineId, int numPromptTokens)
        {
            lock (owner._gate) _numPromptTokens[engineId] = numPromptTokens;
        }

        /// <summary>The prompt has its first token.</summary>
        public void EndPrefill(string engineId)
        {
            lock (owner._gate)
            {
                if (!owner._admissions.Contains(this)) return;
                int numTokens = _numPromptTokens.GetValueOrDefault(engineId);
                _numPromptTokens[engineId] = 0;
                _numPrefillTokens -= numTokens;
                owner._numPrefillTokens -= numTokens;
            }
        }

        public void Dispose()
        {
            lock (owner._gate)
            {
                if (!owner._admissions.Remove(this)) return;
                owner._numAnswers -= numAnswers;
                owner._numPrefillTokens -= _numPrefillTokens;
            }
            _ended.SetResult();
        }
    }
}
