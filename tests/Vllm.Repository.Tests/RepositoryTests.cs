using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Vllm.Tests;

/// <summary>The repository says of itself what is true.</summary>
public sealed partial class RepositoryTests
{
    /// <summary>What each product project may refer to.</summary>
    static readonly Dictionary<string, string[]> Layout = new()
    {
        ["Vllm.Kernels"] = [],
        ["Vllm.Text"] = [],
        ["Vllm.Models"] = ["Vllm.Kernels"],
        ["Vllm.Engine"] = ["Vllm.Models", "Vllm.Text"],
        ["Vllm.Server"] = ["Vllm.Engine"],
        ["Vllm.Cli"] = ["Vllm.Server"],
    };

    static string Root => Fixtures.RepositoryRoot;

    static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    [Theory]
    [InlineData("docs/architecture.md")]
    [InlineData("README.md")]
    public void Document_NamesPathsThatExist(string document)
    {
        string[] paths = [.. PathPattern().Matches(File.ReadAllText(Path.Combine(Root, document))).Select(match => match.Groups[1].Value)];

        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.True(Path.Exists(Path.Combine(Root, path)), path));
    }

    [Fact]
    public void ProjectReferences_MatchLayout()
    {
        foreach (string project in Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            string[] references = [.. XDocument.Load(project).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value)).Order()];

            Assert.Equal(Layout[Path.GetFileNameWithoutExtension(project)], references);
        }
    }

    [Fact]
    public void Unsafe_IsInKernelsOnly()
    {
        string kernels = Path.Combine(Root, "src", "Vllm.Kernels");
        Assert.DoesNotContain(Sources("src"), path => !path.StartsWith(kernels, StringComparison.Ordinal)
            && UnsafePattern().IsMatch(File.ReadAllText(path)));
    }

    [Fact]
    public void ReadmeCode_IsInSamples()
    {
        string samples = string.Join('\n', Sources("samples").Select(File.ReadAllText));
        string[] blocks = [.. CodePattern().Matches(File.ReadAllText(Path.Combine(Root, "README.md"))).Select(match => match.Groups[1].Value)];

        Assert.NotEmpty(blocks);
        foreach (string line in blocks.SelectMany(block => block.Split('\n', StringSplitOptions.RemoveEmptyEntries)))
            Assert.Contains(line.Trim(), samples);
    }

    [GeneratedRegex("`((?:src|tests|docs|samples|bench|models|eng)/[^`* ]+)`")]
    private static partial Regex PathPattern();

    [GeneratedRegex(@"^\s*(?:[a-z]+ )*unsafe ", RegexOptions.Multiline)]
    private static partial Regex UnsafePattern();

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodePattern();
}
