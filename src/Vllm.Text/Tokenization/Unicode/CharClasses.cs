using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization.Unicode;

/// <summary>The classes of code points that the usual pre-tokenizer patterns ask for.</summary>
[Flags]
enum CharClass : byte
{
    None = 0,
    Letter = 1,
    Number = 2,
    Space = 4,
    Mark = 8,

    /// <summary>May stand in the first half of a word split by case (<c>\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}</c>).</summary>
    UpperLike = 16,

    /// <summary>May stand in the second half (<c>\p{Ll}\p{Lm}\p{Lo}\p{M}</c>).</summary>
    LowerLike = 32,
    PunctuationOrSymbol = 64,
    LineBreak = 128,
}

/// <summary>Classes by code point: a table for the basic plane, computed above it.</summary>
sealed class CharClasses
{
    readonly byte[] _basicPlane = new byte[0x10000];
    readonly bool _asLlamaCpp;

    CharClasses(bool asLlamaCpp)
    {
        _asLlamaCpp = asLlamaCpp;
        for (int c = 0; c < _basicPlane.Length; c++) _basicPlane[c] = (byte)Classify(c);
    }

    /// <summary>Unicode's categories, as the regex engine of tokenizers reads them.</summary>
    public static CharClasses Unicode { get; } = new(asLlamaCpp: false);

    /// <summary>llama.cpp's reading: it knows case only within ASCII, and its case-split patterns have no
    /// marks.</summary>
    public static CharClasses LlamaCpp { get; } = new(asLlamaCpp: true);

    /// <summary>The class of the code point at an index, and its number of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public CharClass At(ReadOnlySpan<byte> utf8, int index, out int size)
    {
        int lead = utf8[index];
        if (lead < 0x80)
        {
            size = 1;
            return (CharClass)_basicPlane[lead];
        }
        return Of(CodePoints.Decode(utf8, index, out size));
    }

    public CharClass Of(int codePoint) =>
        codePoint < 0x10000 ? (CharClass)_basicPlane[codePoint] : Classify(codePoint);

    CharClass Classify(int codePoint)
    {
        int category = CodePoints.CategoryBit(codePoint);
        CharClass result = CharClass.None;
        if (CodePoints.IsWhiteSpace(codePoint)) result |= CharClass.Space;
        if ((category & Categories.L) != 0) result |= CharClass.Letter;
        if ((category & Categories.N) != 0) result |= CharClass.Number;
        if ((category & Categories.M) != 0) result |= CharClass.Mark;
        if ((category & (Categories.P | Categories.S)) != 0) result |= CharClass.PunctuationOrSymbol;
        if (codePoint is '\r' or '\n') result |= CharClass.LineBreak;
        return result | (_asLlamaCpp ? CaseInAscii(codePoint, category) : Case(category));
    }

    static CharClass Case(int category)
    {
        CharClass result = CharClass.None;
        if ((category & (Categories.L | Categories.M) & ~Categories.Ll) != 0) result |= CharClass.UpperLike;
        if ((category & (Categories.Ll | Categories.Lm | Categories.Lo | Categories.M)) != 0)
            result |= CharClass.LowerLike;
        return result;
    }

    static CharClass CaseInAscii(int codePoint, int category)
    {
        if ((category & Categories.L) == 0) return CharClass.None;
        CharClass result = CharClass.None;
        if (codePoint is not (>= 'a' and <= 'z')) result |= CharClass.UpperLike;
        if (codePoint is not (>= 'A' and <= 'Z')) result |= CharClass.LowerLike;
        return result;
    }
}
