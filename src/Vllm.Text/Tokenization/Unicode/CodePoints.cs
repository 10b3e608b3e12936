using System.Globalization;
using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization.Unicode;

/// <summary>Code points in valid UTF-8, and what .NET knows about them.</summary>
static class CodePoints
{
    /// <summary>The code point at <paramref name="index"/> of valid UTF-8, and its number of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Decode(ReadOnlySpan<byte> utf8, int index, out int size)
    {
        int lead = utf8[index];
        if (lead < 0x80)
        {
            size = 1;
            return lead;
        }
        return DecodeMultibyte(utf8, index, lead, out size);
    }

    static int DecodeMultibyte(ReadOnlySpan<byte> utf8, int index, int lead, out int size)
    {
        if (lead < 0xE0)
        {
            size = 2;
            return (lead & 0x1F) << 6 | utf8[index + 1] & 0x3F;
        }
        if (lead < 0xF0)
        {
            size = 3;
            return (lead & 0xF) << 12 | (utf8[index + 1] & 0x3F) << 6 | utf8[index + 2] & 0x3F;
        }
        size = 4;
        return (lead & 7) << 18 | (utf8[index + 1] & 0x3F) << 12 | (utf8[index + 2] & 0x3F) << 6
            | utf8[index + 3] & 0x3F;
    }

    /// <summary>The code point that ends before <paramref name="end"/>, and its number of bytes.</summary>
    public static int DecodeLast(ReadOnlySpan<byte> utf8, int end, out int size)
    {
        int start = StartOfLast(utf8, end);
        return Decode(utf8, start, out size);
    }

    /// <summary>Where the code point that ends before <paramref name="end"/> starts.</summary>
    public static int StartOfLast(ReadOnlySpan<byte> utf8, int end)
    {
        int start = end - 1;
        while (start > 0 && (utf8[start] & 0xC0) == 0x80) start--;
        return start;
    }

    /// <summary>Appends a code point in UTF-8; returns the number of bytes.</summary>
    public static int Encode(int codePoint, Span<byte> utf8)
    {
        if (codePoint < 0x80)
        {
            utf8[0] = (byte)codePoint;
            return 1;
        }
        if (codePoint < 0x800)
        {
            utf8[0] = (byte)(0xC0 | codePoint >> 6);
            utf8[1] = (byte)(0x80 | codePoint & 0x3F);
            return 2;
        }
        if (codePoint < 0x10000)
        {
            utf8[0] = (byte)(0xE0 | codePoint >> 12);
            utf8[1] = (byte)(0x80 | codePoint >> 6 & 0x3F);
            utf8[2] = (byte)(0x80 | codePoint & 0x3F);
            return 3;
        }
        utf8[0] = (byte)(0xF0 | codePoint >> 18);
        utf8[1] = (byte)(0x80 | codePoint >> 12 & 0x3F);
        utf8[2] = (byte)(0x80 | codePoint >> 6 & 0x3F);
        utf8[3] = (byte)(0x80 | codePoint & 0x3F);
        return 4;
    }

    /// <summary>Bytes of a code point in UTF-8.</summary>
    public static int Size(int codePoint) => codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;

    /// <summary>Unicode's White_Space property, which <c>\s</c> and Rust's <c>is_whitespace</c> stand for.</summary>
    public static bool IsWhiteSpace(int codePoint) => codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint);

    /// <summary>The general category as a bit: <c>1 &lt;&lt; UnicodeCategory</c>.</summary>
    public static int CategoryBit(int codePoint) => 1 << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint);

    public static bool IsIn(int codePoint, int categories) => (CategoryBit(codePoint) & categories) != 0;
}
