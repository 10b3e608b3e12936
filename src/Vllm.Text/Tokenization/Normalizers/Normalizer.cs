using System.Text;
using Vllm.Text.Tokenization.Patterns;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Normalizers;

/// <summary>A step that rewrites text before it is cut into words. Stateless.</summary>
abstract class Normalizer
{
    public abstract void Normalize(NormalizedText text);

    /// <summary>Whether the normalizer certainly leaves this text alone. False says nothing.</summary>
    public virtual bool Keeps(ReadOnlySpan<byte> utf8) => false;
}

sealed class NormalizerSequence(IReadOnlyList<Normalizer> steps) : Normalizer
{
    public override void Normalize(NormalizedText text)
    {
        foreach (Normalizer step in steps) step.Normalize(text);
    }

    public override bool Keeps(ReadOnlySpan<byte> utf8)
    {
        foreach (Normalizer step in steps)
            if (!step.Keeps(utf8)) return false;
        return true;
    }
}

/// <summary><c>NFC</c>, <c>NFD</c>, <c>NFKC</c>, <c>NFKD</c>.</summary>
sealed class UnicodeNormalizer(bool composes, bool isCompatible) : Normalizer
{
    public override void Normalize(NormalizedText text)
    {
        if (!Keeps(text.Bytes)) text.Transform(UnicodeNormalization.Normalize(text.Bytes, composes, isCompatible));
    }

    public override bool Keeps(ReadOnlySpan<byte> utf8) =>
        composes && !isCompatible ? UnicodeNormalization.IsPlainlyNfc(utf8) : Ascii.IsValid(utf8);
}

sealed class LowercaseNormalizer : Normalizer
{
    public override void Normalize(NormalizedText text) => Lower(text);

    public static void Lower(NormalizedText text)
    {
        var changes = new List<CodePointChange>(text.Length);
        ReadOnlySpan<byte> bytes = text.Bytes;
        for (int i = 0, size; i < bytes.Length; i += size)
        {
            int lower = CaseMapping.ToLower(CodePoints.Decode(bytes, i, out size), out int second);
            changes.Add(new CodePointChange(lower, 0));
            if (second != 0) changes.Add(new CodePointChange(second, 1));
        }
        text.Transform(changes);
    }
}

/// <summary>Removes code points that a predicate names, and replaces others.</summary>
static class CodePointFilter
{
    public static void Remove(NormalizedText text, Func<int, bool> isRemoved)
    {
        var changes = new List<CodePointChange>(text.Length);
        int numDropped = 0;
        ReadOnlySpan<byte> bytes = text.Bytes;
        for (int i = 0, size; i < bytes.Length; i += size)
        {
            int c = CodePoints.Decode(bytes, i, out size);
            if (!isRemoved(c)) changes.Add(new CodePointChange(c, 0));
            else if (changes.Count == 0) numDropped++;
            else changes[^1] = changes[^1] with { Change = changes[^1].Change - 1 };
        }
        text.Transform(changes, numDropped);
    }

    public static void Map(NormalizedText text, Func<int, int> map)
    {
        var changes = new List<CodePointChange>(text.Length);
        ReadOnlySpan<byte> bytes = text.Bytes;
        for (int i = 0, size; i < bytes.Length; i += size)
            changes.Add(new CodePointChange(map(CodePoints.Decode(bytes, i, out size)), 0));
        text.Transform(changes);
    }
}

sealed class StripAccentsNormalizer : Normalizer
{
    public override void Normalize(NormalizedText text) =>
        CodePointFilter.Remove(text, c => CodePoints.IsIn(c, Categories.M));
}

/// <summary>Removes white space at the ends.</summary>
sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override void Normalize(NormalizedText text)
    {
        ReadOnlySpan<byte> bytes = text.Bytes;
        int start = 0, end = bytes.Length, numLeading = 0;
        while (left && start < end && CodePoints.IsWhiteSpace(CodePoints.Decode(bytes, start, out int size)))
        {
            start += size;
            numLeading++;
        }
        int numTrailing = 0;
        while (right && end > start && CodePoints.IsWhiteSpace(CodePoints.DecodeLast(bytes, end, out int size)))
        {
            end -= size;
            numTrailing++;
        }
        if (start == 0 && end == bytes.Length) return;
        var changes = new List<CodePointChange>();
        for (int i = start, size; i < end; i += size)
            changes.Add(new CodePointChange(CodePoints.Decode(bytes, i, out size), 0));
        if (changes.Count > 0) changes[^1] = changes[^1] with { Change = -numTrailing };
        text.Transform(changes, numLeading);
    }
}

sealed class PrependNormalizer(string prefix) : Normalizer
{
    readonly byte[] _prefix = Encoding.UTF8.GetBytes(prefix);

    public override void Normalize(NormalizedText text) => text.Prepend(_prefix);
}

/// <summary>Replaces every match of a pattern; the content is taken literally.</summary>
sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    readonly byte[] _content = Encoding.UTF8.GetBytes(content);

    public override void Normalize(NormalizedText text)
    {
        var ranges = new List<ByteRange>();
        foreach (PatternPart part in pattern.FindParts(text.Bytes))
            if (part.IsMatch) ranges.Add(new ByteRange(part.Start, part.End));
        text.ReplaceRanges(ranges, _content);
    }
}

/// <summary>SentencePiece's <c>nmt</c> rules: control characters go, odd spaces become spaces.</summary>
sealed class NmtNormalizer : Normalizer
{
    public override void Normalize(NormalizedText text)
    {
        CodePointFilter.Remove(text, c => c is >= 1 and <= 8 or 0xB or >= 0xE and <= 0x1F or 0x7F or 0x8F or 0x9F);
        CodePointFilter.Map(text, c =>
            c is 9 or 0xA or 0xC or 0xD or 0x1680 or >= 0x200B and <= 0x200F or 0x2028 or 0x2029
            or 0x2581 or 0xFEFF or 0xFFFD ? ' ' : c);
    }
}

/// <summary>Writes the text in the <see cref="ByteAlphabet"/>.</summary>
sealed class ByteLevelNormalizer : Normalizer
{
    public override void Normalize(NormalizedText text) => text.EncodeBytes();
}
