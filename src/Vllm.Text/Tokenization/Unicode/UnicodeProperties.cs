using System.Text;

namespace Vllm.Text.Tokenization.Unicode;

/// <summary>Scripts and the derived properties that regular expressions and pre-tokenizers ask for.</summary>
static class UnicodeProperties
{
    static readonly Lazy<Dictionary<string, int[]>> Properties = new(() => Parse(PropertyData.Properties));
    static readonly Lazy<Dictionary<string, int[]>> Scripts = new(() => Parse(PropertyData.Scripts));
    static readonly Lazy<int[]> AlphabeticRanges = new(() => Properties.Value["alphabetic"]);
    static readonly Lazy<(int[] Starts, int[] Ends, string[] Names)> ScriptIndex = new(MakeScriptIndex);

    /// <summary>Ranges (first, last, first, last, …) of a script or property; names are matched loosely.</summary>
    public static bool TryGetRanges(string name, out int[] ranges)
    {
        string key = Loose(name);
        return Scripts.Value.TryGetValue(key, out ranges!) || Properties.Value.TryGetValue(key, out ranges!);
    }

    public static bool IsAlphabetic(int codePoint) => Contains(AlphabeticRanges.Value, codePoint);

    /// <summary><c>\w</c>: alphabetic, marks, decimal digits and connectors.</summary>
    public static bool IsWord(int codePoint)
    {
        if (codePoint < 0x80) return codePoint == '_' || char.IsAsciiLetterOrDigit((char)codePoint);
        return CodePoints.IsIn(codePoint, Categories.L | Categories.M | Categories.Nd | Categories.Pc | Categories.Nl)
            || IsAlphabetic(codePoint);
    }

    /// <summary>The script of a code point, or null when it has none.</summary>
    public static string? ScriptOf(int codePoint)
    {
        (int[] starts, int[] ends, string[] names) = ScriptIndex.Value;
        int index = Array.BinarySearch(starts, codePoint);
        if (index < 0) index = ~index - 1;
        return index >= 0 && codePoint <= ends[index] ? names[index] : null;
    }

    /// <summary>Whether sorted ranges (first, last, …) hold a code point.</summary>
    public static bool Contains(int[] ranges, int codePoint)
    {
        int low = 0, high = ranges.Length / 2 - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            if (codePoint < ranges[2 * middle]) high = middle - 1;
            else if (codePoint > ranges[2 * middle + 1]) low = middle + 1;
            else return true;
        }
        return false;
    }

    static (int[], int[], string[]) MakeScriptIndex()
    {
        var all = new List<(int First, int Last, string Name)>();
        foreach ((string name, int[] ranges) in Scripts.Value)
            for (int i = 0; i < ranges.Length; i += 2) all.Add((ranges[i], ranges[i + 1], name));
        all.Sort((a, b) => a.First.CompareTo(b.First));
        return ([.. all.Select(r => r.First)], [.. all.Select(r => r.Last)], [.. all.Select(r => r.Name)]);
    }

    static Dictionary<string, int[]> Parse(ReadOnlySpan<byte> data)
    {
        var result = new Dictionary<string, int[]>();
        foreach (string section in Encoding.ASCII.GetString(data).Split(';'))
        {
            int colon = section.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0) continue;
            var ranges = new List<int>();
            foreach (string range in section[(colon + 1)..].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                string[] ends = range.Split('-');
                ranges.Add(Convert.ToInt32(ends[0], 16));
                ranges.Add(Convert.ToInt32(ends[^1], 16));
            }
            result[Loose(section[..colon])] = [.. ranges];
        }
        return result;
    }

    static string Loose(string name) =>
        new([.. name.Where(c => c is not ('_' or '-' or ' ') && !char.IsWhiteSpace(c)).Select(char.ToLowerInvariant)]);
}
