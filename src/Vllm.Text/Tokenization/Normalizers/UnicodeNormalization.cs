using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Normalizers;

/// <summary>
/// NFC, NFD, NFKC and NFKD with the count of code points each result stands for. .NET's own
/// <see cref="string.Normalize()"/> does nothing under invariant globalization, and keeps no alignment.
/// </summary>
static class UnicodeNormalization
{
    const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    const int NumVowels = 21, NumTrails = 28, NumHangul = 11172, NumLeads = 19;

    static readonly Lazy<Dictionary<int, int[]>> Canonical =
        new(() => ParseDecompositions(NormalizationData.Canonical));
    static readonly Lazy<Dictionary<int, int[]>> Compatible =
        new(() => ParseDecompositions(NormalizationData.Compatible));
    static readonly Lazy<Dictionary<(int, int), int>> Compositions = new(ParseCompositions);
    static readonly Lazy<Dictionary<int, int>> Classes = new(ParseClasses);

    /// <summary>Below this nothing changes under NFC.</summary>
    const int FirstChanged = 0x300;

    static readonly Lazy<HashSet<int>> ChangedByNfc = new(FindChangedByNfc);

    /// <summary>Whether a text is certainly in NFC: it has no code point that NFC may replace, join to the one before
    /// or move. False says nothing.</summary>
    public static bool IsPlainlyNfc(ReadOnlySpan<byte> utf8)
    {
        int firstNonAscii = utf8.IndexOfAnyInRange((byte)0x80, (byte)0xFF);
        if (firstNonAscii < 0) return true;
        HashSet<int> changed = ChangedByNfc.Value;
        for (int i = firstNonAscii, size; i < utf8.Length; i += size)
        {
            int c = CodePoints.Decode(utf8, i, out size);
            if (c >= FirstChanged && changed.Contains(c)) return false;
        }
        return true;
    }

    static HashSet<int> FindChangedByNfc()
    {
        HashSet<int> changed = [.. Classes.Value.Keys, .. Compositions.Value.Keys.Select(pair => pair.Item2)];
        changed.UnionWith(Enumerable.Range(VowelBase, NumVowels));
        changed.UnionWith(Enumerable.Range(TrailBase, NumTrails));
        // A composed character stays as it is, unless it is one of those that NFC takes apart for good.
        HashSet<int> composed = [.. Compositions.Value.Values];
        changed.UnionWith(Canonical.Value.Keys.Where(c => !composed.Contains(c)));
        return changed;
    }

    public static List<CodePointChange> Normalize(ReadOnlySpan<byte> utf8, bool composes, bool isCompatible)
    {
        List<CodePointChange> decomposed = Decompose(utf8, isCompatible);
        return composes ? Compose(decomposed) : decomposed;
    }

    static List<CodePointChange> Decompose(ReadOnlySpan<byte> utf8, bool isCompatible)
    {
        var result = new List<CodePointChange>(utf8.Length);
        int firstUnordered = 0;
        for (int i = 0; i < utf8.Length;)
        {
            int c = CodePoints.Decode(utf8, i, out int size);
            i += size;
            ReadOnlySpan<int> parts = PartsOf(c, isCompatible);
            if (parts.IsEmpty) Append(c, 0);
            for (int k = 0; k < parts.Length; k++) Append(parts[k], k > 0 ? 1 : 0);
        }
        Reorder(result, firstUnordered, result.Count);
        return result;

        void Append(int c, int change)
        {
            if (ClassOf(c) == 0)
            {
                Reorder(result, firstUnordered, result.Count);
                firstUnordered = result.Count + 1;
            }
            result.Add(new CodePointChange(c, change));
        }
    }

    static ReadOnlySpan<int> PartsOf(int c, bool isCompatible)
    {
        if (c < 0xA0) return [];
        int hangul = c - HangulBase;
        if ((uint)hangul < NumHangul)
        {
            int lead = LeadBase + hangul / (NumVowels * NumTrails);
            int vowel = VowelBase + hangul / NumTrails % NumVowels;
            int trail = hangul % NumTrails;
            return trail == 0 ? new[] { lead, vowel } : new[] { lead, vowel, TrailBase + trail };
        }
        if (isCompatible && Compatible.Value.TryGetValue(c, out int[]? parts)) return parts;
        return Canonical.Value.TryGetValue(c, out parts) ? parts : [];
    }

    /// <summary>Sorts a run of marks by combining class, keeping the order of equals.</summary>
    static void Reorder(List<CodePointChange> text, int start, int end)
    {
        if (end - start < 2) return;
        CodePointChange[] sorted = [.. text.GetRange(start, end - start).OrderBy(c => ClassOf(c.Value))];
        for (int i = 0; i < sorted.Length; i++) text[start + i] = sorted[i];
    }

    static List<CodePointChange> Compose(List<CodePointChange> text)
    {
        var result = new List<CodePointChange>(text.Count);
        int starter = -1;      // index in result of the last code point of class 0
        int lastClass = 0;     // class of the last code point kept after the starter
        foreach (CodePointChange next in text)
        {
            int nextClass = ClassOf(next.Value);
            bool isBlocked = result.Count - 1 > starter && (lastClass >= nextClass || lastClass == 0);
            if (starter >= 0 && !isBlocked && TryCompose(result[starter].Value, next.Value, out int composed))
            {
                // The starter takes over what the mark stood for: one more old code point unless it was inserted.
                result[starter] = new CodePointChange(composed, result[starter].Change + next.Change - 1);
                continue;
            }
            if (nextClass == 0) starter = result.Count;
            lastClass = nextClass;
            result.Add(next);
        }
        return result;
    }

    static bool TryCompose(int first, int second, out int composed)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, hangul = first - HangulBase,
            trail = second - TrailBase;
        composed = 0;
        if ((uint)lead < NumLeads && (uint)vowel < NumVowels)
            composed = HangulBase + (lead * NumVowels + vowel) * NumTrails;
        else if ((uint)hangul < NumHangul && hangul % NumTrails == 0 && trail is > 0 and < NumTrails)
            composed = first + trail;
        return composed != 0 || Compositions.Value.TryGetValue((first, second), out composed);
    }

    static int ClassOf(int c) => c >= FirstChanged && Classes.Value.TryGetValue(c, out int value) ? value : 0;

    static Dictionary<int, int[]> ParseDecompositions(ReadOnlySpan<byte> data) =>
        ParseEntries(data).ToDictionary(e => e[0], e => e[1..]);

    static Dictionary<(int, int), int> ParseCompositions() =>
        ParseEntries(NormalizationData.Compositions).ToDictionary(e => (e[0], e[1]), e => e[2]);

    static Dictionary<int, int> ParseClasses()
    {
        var classes = new Dictionary<int, int>();
        foreach (int[] run in ParseEntries(NormalizationData.CombiningClasses))
            for (int c = run[0]; c <= run[1]; c++) classes[c] = run[2];
        return classes;
    }

    /// <summary>Hexadecimal numbers, entries ended by semicolons.</summary>
    static List<int[]> ParseEntries(ReadOnlySpan<byte> data)
    {
        var entries = new List<int[]>();
        var numbers = new List<int>();
        int value = 0;
        bool hasDigits = false;
        foreach (byte c in data)
        {
            if (char.IsAsciiHexDigit((char)c))
            {
                value = value << 4 | (c <= '9' ? c - '0' : c - 'A' + 10);
                hasDigits = true;
                continue;
            }
            if (hasDigits) numbers.Add(value);
            (value, hasDigits) = (0, false);
            if (c != ';') continue;
            entries.Add([.. numbers]);
            numbers.Clear();
        }
        return entries;
    }
}
