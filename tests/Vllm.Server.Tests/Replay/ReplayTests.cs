using System.Text;
using System.Text.Json;

namespace Vllm.Tests.Replay;

/// <summary>Sends the recorded requests of real vLLM servers to the product and compares the answers.</summary>
public sealed class ReplayTests(ITestOutputHelper output)
{
    /// <summary>The run on the real model; it takes minutes, the tiny ones seconds.</summary>
    const string RealModelRun = "main";

    /// <summary>Has its own test: its answers are metrics.</summary>
    const string MetricsRun = "metrics";

    public static TheoryData<string> TinyRuns =>
        [.. Fixtures.Folders("server").Select(f =>
            Path.GetFileName(f)!).Where(run => run is not (RealModelRun or MetricsRun))];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(TinyRuns))]
    public Task Run_AnswersAsRecorded(string run) => Replay(new RecordedRun(run));

    [Fact]
    [Trait("Category", "Slow")]
    public Task RunOnRealModel_AnswersAsRecorded()
    {
        if (!Fixtures.Folders("server").Any(f => Path.GetFileName(f) == RealModelRun)) Assert.Skip("no recordings");
        return Replay(new RecordedRun(RealModelRun));
    }

    async Task Replay(RecordedRun run)
    {
        string?[] missing = [.. run.Cases.Where(c => c.IsExchange).Select(c => MissingFeature(c))];
        if (missing.All(m => m is not null)) Assert.Skip($"not supported yet: {string.Join(" ", missing.Distinct())}");
        await using RunServer server = await RunServer.Start(run);
        var report = new ReplayReport();
        foreach (RecordedCase recorded in run.Cases.Where(c => c.IsExchange && !c.IsUncertain))
            report.Add(recorded, await Replay(server, recorded));
        output.WriteLine(report.ToString());
        if (report.NumFailed > 0) Assert.Fail(report.ToString());
    }

    static async Task<CaseResult> Replay(RunServer server, RecordedCase recorded)
    {
        if (MissingFeature(recorded) is { } missing) return new CaseResult(null, missing);
        List<Answer> answers = [];
        foreach (RecordedExchange exchange in recorded.Exchanges)
        {
            Answer answer = await Answer.Send(server.Client, exchange);
            answers.Add(answer);
            string? difference;
            try
            {
                difference = ExchangeComparison.Difference(recorded, exchange, answer);
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                difference = $"{e.GetType().Name}: {e.Message}";
            }
            if (difference is not null) return new CaseResult(difference, null);
        }
        if (recorded.Compare == "same-steps" && answers.Select(Texts).Distinct().Count() > 1)
            return new CaseResult("the steps' texts differ", null);
        return new CaseResult(null, null);
    }

    static string? MissingFeature(RecordedCase recorded) =>
        recorded.Exchanges.Select(MissingFeatures.Of).FirstOrDefault(feature => feature is not null);

    /// <summary>The texts of an answer's choices, whole or streamed.</summary>
    static string Texts(Answer answer)
    {
        JsonElement body = answer.Text.StartsWith("data:") ? JoinedStream.Join(answer.Events) : answer.Json;
        return string.Join('|', body.GetProperty("choices").EnumerateArray().Select(Text));
    }

    static string? Text(JsonElement choice)
    {
        if (choice.TryGetProperty("text", out JsonElement text)) return text.GetString();
        if (choice.TryGetProperty("message", out JsonElement message)) choice = message;
        return choice.GetProperty("content").GetString();
    }
}

/// <param name="Difference">What is wrong; null when nothing is.</param>
/// <param name="MissingFeature">Why the case was left out; null when it was not.</param>
sealed record CaseResult(string? Difference, string? MissingFeature);

/// <summary>Counts per group, and the names of what failed.</summary>
sealed class ReplayReport
{
    readonly SortedDictionary<string, (int Passed, List<string> Failures)> _groups = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, int> _leftOut = new(StringComparer.Ordinal);

    public int NumFailed => _groups.Values.Sum(g => g.Failures.Count);

    public void Add(RecordedCase recorded, CaseResult result)
    {
        if (result.MissingFeature is { } feature)
        {
            _leftOut[feature] = _leftOut.GetValueOrDefault(feature) + 1;
            return;
        }
        (int passed, List<string> failures) = _groups.GetValueOrDefault(recorded.Group, (0, []));
        if (result.Difference is null) passed++;
        else failures.Add($"{recorded.Name}: {result.Difference}");
        _groups[recorded.Group] = (passed, failures);
    }

    public override string ToString()
    {
        var text = new StringBuilder($"{_groups.Values.Sum(g => g.Passed)} passed, {NumFailed} failed, ");
        text.AppendLine($"{_leftOut.Values.Sum()} left out ({string.Join(", ", _leftOut.Select(l =>
            $"{l.Key} {l.Value}"))})");
        foreach ((string group, (int passed, List<string> failures)) in _groups.Where(g => g.Value.Failures.Count > 0))
        {
            text.AppendLine($"{group}: {failures.Count} of {passed + failures.Count}");
            foreach (string failure in failures) text.AppendLine($"  {failure}");
        }
        return text.ToString();
    }
}
