using System.Diagnostics;
using System.Text;
using Vllm.Models.Loading;
using Vllm.Text.Tokenization;

namespace Vllm.Micro;

/// <summary>How fast one thread turns text into ids and back.</summary>
static class TokenizerBenchmark
{
    const int NumRounds = 7;
    const int MinTextBytes = 1 << 20;

    /// <param name="model">A GGUF file or a tokenizer.json.</param>
    /// <param name="files">Texts; empty: the prose and the code of the repository in the working directory.</param>
    public static void Run(string model, string[] files)
    {
        Tokenizer tokenizer = Load(model);
        if (files.Length > 0)
        {
            foreach (string file in files) Measure(tokenizer, file, File.ReadAllText(file));
            return;
        }
        Measure(tokenizer, "English", Concatenate("*.md"));
        Measure(tokenizer, "code", Concatenate("*.cs"));
    }

    static Tokenizer Load(string model)
    {
        if (model.EndsWith(".json", StringComparison.Ordinal)) return Tokenizer.FromFile(model);
        using GgufFile file = GgufFile.Open(model);
        return Tokenizer.FromGguf(file.Metadata);
    }

    static string Concatenate(string pattern)
    {
        char separator = Path.DirectorySeparatorChar;
        IEnumerable<string> paths = Directory.EnumerateFiles(".", pattern, SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{separator}obj{separator}", StringComparison.Ordinal)
                && !path.Contains("node_modules", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
        return string.Concat(paths.Select(File.ReadAllText));
    }

    static void Measure(Tokenizer tokenizer, string name, string text)
    {
        int textBytes = Encoding.UTF8.GetByteCount(text);
        int numRepeats = Math.Max(1, MinTextBytes / textBytes);
        int[] ids = tokenizer.Encode(text);
        double encode = Best(() => tokenizer.Encode(text));
        double decode = Best(() => tokenizer.Decode(ids));
        Console.WriteLine($"{name}: {textBytes / 1e6:F2} MB, {(double)textBytes / ids.Length:F2} bytes per token, "
            + $"encode {encode:F1} MB/s, decode {decode:F1} MB/s (best of {NumRounds})");

        double Best(Action run)
        {
            double best = 0;
            for (int round = 0; round < NumRounds; round++)
            {
                var clock = Stopwatch.StartNew();
                for (int i = 0; i < numRepeats; i++) run();
                best = Math.Max(best, numRepeats * (double)textBytes / 1e6 / clock.Elapsed.TotalSeconds);
            }
            return best;
        }
    }
}
