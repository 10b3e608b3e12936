using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.ChatCompletions;

/// <summary><c>POST /v1/chat/completions</c>, the way of a request: 1. read and check the body, 2. render the
/// conversation with the model's chat template, 3. tokenize, 4. settle the sampling parameters, 5. submit to the
/// engine, 6. answer whole or as a stream of chunks.</summary>
sealed class ChatCompletionsEndpoint(Generator generator, ChatPrompts chatPrompts)
{
    public async Task Handle(HttpContext context)
    {
        // 1. Errors throw a RequestException, which the endpoint boundary answers.
        ChatCompletionRequest request =
            ChatCompletionRequest.Parse(await JsonBody.Read(context.Request), generator.Options);
        GenerationFields fields = request.Generation;
        generator.Models.Require(fields.Model);
        generator.Admit();
        string id = Generator.RequestId(context, "chatcmpl-", fields.RequestId);

        // 2.
        string prompt = chatPrompts.Render(request.Conversation);

        // 3.
        IReadOnlyList<int> promptTokenIds = generator.Prompts.Encode(
            prompt, request.AddSpecialTokens, fields.TruncatePromptTokens, fields.TruncateRight);

        // 4. and 5. Leaving the stream, or the client's leaving, aborts the request in the engine.
        IAsyncEnumerable<RequestOutput> outputs = Run(context, request, id, promptTokenIds);

        // 6.
        var answer = new ChatAnswer(generator, request, id, prompt, promptTokenIds);
        if (fields.Stream) await new ChatStream(generator, request, answer).Send(context, outputs);
        else await answer.Send(context, outputs);
    }

    IAsyncEnumerable<RequestOutput> Run(
        HttpContext context, ChatCompletionRequest request, string id, IReadOnlyList<int> promptTokenIds)
    {
        GenerationFields fields = request.Generation;
        SamplingDefaults defaults = generator.Engine.Config.SamplingDefaults;
        Int128 maxTokens = generator.MaxTokens(request.MaxTokens, promptTokenIds.Count);
        int priority = Generator.Priority(context, fields);
        if (fields.UseBeamSearch)
        {
            return generator.BeamSearch(
                id, promptTokenIds, fields.ToBeamSearchParams(defaults, maxTokens), fields, priority, context.RequestAborted);
        }
        // An echoed prompt comes with log-probabilities like the answer's.
        int? logprobs = request.Logprobs ? request.TopLogprobs : null;
        int? promptLogprobs = fields.PromptLogprobs ?? (fields.Echo ? request.TopLogprobs : null);
        SamplingParams samplingParams = fields.ToSamplingParams(defaults, maxTokens, logprobs, promptLogprobs);
        return generator.Generate(id, promptTokenIds, samplingParams, fields, priority, context.RequestAborted);
    }
}
