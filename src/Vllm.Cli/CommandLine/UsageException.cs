namespace Vllm.Cli.CommandLine;

/// <summary>The command line is wrong; the message says what and, where possible, what was meant. Exit code 2.</summary>
sealed class UsageException(string message) : Exception(message)
{
    /// <summary>Ends a message with the name that is nearest to a mistyped one; with nothing when none is near.</summary>
    public static string DidYouMean(string typed, IEnumerable<string> names)
    {
        (string Name, int Distance) nearest =
            names.Select(name => (name, Distance(typed, name))).DefaultIfEmpty(("", int.MaxValue)).MinBy(pair => pair.Item2);
        return nearest.Distance <= Math.Max(2, typed.Length / 3) ? $" (did you mean {nearest.Name}?)" : "";
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
