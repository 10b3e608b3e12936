namespace Vllm.Engine.KvCache;

/// <summary>Counts of prefix lookups since the start, in requests and tokens; those of preempted requests that come back
/// are apart, because they hit their own blocks.</summary>
sealed class PrefixCacheStats
{
    public long NumRequests { get; private set; }
    public long NumQueriedTokens { get; private set; }
    public long NumHitTokens { get; private set; }
    public long NumPreemptedRequests { get; private set; }
    public long NumPreemptedQueriedTokens { get; private set; }
    public long NumPreemptedHitTokens { get; private set; }

    public void Record(int numTokens, int numHitTokens, bool wasPreempted)
    {
        if (wasPreempted)
        {
            NumPreemptedRequests++;
            NumPreemptedQueriedTokens += numTokens;
            NumPreemptedHitTokens += numHitTokens;
        }
        else
        {
            NumRequests++;
            NumQueriedTokens += numTokens;
            NumHitTokens += numHitTokens;
        }
    }
}
