using Vllm.Kernels;
using Vllm.Kernels.Cpu.Activations;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Activations;

public class GatedActivationTests
{
    /// <summary>Relative error, in ulps of an fp32 number (2^-23).</summary>
    const double MaxUlps = 4;

    /// <summary>Below about this fp32 loses mantissa bits, and e^-x overflows in x / (1 + e^-x).</summary>
    const double SmallestNormal = 1e-36;

    /// <summary>Absolute error that the argument's rounding causes in the tails of gelu, where values vanish.</summary>
    const double TailTolerance = 1e-7;

    public static TheoryData<string, Activation> Cases()
    {
        var cases = new TheoryData<string, Activation>();
        foreach (var variant in GatedActivationKernel.Variants.Supported)
            foreach (Activation activation in Enum.GetValues<Activation>()) cases.Add(variant.Name, activation);
        return cases;
    }

    static nint Variant(string name) => GatedActivationKernel.Variants.Supported.Single(v => v.Name == name).Kernel;

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_MatchesDoublePrecision(string variant, Activation activation)
    {
        using var team = new WorkerTeam(2);
        foreach (int width in new[] { 1, 7, 15, 16, 17, 100, 1536, 20001 })
            foreach (int numRows in new[] { 0, 1, 3 })
            {
                var random = new Random(width);
                using var gateUp = new TestTensor(numRows, 2 * width, () => random.NextNormal(4));
                if (numRows == 3) for (int i = 0; i < width; i++) gateUp.Span[i] = (i - width / 2) * 200f / width;
                using var output = new TestTensor(numRows, width);

                GatedActivationKernel.Run(team, gateUp, activation, output, Variant(variant));

                for (int row = 0; row < numRows; row++)
                    for (int i = 0; i < width; i++)
                    {
                        double gate = gateUp.Span[row * 2 * width + i], up = gateUp.Span[(row * 2 + 1) * width + i];
                        double expected = Expected(activation, gate) * up;
                        double tolerance = Math.Abs(expected) * MaxUlps * Math.Pow(2, -23)
                            + Math.Abs(up) * (activation == Activation.Silu ? SmallestNormal : TailTolerance);
                        Assert.True(Math.Abs(expected - output.Span[row * width + i]) <= tolerance,
                            $"f({gate:R}) * {up:R} = {expected:R}, not {output.Span[row * width + i]:R}");
                    }
            }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_GivesAnElementTheSameBits_WhereverItStands(string variant, Activation activation)
    {
        using var team = new WorkerTeam(1);
        using var gateUp = new TestTensor(1, 2 * 77, () => 0.7f);
        using var output = new TestTensor(1, 77);

        GatedActivationKernel.Run(team, gateUp, activation, output, Variant(variant));

        Assert.Single(output.Span.ToArray().Distinct());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_PassesExtremesThrough(string variant, Activation activation)
    {
        using var team = new WorkerTeam(1);
        using var gateUp = new TestTensor(1, 8);
        using var output = new TestTensor(1, 4);
        float[] gates = [1e30f, -1e30f, float.NaN, 0];
        gates.CopyTo(gateUp.Span);
        gateUp.Span[4..].Fill(1);

        GatedActivationKernel.Run(team, gateUp, activation, output, Variant(variant));

        Assert.Equal(1e30f, output.Span[0]);
        Assert.Equal(0f, output.Span[1], 1e-6f);
        Assert.True(float.IsNaN(output.Span[2]));
        Assert.Equal(0f, output.Span[3]);
    }

    static double Expected(Activation activation, double x) => activation switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Gelu => x / 2 * Erfc(-x / Math.Sqrt(2)),
        _ => x / (1 + Math.Exp(-2 * Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
    };

    /// <summary>1 - erf(x): the series of erf near 0, the continued fraction of erfc beyond.</summary>
    static double Erfc(double x)
    {
        if (x < 0) return 2 - Erfc(-x);
        if (x > 3)
        {
            double fraction = x;
            for (int i = 60; i > 0; i--) fraction = x + i / 2.0 / fraction;
            return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / fraction;
        }
        double term = x, sum = x;
        for (int n = 1; n < 100; n++)
        {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 1 - 2 / Math.Sqrt(Math.PI) * sum;
    }
}
