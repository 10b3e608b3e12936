using Vllm.Cli;
using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.Benchmarks.Serving;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.Benchmarks;

public sealed class BenchServeFlagTests
{
    [Theory]
    [InlineData("takes no --dataset-path", "--dataset-name", "random", "--dataset-path", "x")]
    [InlineData("needs --dataset-path", "--dataset-name", "sonnet")]
    [InlineData("must be positive", "--num-prompts", "0")]
    [InlineData("must be positive", "--request-rate", "0")]
    [InlineData("must be at least", "--dataset-name", "prefix_repetition", "--num-prompts", "3")]
    [InlineData("does not go with", "--backend", "openai-chat", "--endpoint", "/v1/completions")]
    [InlineData("does not go with", "--endpoint", "/v1/chat/completions")]
    [InlineData("is none of ttft, tpot, e2el", "--goodput", "itl:5")]
    [InlineData("not METRIC:MILLISECONDS", "--goodput", "ttft:-5")]
    [InlineData("is none of", "--percentile-metrics", "ttft,foo")]
    [InlineData("needs --ramp-up-start-rps", "--ramp-up-strategy", "linear")]
    [InlineData("takes no --request-rate", "--ramp-up-strategy", "linear", "--request-rate", "3")]
    [InlineData("need --ramp-up-strategy", "--ramp-up-end-rps", "3")]
    [InlineData("not KEY=VALUE", "--metadata", "x")]
    [InlineData("is no percentile", "--metric-percentiles", "99,101")]
    [InlineData("not from 0 to below 1", "--random-range-ratio", "1")]
    [InlineData("no JSON object", "--extra-body", "[1]")]
    [InlineData("not supported yet: --plot-timeline", "--plot-timeline")]
    public void Check_NamesWhatIsWrong(string message, params string[] arguments)
    {
        UsageException problem = Assert.Throws<UsageException>(
            () => BenchServeCommand.Command.Read(arguments).Check());

        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ExtraFields_TakeFlagsAndLetTheBodyWin()
    {
        BenchServeArguments arguments = BenchServeCommand.Command.Read(
            ["--temperature", "0.5", "--top-k", "3", "--extra-body", """{"top_k":7,"seed":1}"""]);

        IReadOnlyDictionary<string, System.Text.Json.Nodes.JsonNode?> fields = arguments.ExtraFields();

        Assert.Equal(
            ["ignore_eos=true", "seed=1", "temperature=0.5", "top_k=7"],
            fields.Select(field => $"{field.Key}={field.Value?.ToJsonString()}").Order());
    }

    [Fact]
    public void Body_IsACompletionOfTokenIds()
    {
        var form = new RequestForm(
            "http://x", "m", IsChat: false, Logprobs: 2, BenchServeCommand.Command.Read(["--temperature", "0"]).ExtraFields());

        string body = System.Text.Encoding.UTF8.GetString(form.Body(new BenchRequest([5, 6], 3)));

        Assert.Equal(
            """{"model":"m","prompt":[5,6],"repetition_penalty":1,"logprobs":2,"max_tokens":3,"stream":true,"stream_options":{"include_usage":true},"temperature":0,"ignore_eos":true}""",
            body);
    }

    [Theory]
    [InlineData("0.5", 0.5, 0.5)]
    [InlineData("""{"input": 0.25, "output": 0}""", 0.25, 0)]
    public void RangeRatio_IsOneOrTwoNumbers(string text, double input, double output) =>
        Assert.Equal(new RangeRatio(input, output), RangeRatio.Type.Parse(text));
}
