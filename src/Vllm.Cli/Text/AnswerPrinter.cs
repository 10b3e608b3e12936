using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Vllm.Cli.Text;

/// <summary>Prints an answer as it comes, and after it how fast it came.</summary>
/// <param name="showsStats">Whether to tell how fast.</param>
/// <param name="isStyled">Show Markdown's marks as a terminal's styles.</param>
sealed class AnswerPrinter(bool showsStats, bool isStyled = false)
{
    /// <summary>Returns the whole answer, or what there is of it when it was cancelled.</summary>
    public async Task<string> PrintAsync(
        Func<CancellationToken, IAsyncEnumerable<TextPiece>> start, CancellationToken cancellationToken)
    {
        long startTime = Stopwatch.GetTimestamp();
        TimeSpan firstToken = default;
        int numTokens = 0;
        var answer = new StringBuilder();
        MarkdownStyler? styler = isStyled ? new MarkdownStyler() : null;
        try
        {
            await foreach (TextPiece piece in start(cancellationToken))
            {
                if (answer.Length == 0 && piece.Text.Length > 0) firstToken = Stopwatch.GetElapsedTime(startTime);
                numTokens = Math.Max(numTokens, piece.NumTokens);
                answer.Append(piece.Text);
                Console.Out.Write(styler is null ? piece.Text : styler.Push(piece.Text));
                Console.Out.Flush();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The user has seen enough; what was printed is the answer.
        }
        Console.Out.WriteLine(styler?.Finish());
        if (showsStats) WriteStats(numTokens, firstToken, Stopwatch.GetElapsedTime(startTime));
        return answer.ToString();
    }

    void WriteStats(int numTokens, TimeSpan firstToken, TimeSpan total)
    {
        double rate = numTokens > 1 ? (numTokens - 1) / (total - firstToken).TotalSeconds : 0;
        string line = string.Create(CultureInfo.InvariantCulture,
            $"[{numTokens} tokens, first after {firstToken.TotalMilliseconds:F0} ms, then {rate:F1} tokens/s]");
        Console.Error.WriteLine(isStyled ? $"\e[2m{line}\e[0m" : line);
    }
}
