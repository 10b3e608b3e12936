namespace Vllm.Engine.Metrics;

/// <summary>Tokens per second over the last <see cref="WindowSeconds"/> seconds. One thread adds, any thread reads.</summary>
public sealed class Throughput
{
    /// <summary>vLLM logs and resets its averages every 10 seconds.</summary>
    public const int WindowSeconds = 10;

    readonly TimeProvider _clock;
    readonly long _start;
    readonly long[] _seconds = new long[WindowSeconds]; // the second that a place counts for
    readonly long[] _numTokens = new long[WindowSeconds];

    internal Throughput(TimeProvider clock)
    {
        _clock = clock;
        _start = clock.GetTimestamp();
    }

    /// <summary>The average of the window, the second under way included.</summary>
    public double TokensPerSecond
    {
        get
        {
            long now = Second();
            long sum = 0;
            for (int i = 0; i < WindowSeconds; i++)
                if (now - Volatile.Read(ref _seconds[i]) < WindowSeconds) sum += Volatile.Read(ref _numTokens[i]);
            return (double)sum / WindowSeconds;
        }
    }

    internal void Add(int numTokens)
    {
        long second = Second();
        long place = second % WindowSeconds;
        if (_seconds[place] != second)
        {
            Volatile.Write(ref _numTokens[place], 0);
            Volatile.Write(ref _seconds[place], second);
        }
        Volatile.Write(ref _numTokens[place], _numTokens[place] + numTokens);
    }

    long Second() => (long)_clock.GetElapsedTime(_start).TotalSeconds;
}
