using System.IO.Compression;
using System.Text.Json;

namespace Vllm.Tests;

/// <summary>
/// Ground truth recorded from the reference systems. The folder is named by <c>VLLM_FIXTURES</c>; without it the
/// shared folder beside the repository, and without that the small committed subset <c>tests/fixtures</c>.
/// Tests enumerate what is there; no case is named in code.
/// </summary>
static class Fixtures
{
    public static string RepositoryRoot { get; } = FindRepositoryRoot();

    public static string Root { get; } = FindRoot();

    /// <summary>Where the files that cases refer to (tokenizers, templates) are found when <see cref="Root"/> holds
    /// cases only: <c>VLLM_FIXTURES_FILES</c>, else the shared folder, else <see cref="Root"/>.</summary>
    public static string FilesRoot { get; } = Environment.GetEnvironmentVariable("VLLM_FIXTURES_FILES") is { Length: > 0 } named
        ? named
        : Directory.Exists(SharedRoot) ? SharedRoot : Root;

    static string SharedRoot => Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", "fixtures"));

    /// <summary>The folder of a family. It may be absent: enumerate with <see cref="Folders"/> and <see cref="Lines"/>.</summary>
    public static string Family(string family) => Path.Combine(Root, family);

    /// <summary>Subfolders of a family, ordinally sorted; empty when the family is absent.</summary>
    public static IEnumerable<string> Folders(params string[] parts)
    {
        string folder = Path.Combine([Root, .. parts]);
        return Directory.Exists(folder) ? Directory.GetDirectories(folder).Order(StringComparer.Ordinal) : [];
    }

    /// <summary>The path of a file of a family: in <see cref="Root"/> when it is there, else in <see cref="FilesRoot"/>.</summary>
    public static string FindFile(params string[] parts)
    {
        string path = Path.Combine([Root, .. parts]);
        return File.Exists(path) ? path : Path.Combine([FilesRoot, .. parts]);
    }

    /// <summary>The JSON lines of a file, plain or gzipped (<c>name</c> or <c>name.gz</c>); empty when there is none.</summary>
    public static IEnumerable<JsonElement> Lines(string path)
    {
        foreach (string line in ReadText(path).Split('\n'))
            if (line.Length > 0)
                yield return JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 1024 }).RootElement;
    }

    static string ReadText(string path)
    {
        if (File.Exists(path) && !path.EndsWith(".gz", StringComparison.Ordinal)) return File.ReadAllText(path);
        string zipped = path.EndsWith(".gz", StringComparison.Ordinal) ? path : path + ".gz";
        if (!File.Exists(zipped)) return "";
        using var reader = new StreamReader(new GZipStream(File.OpenRead(zipped), CompressionMode.Decompress));
        return reader.ReadToEnd();
    }

    static string FindRepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Vllm.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("no Vllm.slnx above the tests");
        return folder;
    }

    static string FindRoot()
    {
        if (Environment.GetEnvironmentVariable("VLLM_FIXTURES") is { Length: > 0 } named) return Path.GetFullPath(named);
        return Directory.Exists(SharedRoot) ? SharedRoot : Path.Combine(RepositoryRoot, "tests", "fixtures");
    }
}
