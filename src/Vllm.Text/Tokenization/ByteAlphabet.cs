namespace Vllm.Text.Tokenization;

/// <summary>
/// GPT-2's printable alphabet: every byte is written as one visible character (space becomes <c>Ġ</c>, line feed
/// <c>Ċ</c>). Byte-level vocabularies are stored in it.
/// </summary>
static class ByteAlphabet
{
    /// <summary>One above the highest character of the alphabet.</summary>
    const int Limit = 0x144;

    static readonly char[] CharOfByte = MakeCharOfByte();
    static readonly short[] ByteOfChar = MakeByteOfChar();

    public static char ToChar(byte value) => CharOfByte[value];

    /// <summary>The byte that a character stands for, or -1 when it is outside the alphabet.</summary>
    public static int ToByte(int codePoint) => codePoint < Limit ? ByteOfChar[codePoint] : -1;

    /// <summary>Writes the bytes that alphabet text stands for. False when a character is outside the alphabet;
    /// <paramref name="bytes"/> must be at least as long as <paramref name="utf8"/>.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> utf8, Span<byte> bytes, out int length)
    {
        length = 0;
        for (int i = 0; i < utf8.Length; i++)
        {
            int c = utf8[i];
            if (c >= 0x80)
            {
                // All characters of the alphabet have at most two bytes.
                if ((c & 0xE0) != 0xC0 || i + 1 >= utf8.Length) return false;
                c = (c & 0x1F) << 6 | utf8[++i] & 0x3F;
            }
            int value = ToByte(c);
            if (value < 0) return false;
            bytes[length++] = (byte)value;
        }
        return true;
    }

    /// <summary>The alphabet text of <paramref name="bytes"/>.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        Span<char> chars = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++) chars[i] = CharOfByte[bytes[i]];
        return new string(chars);
    }

    static char[] MakeCharOfByte()
    {
        char[] chars = new char[256];
        int next = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            chars[value] = isPrintable ? (char)value : (char)next++;
        }
        return chars;
    }

    static short[] MakeByteOfChar()
    {
        short[] bytes = new short[Limit];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++) bytes[CharOfByte[value]] = (short)value;
        return bytes;
    }
}
