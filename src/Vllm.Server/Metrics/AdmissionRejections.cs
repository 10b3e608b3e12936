using Vllm.Engine.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.Metrics;

/// <summary>Refuses requests while too many wait, and counts the refusals.</summary>
sealed class AdmissionRejections(ServerOptions options, EngineMetrics metrics)
{
    long _count;

    public long Count => Volatile.Read(ref _count);

    /// <exception cref="RequestException">503: as many requests wait as may.</exception>
    public void ThrowIfQueueIsFull()
    {
        if (options.MaxNumQueuedReqs is not { } limit || metrics.NumRequestsWaiting < limit) return;
        Interlocked.Increment(ref _count);
        throw new RequestException(ApiError.QueueFull(
            $"The server is overloaded: {limit} requests are waiting already. Try again later."));
    }
}
