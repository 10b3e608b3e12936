using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.Patterns;

namespace Vllm.Text.Tokenization.PreTokenizers;

/// <summary>What becomes of the delimiter that a text is split at.</summary>
enum SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous }

static class PatternSplit
{
    /// <summary>Splits a text at a pattern; <paramref name="inverts"/>: what the pattern matches is kept, and what lies
    /// between is the delimiter.</summary>
    public static void Split(NormalizedText text, TextPattern pattern, SplitBehavior behavior, bool inverts,
        List<TextPiece> pieces)
    {
        List<PatternPart> parts = pattern.FindParts(text.Bytes);
        if (inverts)
            for (int i = 0; i < parts.Count; i++) parts[i] = parts[i] with { IsMatch = !parts[i].IsMatch };
        parts = behavior switch
        {
            SplitBehavior.Contiguous => MergeEqual(parts),
            SplitBehavior.MergedWithPrevious => MergeWithPrevious(parts),
            SplitBehavior.MergedWithNext => MergeWithNext(parts),
            _ => parts,
        };
        foreach (PatternPart part in parts)
            if (behavior != SplitBehavior.Removed || !part.IsMatch)
                pieces.Add(new TextPiece(text.Slice(part.Start, part.End)));
    }

    static List<PatternPart> MergeEqual(List<PatternPart> parts)
    {
        var merged = new List<PatternPart>();
        foreach (PatternPart part in parts)
        {
            if (merged.Count > 0 && merged[^1].IsMatch == part.IsMatch) merged[^1] = merged[^1] with { End = part.End };
            else merged.Add(part);
        }
        return merged;
    }

    static List<PatternPart> MergeWithPrevious(List<PatternPart> parts)
    {
        var merged = new List<PatternPart>();
        bool followsMatch = false;
        foreach (PatternPart part in parts)
        {
            if (part.IsMatch && !followsMatch && merged.Count > 0) merged[^1] = merged[^1] with { End = part.End };
            else merged.Add(part);
            followsMatch = part.IsMatch;
        }
        return merged;
    }

    static List<PatternPart> MergeWithNext(List<PatternPart> parts)
    {
        var merged = new List<PatternPart>();
        bool precedesMatch = false;
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            if (parts[i].IsMatch && !precedesMatch && merged.Count > 0)
                merged[^1] = merged[^1] with { Start = parts[i].Start };
            else merged.Add(parts[i]);
            precedesMatch = parts[i].IsMatch;
        }
        merged.Reverse();
        return merged;
    }
}
