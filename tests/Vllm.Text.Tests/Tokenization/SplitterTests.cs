using System.Text;
using System.Text.Json;
using Vllm.Text.Tokenization.Patterns;

namespace Vllm.Text.Tests.Tokenization;

public class SplitterTests
{
    /// <summary>Characters that the patterns tell apart, from every class.</summary>
    const string Alphabet =
        "aAzZsStTrReEvVmMlLdD019 '\r\n\t/.-_!$^ſKéÉßıǅʰªק漢字กा\u0301\u0903٣½Ⅷ\u00A0\u2003\u200B\u3000😀𝐀𝒜𐐀\u0000\uFFFD";

    public static TheoryData<string> ScannedPatterns => [.. SplitterCatalog.ScannedPatterns];

    [Theory]
    [MemberData(nameof(ScannedPatterns))]
    public void Scanner_CutsAsTheRegex(string pattern)
    {
        // Patterns with spelled-out case are llama.cpp's.
        RegexFlavor flavor = pattern.Contains("[sS]", StringComparison.Ordinal)
            || pattern.Contains("[^a-z]", StringComparison.Ordinal)
            ? RegexFlavor.LlamaCpp : RegexFlavor.Oniguruma;
        Splitter scanner = SplitterCatalog.Create(pattern, flavor);
        var regex = new RegexSplitter(RegexProgram.Compile(pattern, flavor));
        Rune[] alphabet = [.. Alphabet.EnumerateRunes()];
        var random = new Random(1);

        for (int i = 0; i < 6000; i++)
        {
            // Few different characters in one text, so that there are runs of them.
            Rune[] few = random.GetItems(alphabet, random.Next(1, 6));
            string text = string.Concat(random.GetItems(few, random.Next(1, 14)));
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            Assert.True(Cut(scanner, utf8) == Cut(regex, utf8),
                $"{JsonSerializer.Serialize(text)}: {Cut(scanner, utf8)} for {Cut(regex, utf8)}");
        }
    }

    [Theory]
    [InlineData(@"(?:a|ab)(?:c|bcd)", "abcd", "abcd")]
    [InlineData(@"\p{N}{1,3}+", "12345678", "12345678")]
    [InlineData(@"a++b|a", "aac", "a a c")]
    [InlineData(@"(?<=\d)x", "1x x", "1 x ' x'")]
    [InlineData(@"(?i:straße)", "STRAßE", "STRAßE")]
    [InlineData(@"[a-z&&[^aeiou]]+", "hello", "h e ll o")]
    [InlineData(@"[^[:alpha:]]", "a1b", "a 1 b")]
    [InlineData(@"(?:a*)*b", "aaab", "aaab")]
    [InlineData(@"\x{1F600}|\u0061", "a😀b", "a 😀 b")]
    [InlineData(@"(?>a|ab)c|b", "abc", "a b c")]
    [InlineData(@"a{2}", "aaaaa", "aa aa a")]
    [InlineData(@"a+?", "aaa", "a a a")]
    [InlineData(@"(?x) a b # comment", "xaby", "x ab y")]
    [InlineData(@"\bfoo\b", "foo food", "foo ' food'")]
    public void Regex_CutsAsOniguruma(string pattern, string text, string expected)
    {
        var splitter = new RegexSplitter(RegexProgram.Compile(pattern, RegexFlavor.Oniguruma));

        Assert.Equal(expected, Cut(splitter, Encoding.UTF8.GetBytes(text)));
    }

    [Theory]
    [InlineData("(")]
    [InlineData("[a")]
    [InlineData("*a")]
    [InlineData(@"\p{Nonsense}")]
    [InlineData(@"(a)\1")]
    [InlineData("a)")]
    [InlineData("(?")]
    [InlineData("\\")]
    public void Regex_RefusesWhatItCannotRead(string pattern) =>
        Assert.Throws<FormatException>(() => RegexProgram.Compile(pattern, RegexFlavor.Oniguruma));

    /// <summary>The pieces, in quotes where they hold a space.</summary>
    static string Cut(Splitter splitter, byte[] utf8)
    {
        var pieces = new List<string>();
        for (int start = 0, end; start < utf8.Length; start = end)
        {
            end = splitter.PieceEnd(utf8, start);
            string piece = Encoding.UTF8.GetString(utf8.AsSpan(start..end));
            pieces.Add(piece.Contains(' ', StringComparison.Ordinal) ? $"'{piece}'" : piece);
        }
        return string.Join(' ', pieces);
    }
}
