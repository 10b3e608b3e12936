using Vllm.Server.Protocol;

namespace Vllm.Tests.Protocol;

public sealed class PythonTextTests
{
    [Theory]
    [InlineData(0, "0.0")]
    [InlineData(-2.1, "-2.1")]
    [InlineData(1e-5, "1e-05")]
    [InlineData(1e22, "1e+22")]
    [InlineData(double.NaN, "nan")]
    [InlineData(double.NegativeInfinity, "-inf")]
    public void Float_PrintsAsPython(double value, string expected) => Assert.Equal(expected, PythonText.Float(value));

    [Fact]
    public void FloatOfSinglePrecision_HasNoTail() => Assert.Equal("1.1", PythonText.Float(1.1f));

    [Theory]
    [InlineData("a", "'a'")]
    [InlineData("it's", "\"it's\"")]
    [InlineData("a\n\\", "'a\\n\\\\'")]
    public void Quote_PrintsAsPython(string text, string expected) => Assert.Equal(expected, PythonText.Quote(text));
}
