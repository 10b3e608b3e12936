using System.Buffers.Text;

namespace Vllm.Server.Requests;

/// <summary>JSON may escape half a character (<c>"\ud83d"</c>), which no .NET string function and no tokenizer
/// takes.</summary>
static class LoneSurrogates
{
    const int EscapeLength = 6; // \ud83d

    public static bool IsIn(ReadOnlySpan<byte> json)
    {
        for (int position = 0; TryFindEscape(json, ref position);)
        {
            int code = Code(json, position);
            if (char.IsHighSurrogate((char)code) && char.IsLowSurrogate((char)Code(json, position + EscapeLength)))
                position += 2 * EscapeLength;
            else if (char.IsSurrogate((char)code))
                return true;
            else
                position += 2; // also over \\ and \"
        }
        return false;
    }

    static bool TryFindEscape(ReadOnlySpan<byte> json, ref int position)
    {
        int length = position < json.Length ? json[position..].IndexOf((byte)'\\') : -1;
        position += Math.Max(length, 0);
        return length >= 0;
    }

    /// <summary>The code unit that is escaped here; 0 when there is no such escape.</summary>
    static int Code(ReadOnlySpan<byte> json, int position)
    {
        bool isEscape = position + EscapeLength <= json.Length && json[position] == '\\' && json[position + 1] == 'u';
        if (!isEscape) return 0;
        ReadOnlySpan<byte> digits = json.Slice(position + 2, 4);
        return Utf8Parser.TryParse(digits, out int code, out int numBytes, 'x') && numBytes == 4 ? code : 0;
    }
}
