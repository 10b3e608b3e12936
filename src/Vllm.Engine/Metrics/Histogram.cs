namespace Vllm.Engine.Metrics;

/// <summary>Counts values in ranges, as Prometheus does. Any thread records and reads; a reader may see a value that is
/// being recorded in one of count and sum only.</summary>
public sealed class Histogram
{
    readonly double[] _bounds;
    readonly long[] _counts; // [bounds + 1]: the last one is for what exceeds all bounds
    double _sum;

    /// <param name="bounds">Ascending upper bounds, each part of its range.</param>
    public Histogram(params double[] bounds)
    {
        _bounds = bounds;
        _counts = new long[bounds.Length + 1];
    }

    public IReadOnlyList<double> Bounds => _bounds;

    /// <summary>Sum of all values.</summary>
    public double Sum => Volatile.Read(ref _sum);

    /// <summary>Values in range <paramref name="index"/> alone; index <c>Bounds.Count</c> is for those above all
    /// bounds.</summary>
    public long CountAt(int index) => Volatile.Read(ref _counts[index]);

    public void Record(double value)
    {
        int index = 0;
        while (index < _bounds.Length && value > _bounds[index]) index++;
        Interlocked.Increment(ref _counts[index]);
        double sum = Volatile.Read(ref _sum);
        while (Interlocked.CompareExchange(ref _sum, sum + value, sum) is var seen && seen != sum) sum = seen;
    }
}
