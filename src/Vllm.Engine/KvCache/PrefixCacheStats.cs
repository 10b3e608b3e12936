namespace Vllm.Engine.KvCache;

/// <summary>Counts of admissions that looked for a cached prefix, since the start.</summary>
sealed class PrefixCacheStats
{
    public long NumRequests { get; private set; }

    /// <summary>All tokens of these requests.</summary>
    public long NumQueriedTokens { get; private set; }

    /// <summary>Those that were found.</summary>
    public long NumHitTokens { get; private set; }

    public void Record(int numTokens, int numHitTokens)
    {
        NumRequests++;
        NumQueriedTokens += numTokens;
        NumHitTokens += numHitTokens;
    }
}
