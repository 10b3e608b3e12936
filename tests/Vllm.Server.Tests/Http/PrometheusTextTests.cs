using Vllm.Engine.Metrics;
using Vllm.Server.Metrics;

namespace Vllm.Tests.Http;

public sealed class PrometheusTextTests
{
    [Fact]
    public void Counter_HasTotalAndCreationTime()
    {
        var text = new PrometheusText(5, ("model_name", "m\"1"), ("engine", "0"));

        text.Counter("vllm:x", "Help.", 3);

        Assert.Equal("""
            # HELP vllm:x_total Help.
            # TYPE vllm:x_total counter
            vllm:x_total{engine="0",model_name="m\"1"} 3.0
            # HELP vllm:x_created Help.
            # TYPE vllm:x_created gauge
            vllm:x_created{engine="0",model_name="m\"1"} 5.0

            """, text.ToString());
    }

    [Fact]
    public void Histogram_IsCumulative()
    {
        var histogram = new Histogram(1, 2, 5, 10);
        foreach (double value in new[] { 1, 1.5, 2, 7, 11 }) histogram.Record(value);
        var text = new PrometheusText(5);

        text.Histogram("h", "Help.", histogram, maxBound: 5);

        Assert.Equal("""
            # HELP h Help.
            # TYPE h histogram
            h_bucket{le="1.0"} 1.0
            h_bucket{le="2.0"} 3.0
            h_bucket{le="5.0"} 3.0
            h_bucket{le="+Inf"} 5.0
            h_count 5.0
            h_sum 22.5
            # HELP h_created Help.
            # TYPE h_created gauge
            h_created 5.0

            """, text.ToString());
    }
}
