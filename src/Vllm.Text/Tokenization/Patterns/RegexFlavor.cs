using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>What an engine's shorthand classes mean.</summary>
/// <param name="Space"><c>\s</c></param>
/// <param name="Digit"><c>\d</c></param>
/// <param name="Word"><c>\w</c>, also for <c>\b</c></param>
/// <param name="LineAnchors">Whether <c>^</c> and <c>$</c> match at every line, not only at the ends of the
/// text.</param>
/// <param name="CollapsesLetters">Whether <c>\p{Lu}</c>, <c>\p{Ll}</c> … all mean <c>\p{L}</c>.</param>
sealed record RegexFlavor(CodePointSet Space, CodePointSet Digit, CodePointSet Word, bool LineAnchors,
    bool CollapsesLetters)
{
    /// <summary>The classes that hand-written scanners use in place of the pattern's.</summary>
    public CharClasses Classes => CollapsesLetters ? CharClasses.LlamaCpp : CharClasses.Unicode;

    /// <summary>Oniguruma with Unicode, which reads the patterns of tokenizer.json.</summary>
    public static RegexFlavor Oniguruma { get; } = new(
        CodePointSet.Of(CodePoints.IsWhiteSpace),
        CodePointSet.OfCategories(Categories.Nd),
        CodePointSet.Of(UnicodeProperties.IsWord),
        LineAnchors: true,
        CollapsesLetters: false);

    /// <summary>C++ <c>std::regex</c> over text in which llama.cpp has replaced each non-ASCII character by one
    /// standing for its category: spaces stay spaces, letters lose their case, digits and words are ASCII.</summary>
    public static RegexFlavor LlamaCpp { get; } = new(
        CodePointSet.Of(CodePoints.IsWhiteSpace),
        CodePointSet.Of('0', '9'),
        CodePointSet.Of(c => c < 128 && (c == '_' || char.IsAsciiLetterOrDigit((char)c))),
        LineAnchors: false,
        CollapsesLetters: true);
}
