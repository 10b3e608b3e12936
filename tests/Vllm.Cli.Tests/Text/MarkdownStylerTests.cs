using System.Text.RegularExpressions;
using Vllm.Cli.Text;

namespace Vllm.Tests.Text;

public sealed partial class MarkdownStylerTests
{
    const string Sample = """
        # A heading
        Some **bold** and `code * here`, 2 ** 3 = 8, 2 * 3, #tag, ****.
          - an item
        * another **one
        1. numbered
        ```csharp
        var x = a ** b; // `#` - not marks
        # nor this
        ```
        ###### six
        ####### seven
        ends with *
        """;

    [Theory]
    [InlineData("a **b** c", "a <b>b<> c")]
    [InlineData("`**a**`", "<c>**a**<>")]
    [InlineData("**a `b` c**", "<b>a <b><c>b<b> c<>")]
    [InlineData("## Title\ntext", "<b>Title<>\ntext")]
    [InlineData("- a\n  * b\n-c", "• a\n  • b\n-c")]
    [InlineData("2 ** 3 * 4 *", "2 ** 3 * 4 *")]
    [InlineData("**never closed\nnext", "<b>never closed<>\nnext")]
    [InlineData("```py\n**x**\n```\ny", "<><f>```py<c>\n**x**\n<><f>```<>\ny")]
    [InlineData("`cut", "<c>cut<>")]
    [InlineData("####### seven", "####### seven")]
    [InlineData("  ", "  ")]
    [InlineData("", "")]
    public void Push_StylesMarks(string markdown, string expected) => Assert.Equal(expected, Readable(Style(markdown, 1000)));

    [Fact]
    public void Push_DoesNotDependOnThePieces()
    {
        string expected = Style(Sample, 1000);

        for (int size = 1; size < 20; size++) Assert.Equal(expected, Style(Sample, size));
    }

    [Fact]
    public void Push_LosesNoText()
    {
        static string Letters(string text) => string.Concat(text.Where(char.IsLetterOrDigit));

        Assert.Equal(Letters(Sample), Letters(Escapes().Replace(Style(Sample, 3), "")));
    }

    static string Style(string text, int pieceLength)
    {
        var styler = new MarkdownStyler();
        IEnumerable<string> pieces = text.Chunk(pieceLength).Select(piece => styler.Push(new string(piece)));
        return string.Concat(pieces) + styler.Finish();
    }

    /// <summary>Resets before another style are not shown: both start from nothing.</summary>
    static string Readable(string styled) => styled
        .Replace("\e[0m\e[1m\e[36m", "<b><c>").Replace("\e[0m\e[1m", "<b>").Replace("\e[0m\e[36m", "<c>")
        .Replace("\e[0m", "<>").Replace("\e[2m", "<f>").Replace("\e[36m", "<c>");

    [GeneratedRegex("\e\\[[0-9]*m")]
    private static partial Regex Escapes();
}
