using System.Runtime.CompilerServices;

namespace Vllm.Cli.Text;

/// <summary>An engine in this process, which it owns.</summary>
sealed class LocalModel(AsyncLLM engine, ClientArguments arguments) : ITextSource
{
    int _numRequests;

    public IAsyncEnumerable<TextPiece> CompleteAsync(string prompt, CancellationToken cancellationToken) =>
        GenerateAsync(engine.Tokenizer.Encode(prompt), cancellationToken);

    public IAsyncEnumerable<TextPiece> ChatAsync(
        IReadOnlyList<ChatMessage> messages, CancellationToken cancellationToken) =>
        GenerateAsync(engine.EncodeChat(messages), cancellationToken);

    public ValueTask DisposeAsync() => engine.DisposeAsync();

    async IAsyncEnumerable<TextPiece> GenerateAsync(
        IReadOnlyList<int> promptTokenIds, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        SamplingParams defaults = engine.Config.SamplingDefaults.ToSamplingParams();
        SamplingParams parameters = defaults with
        {
            MaxTokens = arguments.MaxTokens,
            Temperature = (float?)arguments.Temperature ?? defaults.Temperature,
            OutputKind = OutputKind.Delta,
        };
        int numTokens = 0;
        await foreach (RequestOutput output in engine.Generate(
            $"{_numRequests++}", promptTokenIds, parameters, cancellationToken: cancellationToken))
        {
            if (output.Error is { } error) throw new InvalidOperationException(error);
            foreach (CompletionOutput answer in output.Outputs)
            {
                numTokens += answer.TokenIds.Count;
                yield return new TextPiece(answer.Text, numTokens);
            }
        }
    }
}
