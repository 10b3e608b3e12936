using System.Diagnostics;

namespace Vllm.Micro;

static class Clock
{
    /// <summary>Shorter than a time slice, so that some samples have the cores to themselves.</summary>
    const double SecondsPerSample = 50e-6;

    const double SecondsInAll = 0.6;

    /// <summary>Seconds of one call: the best of many short samples, as the machine is rarely quiet.</summary>
    public static double Best(Action action)
    {
        action();
        double best = double.MaxValue;
        int numPerSample = 1;
        var all = Stopwatch.StartNew();
        for (int sample = 0; all.Elapsed.TotalSeconds < SecondsInAll || sample < 10; sample++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < numPerSample; i++) action();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            best = Math.Min(best, seconds / numPerSample);
            if (seconds < SecondsPerSample) numPerSample *= 2;
        }

        return best;
    }
}
