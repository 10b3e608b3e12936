using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Vllm.Server.Requests;

namespace Vllm.Server.Protocol;

/// <summary>The edge of every endpoint: here, and nowhere else, failures become answers.</summary>
sealed class EndpointBoundary(ILogger logger, bool logsStacks)
{
    /// <summary>For failures that are none of the client's business.</summary>
    public const string NeutralMessage = "The server had an error while processing your request.";

    /// <summary>When to come again after a refusal for overload, in seconds.</summary>
    const string RetryAfterSeconds = "1";

    /// <summary>Runs an endpoint; its exceptions become error bodies.</summary>
    public async Task Run(HttpContext context, RequestDelegate endpoint)
    {
        try
        {
            await endpoint(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone: nobody to answer.
        }
        catch (UnreadableBodyException)
        {
            await JsonText.RespondDetail(
                context, StatusCodes.Status400BadRequest, "There was an error parsing the body");
        }
        catch (BadHttpRequestException e)
        {
            await JsonText.Respond(context, new ApiError(e.StatusCode, "BadRequestError", e.Message));
        }
        catch (Exception e)
        {
            ApiError error = Classify(e);
            Log(e, error);
            if (context.Response.HasStarted) return;
            if (error.Status == StatusCodes.Status503ServiceUnavailable)
                context.Response.Headers.RetryAfter = RetryAfterSeconds;
            await JsonText.Respond(context, error);
        }
    }

    void Log(Exception exception, ApiError error)
    {
        bool isUnexpected = error.Status == StatusCodes.Status500InternalServerError && exception is not RequestException;
        if (isUnexpected) logger.LogError(exception, "A request failed.");
        else if (logsStacks) logger.LogError(exception, "A request was answered with {Status}.", error.Status);
    }

    static ApiError Classify(Exception exception) => exception switch
    {
        RequestException e => e.Error,
        ArgumentException e => RequestException.BadRequest(e.Message).Error,
        _ => RequestException.Internal(NeutralMessage).Error,
    };

    /// <summary>Runs the part of an endpoint that sends events: from there on errors can only be events too. The end
    /// mark comes last in any case. The exception goes on to <see cref="Run"/>.</summary>
    public static async Task Stream(ServerSentEvents events, Func<Task> send)
    {
        try
        {
            await send();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await events.SendError(Classify(e));
            await events.SendDone();
            throw;
        }
        await events.SendDone();
    }
}
