using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Vllm.Server.Protocol;

namespace Vllm.Server.Generation;

/// <summary>Requests and answers in the log (<c>--enable-log-requests</c>, <c>--enable-log-outputs</c>), in vLLM's
/// words.</summary>
sealed class RequestLog(ServerOptions options, ILogger logger)
{
    /// <summary>The parameters at level info; the prompt, which is private, at level debug.</summary>
    public void Arrived(string requestId, SamplingParams samplingParams, IReadOnlyList<int> promptTokenIds)
    {
        if (!options.EnableLogRequests) return;
        logger.LogInformation("Received request {Id}: params: {Params}, lora_request: None.",
            Printable(requestId), Describe(samplingParams));
        if (logger.IsEnabled(LogLevel.Debug))
        {
            logger.LogDebug(
                "Request {Id} details: prompt_token_ids: {Ids}.", Printable(requestId), Shown(promptTokenIds));
        }
    }

    /// <summary>Follows the outputs of a prompt; null when outputs are not logged.</summary>
    public OutputLog? Follow(string requestId, bool isStream) =>
        options.EnableLogOutputs ? new OutputLog(this, Printable(requestId), isStream) : null;

    /// <summary>Always logged: the client is not told.</summary>
    public void Failed(RequestOutput output) =>
        logger.LogError("Request {Id} failed in the engine: {Error}", Printable(output.RequestId), output.Error);

    void Write(string requestId, string kind, string text, IReadOnlyList<int> tokenIds, string? finishReason) =>
        logger.LogInformation(
            "Generated response {Id}{Kind}: output: {Text}, output_token_ids: {Ids}, finish_reason: {Reason}",
            requestId, kind, PythonText.Quote(Shown(text)), Shown(tokenIds), finishReason ?? "None");

    string Shown(string text) => text.Length > options.MaxLogLen ? text[..options.MaxLogLen.Value] : text;

    string Shown(IReadOnlyList<int> ids) => PythonText.List(ids.Take(options.MaxLogLen ?? int.MaxValue));

    /// <summary>An id is the client's text: it must not look like lines of the log.</summary>
    static string Printable(string id) => string.Concat(id.Select(c => char.IsControl(c) ? '?' : c));

    static string Describe(SamplingParams p) => string.Create(CultureInfo.InvariantCulture,
        $"SamplingParams(n={p.N}, presence_penalty={p.PresencePenalty}, frequency_penalty={p.FrequencyPenalty}, "
        + $"repetition_penalty={p.RepetitionPenalty}, temperature={p.Temperature}, top_p={p.TopP}, top_k={p.TopK}, "
        + $"min_p={p.MinP}, seed={Text(p.Seed)}, stop={PythonText.List(p.Stop)}, "
        + $"stop_token_ids={PythonText.List(p.StopTokenIds)}, ignore_eos={p.IgnoreEos}, "
        + $"max_tokens={Text(p.MaxTokens)}, min_tokens={p.MinTokens}, logprobs={Text(p.Logprobs)}, "
        + $"prompt_logprobs={Text(p.PromptLogprobs)}, skip_special_tokens={p.SkipSpecialTokens})");

    static string Text<T>(T? value) where T : struct, IFormattable =>
        value?.ToString(null, CultureInfo.InvariantCulture) ?? "None";

    /// <summary>The outputs of one prompt: whole answers, or a stream's pieces and then its whole.</summary>
    public sealed class OutputLog(RequestLog log, string requestId, bool isStream)
    {
        readonly Dictionary<int, (StringBuilder Text, List<int> TokenIds)> _streamed = [];

        public void Add(CompletionOutput output)
        {
            string? reason = WireNames.Of(output.FinishReason);
            if (!isStream)
            {
                log.Write(requestId, "", output.Text, output.TokenIds, reason);
                return;
            }
            if (log.Options.EnableLogDeltas)
                log.Write(requestId, " (streaming delta)", output.Text, output.TokenIds, reason);
            if (!_streamed.TryGetValue(output.Index, out (StringBuilder Text, List<int> TokenIds) sum))
                _streamed[output.Index] = sum = (new StringBuilder(), []);
            sum.Text.Append(output.Text);
            sum.TokenIds.AddRange(output.TokenIds);
            if (reason is not null)
                log.Write(requestId, " (streaming complete)", sum.Text.ToString(), sum.TokenIds, reason);
        }
    }

    ServerOptions Options => options;
}
