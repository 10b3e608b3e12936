using System.Globalization;
using System.Text;
using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests.ChatTemplates;

/// <summary>What the fixtures of Jinja and of chat templates have in common: an expected text or kind of
/// error.</summary>
static class FixtureCases
{
    /// <summary>Kinds that must be told apart; the others may share one.</summary>
    static readonly string[] DistinctKinds = ["syntax", "undefined", "security", "raise"];

    const int ShownFailures = 25;

    /// <summary>Compares an outcome with what the case expects; <c>null</c> when it is right.</summary>
    public static string? Compare(JsonElement expectation, Func<string> render)
    {
        string? text = null;
        ChatTemplateException? error = null;
        try
        {
            text = render();
        }
        catch (ChatTemplateException exception)
        {
            error = exception;
        }
        if (expectation.TryGetProperty("expected", out JsonElement expected))
            return error is not null
                ? $"expected {Short(Content(expected))}, got {error.Kind}: {error.Message}"
                : text == Content(expected) ? null : Difference(Content(expected), text!);
        string kind = expectation.GetProperty("error").GetString()!;
        string message = expectation.GetProperty("message").GetString()!;
        if (error is null) return $"expected {kind} ({message}), got {Short(text!)}";
        string actual = error.Kind.ToString().ToLowerInvariant();
        bool sameKind = DistinctKinds.Contains(kind) ? actual == kind : !DistinctKinds.Contains(actual);
        bool sameMessage = kind != "raise" || error.Message == message;
        return sameKind && sameMessage ? null : $"expected {kind} ({message}), got {actual} ({error.Message})";
    }

    /// <summary>Fails with the names of failing cases, what they expect and what came.</summary>
    public static void AssertNone(IReadOnlyCollection<(string Name, string Failure)> failures, int total)
    {
        if (failures.Count == 0) return;
        var report = new StringBuilder($"{failures.Count} of {total} cases fail\n");
        foreach ((string name, string failure) in failures.Take(ShownFailures)) report.AppendLine($"{name}: {failure}");
        Assert.Fail(report.ToString());
    }

    /// <summary>A string, also one with half of a surrogate pair, which System.Text.Json refuses.</summary>
    static string Content(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            return json.GetRawText();
        }
    }

    static string Difference(string expected, string actual)
    {
        int at = 0;
        while (at < Math.Min(expected.Length, actual.Length) && expected[at] == actual[at]) at++;
        int from = Math.Max(0, at - 30);
        return $"at {at} expected {Short(expected[from..])}, got {Short(actual[from..])}";
    }

    static string Short(string text) => JsonSerializer.Serialize(text.Length > 150 ? text[..150] + "…" : text);

    /// <summary>The clock of a case; without one the time does not matter.</summary>
    public static TimeProvider Clock(JsonElement owner) =>
        owner.TryGetProperty("clock", out JsonElement clock) && clock.ValueKind == JsonValueKind.String
            ? new FixedClock(DateTime.Parse(clock.GetString()!, CultureInfo.InvariantCulture))
            : TimeProvider.System;

    sealed class FixedClock(DateTime localTime) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(localTime, TimeSpan.Zero);
    }
}
