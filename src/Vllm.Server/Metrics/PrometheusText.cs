using System.Text;
using Vllm.Engine.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.Metrics;

/// <summary>Writes Prometheus' text format as Python's client library does, with a gauge of the creation time beside every
/// counter and histogram. (The exporters at hand do not let the colons of vLLM's names through.)</summary>
sealed class PrometheusText(double created, params (string Name, string Value)[] commonLabels)
{
    readonly StringBuilder _text = new();

    public override string ToString() => _text.ToString();

    public void Gauge(string name, string help, double value, params (string, string)[] labels)
    {
        Head(name, help, "gauge");
        Sample(name, labels, value);
    }

    /// <summary>A gauge with one sample for each value of a label.</summary>
    public void Gauges(string name, string help, string label, params (string Value, double Count)[] samples)
    {
        Head(name, help, "gauge");
        foreach ((string value, double count) in samples) Sample(name, [(label, value)], count);
    }

    public void Counter(string name, string help, double value)
    {
        Head($"{name}_total", help, "counter");
        Sample($"{name}_total", [], value);
        Created(name, help, [[]]);
    }

    /// <summary>A counter with one sample for each value of a label.</summary>
    public void Counters(string name, string help, string label, params (string Value, double Count)[] samples)
    {
        Head($"{name}_total", help, "counter");
        foreach ((string value, double count) in samples) Sample($"{name}_total", [(label, value)], count);
        Created(name, help, [.. samples.Select(s => new[] { (label, s.Value) })]);
    }

    /// <summary>A histogram; bounds above <paramref name="maxBound"/> are left out, as no value can be there.</summary>
    public void Histogram(string name, string help, Histogram histogram, double maxBound = double.PositiveInfinity)
    {
        HistogramHead(name, help);
        HistogramSamples(name, histogram, [], maxBound);
        Created(name, help, [[]]);
    }

    public void HistogramHead(string name, string help) => Head(name, help, "histogram");

    public void HistogramSamples(
        string name, Histogram histogram, (string, string)[] labels, double maxBound = double.PositiveInfinity)
    {
        long count = 0;
        int index = 0;
        for (; index < histogram.Bounds.Count && histogram.Bounds[index] <= maxBound; index++)
        {
            count += histogram.CountAt(index);
            Sample($"{name}_bucket", [.. labels, ("le", PythonText.Float(histogram.Bounds[index]))], count);
        }
        for (; index <= histogram.Bounds.Count; index++) count += histogram.CountAt(index);
        Sample($"{name}_bucket", [.. labels, ("le", "+Inf")], count);
        Sample($"{name}_count", labels, count);
        Sample($"{name}_sum", labels, histogram.Sum);
    }

    public void Head(string name, string help, string type) =>
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append('\n')
            .Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    public void Created(string name, string help, IEnumerable<(string, string)[]> labelSets)
    {
        Head($"{name}_created", help, "gauge");
        foreach ((string, string)[] labels in labelSets) Sample($"{name}_created", labels, created);
    }

    public void Sample(string name, (string Name, string Value)[] labels, double value)
    {
        _text.Append(name);
        (string Name, string Value)[] all = [.. commonLabels.Concat(labels).OrderBy(l => l.Name, StringComparer.Ordinal)];
        if (all.Length > 0)
        {
            string pairs = string.Join(',', all.Select(l => $"{l.Name}=\"{Escape(l.Value)}\""));
            _text.Append('{').Append(pairs).Append('}');
        }
        _text.Append(' ').Append(value == double.PositiveInfinity ? "+Inf" : PythonText.Float(value)).Append('\n');
    }

    static string Escape(string value) => value.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\"", "\\\"");
}
