using Vllm.Engine.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.Metrics;

/// <summary>Refuses requests while too many wait, and counts the refusals.</summary>
sealed class AdmissionRejections(ServerOptions options, AsyncLLM engine)
{
    long _count;

    public long Count => Volatile.Read(ref _count);

    /// <exception cref="RequestException">503: as many requests wait as may.</exception>
    public void ThrowIfQueueIsFull()
    {
        if (options.MaxNumQueuedReqs is not { } limit) return;
        EngineMetrics metrics = engine.Metrics;
        bool wouldWait = metrics.NumRequestsWaiting > 0
            || metrics.NumRequestsRunning >= engine.Config.Options.MaxNumSeqs;
        if (!wouldWait || metrics.NumRequestsWaiting < limit) return;
        Interlocked.Increment(ref _count);
        throw RequestException.QueueFull(
            $"The server is overloaded: {limit} requests are waiting already. Try again later.");
    }
}
