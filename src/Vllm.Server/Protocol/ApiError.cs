using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Vllm.Server.Protocol;

/// <summary>A refused request as OpenAI's error object; type and texts are vLLM's.</summary>
/// <param name="Status">HTTP status, repeated as <c>code</c>.</param>
/// <param name="Type">Kind of error: <c>BadRequestError</c>, <c>NotFoundError</c>, ….</param>
/// <param name="Message">What is wrong and what to do.</param>
/// <param name="Param">The field at fault, if one is.</param>
sealed record ApiError(int Status, string Type, string Message, string? Param = null)
{
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", Message);
        json.WriteString("type", Type);
        json.WriteString("param", Param);
        json.WriteNumber("code", Status);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>Ends the handling of a request; the endpoint boundary turns it into the error response.</summary>
sealed class RequestException(ApiError error) : Exception(error.Message)
{
    public ApiError Error { get; } = error;

    public static RequestException BadRequest(string message, string? param = null) =>
        new(new ApiError(StatusCodes.Status400BadRequest, "BadRequestError", message, param));

    /// <summary>A field that contradicts another one or the server's settings.</summary>
    public static RequestException Field(string message, string field) =>
        BadRequest($"{message} (parameter={field})", field);

    /// <summary>A field with a wrong value, which the message repeats.</summary>
    public static RequestException Value(string message, string field, string value) =>
        BadRequest($"{message} (parameter={field}, value={value})", field);

    /// <summary>A field that asks for a feature which does not exist in this version.</summary>
    public static RequestException NotSupportedYet(string field) => BadRequest($"not supported yet: {field}", field);

    public static RequestException NotFound(string message, string? param) =>
        new(new ApiError(StatusCodes.Status404NotFound, "NotFoundError", message, param));

    /// <summary>A route that this server has, for something that it has not.</summary>
    public static RequestException RouteNotSupportedYet(string path) =>
        new(new ApiError(StatusCodes.Status501NotImplemented, "NotImplementedError", $"not supported yet: {path}"));

    public static RequestException QueueFull(string message) =>
        new(new ApiError(StatusCodes.Status503ServiceUnavailable, "Service Unavailable", message));

    public static RequestException Internal(string message) =>
        new(new ApiError(StatusCodes.Status500InternalServerError, "InternalServerError", message));
}
