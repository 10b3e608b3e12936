using System.Diagnostics;

namespace Vllm.Micro;

static class Clock
{
    /// <summary>Shorter than a time slice, so that some samples have the cores to themselves.</summary>
    const double SecondsPerSample = 50e-6;

    const double SecondsInAll = 0.6;

    /// <summary>Seconds of one call: the best of many short samples, as the machine is rarely quiet.</summary>
    public static double Best(Action action) => Measure(action).Best;

    /// <summary>Seconds of one call in many short samples.</summary>
    public static Timing Measure(Action action)
    {
        action();
        List<double> samples = [];
        int numPerSample = 1;
        var all = Stopwatch.StartNew();
        while (all.Elapsed.TotalSeconds < SecondsInAll || samples.Count < 10)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < numPerSample; i++) action();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            samples.Add(seconds / numPerSample);
            if (seconds < SecondsPerSample) numPerSample *= 2;
        }

        // By themselves: asking between samples takes so long that workers fall asleep.
        const int NumCalls = 10;
        long before = GC.GetTotalAllocatedBytes();
        for (int i = 0; i < NumCalls; i++) action();
        long allocatedBytes = (GC.GetTotalAllocatedBytes() - before) / NumCalls;

        samples.Sort();
        return new Timing(samples[0], samples[samples.Count / 2], allocatedBytes);
    }
}

/// <summary>Seconds of one call, and what it allocates on all threads.</summary>
readonly record struct Timing(double Best, double Median, long AllocatedBytes);
