using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Normalizers;

/// <summary>BERT's cleaning: control characters, spaces around Chinese characters, accents, case.</summary>
sealed class BertNormalizer(bool cleansText, bool spacesChinese, bool stripsAccents, bool lowers) : Normalizer
{
    public override void Normalize(NormalizedText text)
    {
        if (cleansText)
        {
            CodePointFilter.Remove(text, c => c is 0 or 0xFFFD || IsControl(c));
            CodePointFilter.Map(text, c => CodePoints.IsWhiteSpace(c) ? ' ' : c);
        }
        if (spacesChinese) SpaceChinese(text);
        if (stripsAccents)
        {
            text.Transform(UnicodeNormalization.Normalize(text.Bytes, composes: false, isCompatible: false));
            CodePointFilter.Remove(text, c => CodePoints.IsIn(c, Categories.Mn));
        }
        if (lowers) LowercaseNormalizer.Lower(text);
    }

    static bool IsControl(int c) =>
        c is not ('\t' or '\n' or '\r') && CodePoints.IsIn(c, Categories.C & ~Categories.Cn);

    static void SpaceChinese(NormalizedText text)
    {
        var changes = new List<CodePointChange>(text.Length);
        ReadOnlySpan<byte> bytes = text.Bytes;
        for (int i = 0, size; i < bytes.Length; i += size)
        {
            int c = CodePoints.Decode(bytes, i, out size);
            bool isChinese = IsChinese(c);
            if (isChinese) changes.Add(new CodePointChange(' ', 0));
            changes.Add(new CodePointChange(c, isChinese ? 1 : 0));
            if (isChinese) changes.Add(new CodePointChange(' ', 1));
        }
        text.Transform(changes);
    }

    static bool IsChinese(int c) => c is >= 0x4E00 and <= 0x9FFF or >= 0x3400 and <= 0x4DBF or >= 0x20000 and <= 0x2A6DF
        or >= 0x2A700 and <= 0x2B73F or >= 0x2B740 and <= 0x2B81F or >= 0x2B920 and <= 0x2CEAF or >= 0xF900 and <= 0xFAFF
        or >= 0x2F800 and <= 0x2FA1F;
}
