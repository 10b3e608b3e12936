namespace Vllm.Text.Tokenization.Patterns;

/// <summary>How a pattern spells the English contractions <c>'s 't 're 've 'm 'll 'd</c>.</summary>
enum ContractionCase
{
    /// <summary>The pattern has none.</summary>
    None,

    /// <summary>Lower case only.</summary>
    Exact,

    /// <summary>ASCII letters in either case.</summary>
    AsciiIgnored,

    /// <summary>Unicode case folding: <c>ſ</c> (U+017F) counts as <c>s</c>.</summary>
    Ignored,
}

static class Contractions
{
    /// <summary>Length in bytes of the contraction at an index, 0 when there is none.</summary>
    public static int LengthAt(ReadOnlySpan<byte> text, int index, ContractionCase mode)
    {
        if (mode == ContractionCase.None || index + 1 >= text.Length || text[index] != '\'') return 0;
        int fold = mode == ContractionCase.Exact ? 0 : 0x20;
        int first = text[index + 1];
        int second = index + 2 < text.Length ? text[index + 2] | fold : 0;
        if (mode == ContractionCase.Ignored && first == 0xC5 && text[index + 2] == 0xBF) return 3;
        switch (first | fold)
        {
            case 's' or 't' or 'm' or 'd': return 2;
            case 'r' or 'v': return second == 'e' ? 3 : 0;
            case 'l': return second == 'l' ? 3 : 0;
            default: return 0;
        }
    }
}
