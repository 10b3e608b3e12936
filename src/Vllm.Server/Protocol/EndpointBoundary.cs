using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Vllm.Server.Requests;

namespace Vllm.Server.Protocol;

/// <summary>The edge of every endpoint: here, and nowhere else, failures become answers.</summary>
sealed class EndpointBoundary(ILogger logger)
{
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
            await JsonText.RespondDetail(context, StatusCodes.Status400BadRequest, "There was an error parsing the body");
        }
        catch (BadHttpRequestException e)
        {
            await JsonText.Respond(context, new ApiError(e.StatusCode, "BadRequestError", e.Message));
        }
        catch (Exception e)
        {
            ApiError error = Classify(e);
            if (error.Status == StatusCodes.Status500InternalServerError) logger.LogError(e, "A request failed.");
            if (!context.Response.HasStarted) await JsonText.Respond(context, error);
        }
    }

    static ApiError Classify(Exception exception) => exception switch
    {
        RequestException e => e.Error,
        ArgumentException e => ApiError.BadRequest(e.Message),
        _ => ApiError.Internal("The server had an error while processing your request."),
    };

    /// <summary>Runs the part of an endpoint that sends events: from there on errors can only be events too. The end mark
    /// comes last in any case. The exception goes on to <see cref="Run"/>.</summary>
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
