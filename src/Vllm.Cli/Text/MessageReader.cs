using System.Text;

namespace Vllm.Cli.Text;

/// <summary>Puts messages together from lines: a line that ends with a backslash goes on, and what begins with
/// <c>"""</c> goes on to the next <c>"""</c>.</summary>
/// <param name="readLine">Shows a prompt and gives the next line; null at the end.</param>
sealed class MessageReader(Func<string, string?> readLine)
{
    const string Prompt = "> ";
    const string MorePrompt = ". ";
    const string Quotes = "\"\"\"";

    /// <summary>Null at the end of the input.</summary>
    public string? Read()
    {
        if (readLine(Prompt) is not { } line) return null;
        string trimmed = line.Trim();
        return trimmed.StartsWith(Quotes, StringComparison.Ordinal)
            ? ReadQuoted(trimmed[Quotes.Length..])
            : ReadOn(line);
    }

    string? ReadQuoted(string? line)
    {
        var message = new StringBuilder();
        for (; line is not null; line = readLine(MorePrompt))
        {
            int end = line.IndexOf(Quotes, StringComparison.Ordinal);
            if (end >= 0) return message.Append(line.AsSpan(0, end)).ToString().Trim();
            message.Append(line).Append('\n');
        }
        return null;
    }

    string? ReadOn(string? line)
    {
        var message = new StringBuilder();
        for (; line is not null; line = readLine(MorePrompt))
        {
            if (!line.EndsWith('\\')) return message.Append(line).ToString().Trim();
            message.Append(line.AsSpan(0, line.Length - 1)).Append('\n');
        }
        return null;
    }
}
