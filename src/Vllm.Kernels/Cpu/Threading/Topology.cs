namespace Vllm.Kernels.Cpu.Threading;

/// <summary>How many threads compute best here: one per physical core, as two hyper-threads share one set of
/// multipliers.</summary>
static class Topology
{
    /// <summary>Physical cores that the process may use: its affinity and its container's CPU limit count.</summary>
    public static int NumPhysicalCores { get; } =
        Math.Clamp(CountCores("/sys/devices/system/cpu", "/proc/self/status"), 1, Environment.ProcessorCount);

    /// <summary>Distinct sibling sets among the allowed CPUs; all CPUs where the system does not say.</summary>
    internal static int CountCores(string cpuFolder, string statusFile)
    {
        if (!File.Exists(statusFile)) return Environment.ProcessorCount;
        var cores = new HashSet<string>();
        foreach (int cpu in AllowedCpus(statusFile))
        {
            string siblings = Path.Combine(cpuFolder, $"cpu{cpu}", "topology", "thread_siblings_list");
            if (!File.Exists(siblings)) return Environment.ProcessorCount;
            cores.Add(File.ReadAllText(siblings));
        }

        return cores.Count;
    }

    static IEnumerable<int> AllowedCpus(string statusFile)
    {
        const string Key = "Cpus_allowed_list:";
        string? line = File.ReadLines(statusFile)
            .FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
        return line is null ? Enumerable.Range(0, Environment.ProcessorCount) : ParseList(line[Key.Length..]);
    }

    /// <summary>"0-2,5" → 0, 1, 2, 5.</summary>
    internal static IEnumerable<int> ParseList(string list)
    {
        const StringSplitOptions Options = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        foreach (string range in list.Split(',', Options))
        {
            int dash = range.IndexOf('-', StringComparison.Ordinal);
            int first = int.Parse(dash < 0 ? range : range[..dash]);
            int last = int.Parse(range[(dash + 1)..]);
            for (int cpu = first; cpu <= last; cpu++) yield return cpu;
        }
    }
}
