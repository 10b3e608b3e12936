namespace Vllm.Cli.Text;

/// <summary>Where chat and complete get their text from: an engine in this process, or a server.</summary>
interface ITextSource : IAsyncDisposable
{
    /// <summary>Streams the continuation of a text.</summary>
    IAsyncEnumerable<TextPiece> CompleteAsync(string prompt, CancellationToken cancellationToken);

    /// <summary>Streams the answer to a conversation.</summary>
    IAsyncEnumerable<TextPiece> ChatAsync(IReadOnlyList<ChatMessage> messages, CancellationToken cancellationToken);
}

/// <param name="Text">What is new.</param>
/// <param name="NumTokens">Tokens of the whole answer so far; 0 when the server does not say.</param>
readonly record struct TextPiece(string Text, int NumTokens);
