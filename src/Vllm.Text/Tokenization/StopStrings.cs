namespace Vllm.Text.Tokenization;

/// <summary>Looks for stop strings in text as it grows.</summary>
sealed class StopStrings(IReadOnlyList<string> stops)
{
    /// <summary>Code points that must be held back because a stop string may be about to begin in them.</summary>
    public int NumHeldBack { get; } = stops.Count == 0 ? 0 : stops.Max(CountCodePoints) - 1;

    /// <summary>The stop string that ends first in <paramref name="text"/> after <paramref name="oldLength"/>; of those
    /// that end together the first in the list. Null when none does.</summary>
    public string? Find(ReadOnlySpan<char> text, int oldLength, out int start)
    {
        string? found = null;
        int foundEnd = int.MaxValue;
        start = -1;
        foreach (string stop in stops)
        {
            int from = Math.Max(0, oldLength - stop.Length + 1);
            int index = text[from..].IndexOf(stop, StringComparison.Ordinal);
            if (index < 0 || from + index + stop.Length >= foundEnd) continue;
            (found, start, foundEnd) = (stop, from + index, from + index + stop.Length);
        }
        return found;
    }

    static int CountCodePoints(string text) => text.Length - text.Count(char.IsLowSurrogate);
}
