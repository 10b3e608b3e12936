using System.Text.Json;
using Vllm.Tests;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Every recorded trace of vLLM's scheduler of the kinds we have, step by step and field by field.</summary>
public class TraceTests(ITestOutputHelper output)
{
    static readonly List<JsonElement> All =
        [.. Fixtures.Lines(Path.Combine(Fixtures.Family("scheduler"), "traces.jsonl"))];

    static readonly Dictionary<string, JsonElement> Supported =
        All.Where(TraceReplay.IsSupported).ToDictionary(trace => trace.GetProperty("name").GetString()!);

    public static TheoryData<string> Names => [.. Supported.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names))]
    public void Steps_EqualTheTrace(string name) => new TraceReplay(Supported[name]).Run();

    [Fact]
    public void Traces_AreCounted()
    {
        output.WriteLine($"{Supported.Count} of {All.Count} traces are of a supported kind");
        Assert.True(All.Count == 0 || Supported.Count > 0);
    }
}
