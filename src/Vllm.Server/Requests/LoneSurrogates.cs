using System.Buffers.Text;
using System.Text.Json;

namespace Vllm.Server.Requests;

/// <summary>JSON may escape half a character (<c>"\ud83d"</c>), which no .NET string function takes. In a value it is
/// the caller's mistake when the value is read; in a name it would break the search for all others.</summary>
static class LoneSurrogates
{
    const int EscapeLength = 6; // \ud83d

    /// <summary>Puts U+FFFD for each one in a name of a member.</summary>
    /// <returns><paramref name="json"/> itself when there is none.</returns>
    /// <exception cref="JsonException">Not JSON.</exception>
    public static ReadOnlyMemory<byte> ReplaceInNames(ReadOnlyMemory<byte> json, int maxDepth)
    {
        if (json.Span.IndexOf("\\u"u8) < 0) return json;
        byte[]? changed = null;
        var reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = maxDepth });
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || !reader.ValueIsEscaped) continue;
            int start = (int)reader.TokenStartIndex + 1; // behind the quote
            for (int position = 0; TryFind(reader.ValueSpan, ref position); position += EscapeLength)
                "fffd"u8.CopyTo((changed ??= json.ToArray()).AsSpan(start + position + 2));
        }
        return changed ?? json;
    }

    /// <summary>The next one at or behind a position.</summary>
    static bool TryFind(ReadOnlySpan<byte> name, ref int position)
    {
        while (position < name.Length)
        {
            int code = Code(name, position);
            if (char.IsHighSurrogate((char)code) && char.IsLowSurrogate((char)Code(name, position + EscapeLength)))
                position += 2 * EscapeLength;
            else if (char.IsSurrogate((char)code))
                return true;
            else
                position += name[position] == '\\' ? 2 : 1; // also over \\ and \"
        }
        return false;
    }

    /// <summary>The code unit that is escaped here; 0 when there is no such escape.</summary>
    static int Code(ReadOnlySpan<byte> text, int position)
    {
        bool isEscape = position + EscapeLength <= text.Length && text[position] == '\\' && text[position + 1] == 'u';
        if (!isEscape) return 0;
        ReadOnlySpan<byte> digits = text.Slice(position + 2, 4);
        return Utf8Parser.TryParse(digits, out int code, out int numBytes, 'x') && numBytes == 4 ? code : 0;
    }
}
