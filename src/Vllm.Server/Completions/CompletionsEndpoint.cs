using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Completions;

/// <summary><c>POST /v1/completions</c>: 1. read and check the request, 2. tokenize the prompts, 3. settle the sampling
/// parameters, 4. run the prompts at the same time, 5. answer with all choices or with a stream.</summary>
sealed class CompletionsEndpoint(Generator generator)
{
    public async Task Handle(HttpContext context) => await Handle(context, await JsonBody.Read(context.Request));

    public async Task Handle(HttpContext context, JsonElement body)
    {
        // 1.
        CompletionRequest request = CompletionRequest.Parse(body, generator.Rules);
        GenerationFields fields = request.Generation;
        generator.Models.Require(fields.Model);
        string id = Generator.RequestId(context, "cmpl-", fields.RequestId);
        using ActiveRequests.Admission admission = await generator.Admit(id, request.Prompts.Count, fields.N, context);

        // 2.
        EncodedPrompt[] prompts = [.. request.Prompts.Select(p => Encode(request, p))];

        admission.CountPrompts(prompts.Sum(p => (long)p.TokenIds.Count));

        // 3.
        Func<int, CancellationToken, IAsyncEnumerable<RequestOutput>> run =
            Runs(request, prompts, admission, Generator.Priority(context, fields));

        // 4.
        IAsyncEnumerable<(int Index, RequestOutput Output)> outputs =
            PromptOutputs.Merge(prompts.Length, run, context.RequestAborted);

        // 5.
        var answer = new CompletionAnswer(generator, request, prompts, id);
        if (fields.Stream) await answer.Stream(context, outputs);
        else await answer.Whole(context, outputs);
    }

    /// <summary>Settles the parameters of all prompts; the result starts the prompt of an index.</summary>
    Func<int, CancellationToken, IAsyncEnumerable<RequestOutput>> Runs(
        CompletionRequest request, EncodedPrompt[] prompts, ActiveRequests.Admission admission, int priority)
    {
        GenerationFields fields = request.Generation;
        if (fields.UseBeamSearch)
        {
            BeamSearchParams[] beams = [.. prompts.Select(p => ToBeamSearchParams(request, p.TokenIds.Count))];
            return (i, aborted) => generator.BeamSearch(
                admission, prompts[i].TokenIds, beams[i], fields, priority, aborted);
        }
        SamplingParams[] samplingParams = [.. prompts.Select(p => ToSamplingParams(request, p.TokenIds.Count))];
        return (i, aborted) => generator.Generate(
            admission, prompts[i].TokenIds, samplingParams[i], fields, priority, aborted);
    }

    EncodedPrompt Encode(CompletionRequest request, CompletionPrompt prompt)
    {
        (int? limit, bool right) = (request.Generation.TruncatePromptTokens, request.Generation.TruncateRight);
        IReadOnlyList<int> ids = prompt.TokenIds is { } given
            ? generator.Prompts.Check(given, limit, right)
            : generator.Prompts.Encode(prompt.Text!, request.AddSpecialTokens, limit, right);
        return new EncodedPrompt(prompt.Text, ids);
    }

    BeamSearchParams ToBeamSearchParams(CompletionRequest request, int numPromptTokens)
    {
        if (request.Generation.Stream)
            throw RequestException.BadRequest("Streaming is not currently supported with beam search");
        if (request.Generation.Echo && request.Logprobs is not null)
            throw RequestException.BadRequest("echo with logprobs is not supported with beam search");
        return request.Generation.ToBeamSearchParams(
            generator.Engine.Config.SamplingDefaults, MaxTokens(request, numPromptTokens));
    }

    SamplingParams ToSamplingParams(CompletionRequest request, int numPromptTokens)
    {
        // An echoed prompt is shown with log-probabilities like the answer's.
        int? promptLogprobs = request.Generation.PromptLogprobs ?? (request.Generation.Echo ? request.Logprobs : null);
        return request.Generation.ToSamplingParams(
            generator.Engine.Config.SamplingDefaults, MaxTokens(request, numPromptTokens), request.Logprobs, promptLogprobs);
    }

    Int128 MaxTokens(CompletionRequest request, int numPromptTokens) =>
        request.EchoesOnly ? 1 : generator.MaxTokens(request.MaxTokens, numPromptTokens);
}

/// <summary>A prompt as it is run; the text is there when the client sent text.</summary>
sealed record EncodedPrompt(string? Text, IReadOnlyList<int> TokenIds);
