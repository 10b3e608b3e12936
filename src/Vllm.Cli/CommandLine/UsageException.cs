namespace Vllm.Cli.CommandLine;

/// <summary>The command line is wrong; the message says what and, where possible, what was meant. Exit code
/// 2.</summary>
sealed class UsageException(string message) : Exception(message)
{
    /// <summary>Ends a message with the name that is nearest to a mistyped one; with nothing when none is
    /// near.</summary>
    public static string DidYouMean(string typed, IEnumerable<string> names)
    {
        string? nearest = names.MinBy(name => Distance(typed, name));
        bool isNear = nearest is not null && Distance(typed, nearest) <= Math.Max(2, typed.Length / 3);
        return isNear ? $" (did you mean {nearest}?)" : "";
    }

    /// <summary>Levenshtein's: insertions, deletions and replacements from one text to the other.</summary>
    static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
