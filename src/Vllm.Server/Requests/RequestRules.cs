namespace Vllm.Server.Requests;

/// <summary>What this server lets requests say.</summary>
sealed record RequestRules(ServerOptions Options, ServerEnvironment Environment)
{
    /// <summary>The types of all request fields.</summary>
    public RequestSchema Schema { get; } = RequestSchema.For(Environment.MaxStopStrings);
}
