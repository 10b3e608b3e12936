using System.Buffers.Text;

namespace Vllm.Server.Requests;

/// <summary>JSON may escape half a character (<c>"\ud83d"</c>), which no .NET string function takes. It counts as
/// U+FFFD, as everywhere in this engine.</summary>
static class LoneSurrogates
{
    const int EscapeLength = 6; // \ud83d

    /// <returns><paramref name="json"/> itself when it has none.</returns>
    public static ReadOnlyMemory<byte> Replace(ReadOnlyMemory<byte> json)
    {
        byte[]? changed = null;
        int position = 0;
        while (NextEscape(json.Span, ref position))
        {
            int code = Code(json.Span, position);
            if (char.IsHighSurrogate((char)code) && IsLow(json.Span, position + EscapeLength))
            {
                position += 2 * EscapeLength;
                continue;
            }
            if (char.IsSurrogate((char)code)) "fffd"u8.CopyTo((changed ??= json.ToArray()).AsSpan(position + 2));
            position += 2; // also over \\ and \"
        }
        return changed ?? json;
    }

    static bool NextEscape(ReadOnlySpan<byte> json, ref int position)
    {
        int length = position < json.Length ? json[position..].IndexOf((byte)'\\') : -1;
        if (length < 0) return false;
        position += length;
        return true;
    }

    static bool IsLow(ReadOnlySpan<byte> json, int position) => char.IsLowSurrogate((char)Code(json, position));

    /// <summary>The code unit that is escaped here; 0 when there is no such escape.</summary>
    static int Code(ReadOnlySpan<byte> json, int position)
    {
        bool isEscape = position + EscapeLength <= json.Length && json[position] == '\\' && json[position + 1] == 'u';
        if (!isEscape) return 0;
        ReadOnlySpan<byte> digits = json.Slice(position + 2, 4);
        return Utf8Parser.TryParse(digits, out int code, out int numBytes, 'x') && numBytes == 4 ? code : 0;
    }
}
