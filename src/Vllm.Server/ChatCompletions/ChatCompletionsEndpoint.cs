using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Requests;

namespace Vllm.Server.ChatCompletions;

/// <summary><c>POST /v1/chat/completions</c>, the way of a request: 1. read and check the body, 2. render the
/// conversation with the model's chat template, 3. tokenize, 4. settle the sampling parameters, 5. submit to the
/// engine, 6. answer whole or as a stream of chunks.</summary>
sealed class ChatCompletionsEndpoint(Generator generator, ChatPrompts chatPrompts)
{
    public async Task Handle(HttpContext context) => await Handle(context, await JsonBody.Read(context.Request));

    public async Task Handle(HttpContext context, JsonElement body)
    {
        // 1. Errors throw a RequestException, which the endpoint boundary answers.
        ChatCompletionRequest request = ChatCompletionRequest.Parse(body, generator.Rules);
        GenerationFields fields = request.Generation;
        generator.Models.Require(fields.Model);
        string id = Generator.RequestId(context, "chatcmpl-", fields.RequestId);
        using ActiveRequests.Admission admission = await generator.Admit(id, 1, fields.N, context);

        // 2. and 3.
        ChatPrompt prompt = ChatPrompt.Make(generator, chatPrompts, request);
        admission.CountPrompts(prompt.TokenIds.Count);

        // 4. and 5. Leaving the stream, or the client's leaving, aborts the request in the engine.
        IAsyncEnumerable<RequestOutput> outputs = Run(context, request, admission, prompt.TokenIds);

        // 6.
        var answer = new ChatAnswer(generator, request, id, prompt);
        if (fields.Stream) await new ChatStream(generator, request, answer).Send(context, outputs);
        else await answer.Send(context, outputs);
    }

    IAsyncEnumerable<RequestOutput> Run(
        HttpContext context, ChatCompletionRequest request, ActiveRequests.Admission admission,
        IReadOnlyList<int> promptTokenIds)
    {
        GenerationFields fields = request.Generation;
        SamplingDefaults defaults = generator.Engine.Config.SamplingDefaults;
        Int128 maxTokens = generator.MaxTokens(request.MaxTokens, promptTokenIds.Count);
        int priority = Generator.Priority(context, fields);
        if (fields.UseBeamSearch)
        {
            return generator.BeamSearch(
                admission, promptTokenIds, fields.ToBeamSearchParams(defaults, maxTokens), fields, priority,
                context.RequestAborted);
        }
        SamplingParams samplingParams = request.ToSamplingParams(defaults, maxTokens);
        return generator.Generate(admission, promptTokenIds, samplingParams, fields, priority, context.RequestAborted);
    }
}
