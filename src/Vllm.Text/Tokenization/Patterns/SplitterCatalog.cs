namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Makes the splitter of a pattern: a hand-written scanner for the patterns that most models use (recognised
/// by their exact text), the regex engine for any other.</summary>
static class SplitterCatalog
{
    const string AnyCaseContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    const string AsciiContractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    const string Word = @"[^\r\n\p{L}\p{N}]?\p{L}+";
    const string Punctuation = @" ?[^\s\p{L}\p{N}]+[\r\n]*";
    const string Spaces = @"\s*[\r\n]+|\s+(?!\S)|\s+";
    const string UpperLower = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";
    const string UpperOnly = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";
    const string AsciiUpperLower = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+";
    const string AsciiUpperOnly = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*";
    const string SlashPunctuation = @" ?[^\s\p{L}\p{N}]+[\r\n/]*";

    /// <summary>GPT-2's pattern.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    static readonly Dictionary<string, Func<RegexFlavor, Splitter>> Scanners = new()
    {
        [Gpt2] = f => new Gpt2Scanner(f.Classes),
        [$"{AnyCaseContractions}|{Word}|\\p{{N}}{{1,3}}|{Punctuation}|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(3, ContractionCase.Ignored)),
        [$"{AnyCaseContractions}|{Word}|\\p{{N}}|{Punctuation}|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(1, ContractionCase.Ignored)),
        [$@"{AnyCaseContractions}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(1, ContractionCase.Ignored, WithMarks: true)),
        [$"{AsciiContractions}|{Word}|\\p{{N}}{{1,3}}|{Punctuation}|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(3, ContractionCase.AsciiIgnored)),
        [$"{AsciiContractions}|{Word}|\\p{{N}}|{Punctuation}|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(1, ContractionCase.AsciiIgnored)),
        [$@"{AsciiContractions}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(1, ContractionCase.AsciiIgnored, WithMarks: true)),
        [$@"{AsciiContractions}|{Word}|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{Spaces}"] =
            f => new Cl100kScanner(f.Classes,
                new Cl100kOptions(1, ContractionCase.AsciiIgnored, PunctuationTakesLineBreaks: false)),
        [$"{Word}|\\p{{N}}|{Punctuation}|{Spaces}"] =
            f => new Cl100kScanner(f.Classes, new Cl100kOptions(1, ContractionCase.None)),
        [$"{UpperLower}{AnyCaseContractions}?|{UpperOnly}{AnyCaseContractions}?|\\p{{N}}{{1,3}}|{SlashPunctuation}|{Spaces}"] =
            f => new O200kScanner(f.Classes, 3, ContractionCase.Ignored),
        [$"{UpperLower}|{UpperOnly}|\\p{{N}}|{SlashPunctuation}|{Spaces}"] =
            f => new O200kScanner(f.Classes, 1, ContractionCase.None),
        [$"{AsciiUpperLower}{AsciiContractions}?|{AsciiUpperOnly}{AsciiContractions}?|\\p{{N}}{{1,3}}|{SlashPunctuation}|{Spaces}"] =
            f => new O200kScanner(f.Classes, 3, ContractionCase.AsciiIgnored),
        [$"{AsciiUpperLower}|{AsciiUpperOnly}|\\p{{N}}|{SlashPunctuation}|{Spaces}"] =
            f => new O200kScanner(f.Classes, 1, ContractionCase.None),
        [DeepSeekScanner.Pattern] = f => new DeepSeekScanner(f.Classes),
        [DeepSeekScanner.Pattern.Replace(@"\r\n", "\r\n", StringComparison.Ordinal)] = f => new DeepSeekScanner(f.Classes),
        [DigitGroupScanner.Pattern] = f => new DigitGroupScanner(f),
        [DigitGroupSeparator.Pattern] = f => new DigitGroupSeparator(f),
        [@"\p{N}"] = f => new DigitScanner(f.Classes, 1),
        [@"\p{N}{1,3}"] = f => new DigitScanner(f.Classes, 3),
        [@"\p{N}+"] = f => new DigitScanner(f.Classes, int.MaxValue),
    };

    /// <summary>The patterns that have a scanner.</summary>
    public static IReadOnlyCollection<string> ScannedPatterns => Scanners.Keys;

    /// <exception cref="FormatException">The pattern is malformed or uses an unsupported construct.</exception>
    public static Splitter Create(string pattern, RegexFlavor flavor) =>
        Scanners.TryGetValue(pattern, out Func<RegexFlavor, Splitter>? make)
            ? make(flavor)
            : new RegexSplitter(RegexProgram.Compile(pattern, flavor));
}
