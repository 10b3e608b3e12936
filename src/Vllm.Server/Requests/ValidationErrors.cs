using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>What a body's schema check found, in vLLM's report form.</summary>
sealed class ValidationErrors
{
    /// <summary>vLLM's limits on the report: lines, and characters of a line and of a repeated input.</summary>
    const int MaxLines = 10, MaxLineLength = 1000, MaxInputLength = 200;

    readonly List<(string Location, string Line)> _errors = [];

    public int Count => _errors.Count;

    /// <summary>Adds one error; <paramref name="context"/> is a Python dictionary of further facts.</summary>
    public void Add(string type, string location, string message, JsonElement input, string? context = null) =>
        Add(type, location, message, Describe(input), context);

    public void Add(string type, string location, string message, string input, string? context = null)
    {
        string line = $"{{'type': '{type}', 'loc': '{location}', 'msg': {PythonText.Quote(message)}, "
            + $"'input': {PythonText.Quote(input)}{(context is null ? "" : $", 'ctx': {context}")}}}";
        _errors.Add((location, line.Length > MaxLineLength ? line[..MaxLineLength] : line));
    }

    public void AddAll(ValidationErrors others) => _errors.AddRange(others._errors);

    public void ThrowIfAny()
    {
        if (_errors.Count > 0) throw new RequestException(ToApiError());
    }

    public ApiError ToApiError()
    {
        var message = new StringBuilder($"{_errors.Count} validation error{(_errors.Count == 1 ? "" : "s")}:");
        foreach ((_, string line) in _errors.Take(MaxLines)) message.Append("\n  ").Append(line);
        if (_errors.Count > MaxLines) message.Append($"\n  ...and {_errors.Count - MaxLines} more errors");
        return new ApiError(StatusCodes.Status400BadRequest, "Bad Request", message.ToString(), _errors[0].Location);
    }

    static string Describe(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object) return $"<dict of {value.GetPropertyCount()} items>";
        if (value.ValueKind == JsonValueKind.Array) return $"<list of {value.GetArrayLength()} items>";
        string text = PythonText.Scalar(value);
        return text.Length > MaxInputLength ? text[..MaxInputLength] + "...[truncated]" : text;
    }
}
