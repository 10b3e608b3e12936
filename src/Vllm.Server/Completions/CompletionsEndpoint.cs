using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
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
        SamplingParams[] samplingParams = [.. prompts.Select(p => ToSamplingParams(request, p.TokenIds.Count))];

        // 4.
        int priority = Generator.Priority(context, fields);
        IAsyncEnumerable<(int Index, RequestOutput Output)> outputs = PromptOutputs.Merge(
            prompts.Length,
            (i, aborted) => generator.Generate(
                admission, prompts[i].TokenIds, samplingParams[i], fields, priority, aborted),
            context.RequestAborted);

        // 5.
        var answer = new CompletionAnswer(generator, request, prompts, id);
        if (fields.Stream) await answer.Stream(context, outputs);
        else await answer.Whole(context, outputs);
    }

    EncodedPrompt Encode(CompletionRequest request, CompletionPrompt prompt)
    {
        (int? limit, bool right) = (request.Generation.TruncatePromptTokens, request.Generation.TruncateRight);
        IReadOnlyList<int> ids = prompt.TokenIds is { } given
            ? generator.Prompts.Check(given, limit, right)
            : generator.Prompts.Encode(prompt.Text!, request.AddSpecialTokens, limit, right);
        return new EncodedPrompt(prompt.Text, ids);
    }

    SamplingParams ToSamplingParams(CompletionRequest request, int numPromptTokens)
    {
        Int128 maxTokens = request.EchoesOnly ? 1 : generator.MaxTokens(request.MaxTokens, numPromptTokens);
        // An echoed prompt is shown with log-probabilities like the answer's.
        int? promptLogprobs = request.Generation.PromptLogprobs ?? (request.Generation.Echo ? request.Logprobs : null);
        return request.Generation.ToSamplingParams(
            generator.Engine.Config.SamplingDefaults, maxTokens, request.Logprobs, promptLogprobs);
    }
}

/// <summary>A prompt as it is run; the text is there when the client sent text.</summary>
sealed record EncodedPrompt(string? Text, IReadOnlyList<int> TokenIds);
