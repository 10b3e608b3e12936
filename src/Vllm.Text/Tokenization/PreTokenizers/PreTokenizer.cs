using System.Text;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.Patterns;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.PreTokenizers;

/// <summary>A step that cuts text into the pieces that the model sees. Stateless.</summary>
abstract class PreTokenizer
{
    public abstract void PreTokenize(PreTokenizedText text);
}

sealed class PreTokenizerSequence(IReadOnlyList<PreTokenizer> steps) : PreTokenizer
{
    public IReadOnlyList<PreTokenizer> Steps => steps;

    public override void PreTokenize(PreTokenizedText text)
    {
        foreach (PreTokenizer step in steps) step.PreTokenize(text);
    }
}

/// <summary><c>Split</c>, and the pre-tokenizers that are splits at a fixed pattern.</summary>
sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool inverts = false) : PreTokenizer
{
    /// <summary>The regular expression if each of its matches becomes a piece.</summary>
    public string? IsolatedRegex => behavior == SplitBehavior.Isolated ? pattern.Regex : null;

    public override void PreTokenize(PreTokenizedText text) =>
        text.Split((piece, parts) => PatternSplit.Split(piece, pattern, behavior, inverts, parts));

    /// <summary><c>Whitespace</c>: words, and runs of what is neither word nor space.</summary>
    public static SplitPreTokenizer Whitespace() =>
        new(new RegexPattern(@"[\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+"), SplitBehavior.Removed, inverts: true);

    public static SplitPreTokenizer WhitespaceSplit() =>
        new(new CodePointPattern(CodePoints.IsWhiteSpace), SplitBehavior.Removed);

    public static SplitPreTokenizer CharDelimiter(string delimiter) =>
        new(new StringPattern(delimiter), SplitBehavior.Removed);

    public static SplitPreTokenizer Digits(bool individual) =>
        new(new CodePointPattern(c => CodePoints.IsIn(c, Categories.N)),
            individual ? SplitBehavior.Isolated : SplitBehavior.Contiguous);

    public static SplitPreTokenizer Punctuation(SplitBehavior behavior) =>
        new(new CodePointPattern(IsPunctuation), behavior);

    /// <summary><c>BertPreTokenizer</c>: at white space, and around each punctuation mark.</summary>
    public static PreTokenizerSequence Bert() => new([WhitespaceSplit(), Punctuation(SplitBehavior.Isolated)]);

    static bool IsPunctuation(int c) =>
        c < 128 && CodePoints.IsIn(c, Categories.P | Categories.S) || CodePoints.IsIn(c, Categories.P);
}

/// <summary>Which pieces get the leading mark.</summary>
enum PrependScheme { Always, First, Never }

/// <summary><c>Metaspace</c>: spaces become a visible mark, which also stands before the text.</summary>
sealed class MetaspacePreTokenizer(string replacement, PrependScheme scheme, bool splits) : PreTokenizer
{
    static readonly TextPattern Space = new StringPattern(" ");

    readonly byte[] _mark = Encoding.UTF8.GetBytes(replacement);
    readonly ReplaceNormalizer _replacer = new(Space, replacement);
    readonly StringPattern _pattern = new(replacement);

    public override void PreTokenize(PreTokenizedText text) => text.Split((piece, parts) =>
    {
        _replacer.Normalize(piece);
        bool isFirst = scheme == PrependScheme.Always || scheme == PrependScheme.First && piece.Original.Start == 0;
        if (isFirst && !piece.Bytes.StartsWith(_mark)) piece.Prepend(_mark);
        if (splits) PatternSplit.Split(piece, _pattern, SplitBehavior.MergedWithNext, inverts: false, parts);
        else parts.Add(new TextPiece(piece));
    });
}

/// <summary><c>ByteLevel</c>: GPT-2's words, written in the <see cref="ByteAlphabet"/>.</summary>
sealed class ByteLevelPreTokenizer(bool addsPrefixSpace, bool usesRegex) : PreTokenizer
{
    static readonly RegexPattern Words = new(SplitterCatalog.Gpt2);

    public bool AddsPrefixSpace => addsPrefixSpace;

    public bool UsesRegex => usesRegex;

    public override void PreTokenize(PreTokenizedText text)
    {
        text.Split((piece, parts) =>
        {
            if (addsPrefixSpace && !piece.Bytes.StartsWith(" "u8)) piece.Prepend(" "u8);
            if (usesRegex) PatternSplit.Split(piece, Words, SplitBehavior.Isolated, inverts: false, parts);
            else parts.Add(new TextPiece(piece));
        });
        text.Normalize(piece => piece.EncodeBytes());
    }
}

/// <summary><c>FixedLength</c>: pieces of a number of code points.</summary>
sealed class FixedLengthPreTokenizer(int length) : PreTokenizer
{
    public override void PreTokenize(PreTokenizedText text) => text.Split((piece, parts) =>
    {
        ReadOnlySpan<byte> bytes = piece.Bytes;
        for (int start = 0, end = 0; start < bytes.Length; start = end)
        {
            for (int i = 0; i < length && end < bytes.Length; i++)
            {
                CodePoints.Decode(bytes, end, out int size);
                end += size;
            }
            parts.Add(new TextPiece(piece.Slice(start, end)));
        }
    });
}

/// <summary><c>UnicodeScripts</c>: where the script changes. Japanese counts as one script; spaces and code points
/// without a script go with what is before them, and are dropped at the start.</summary>
sealed class UnicodeScriptsPreTokenizer : PreTokenizer
{
    const string Han = "han";

    public override void PreTokenize(PreTokenizedText text) => text.Split((piece, parts) =>
    {
        ReadOnlySpan<byte> bytes = piece.Bytes;
        string? last = null;
        int start = bytes.Length;
        for (int i = 0, size; i < bytes.Length; i += size)
        {
            string? script = ScriptOf(CodePoints.Decode(bytes, i, out size));
            if (script is null || script == last) continue;
            if (last is not null) parts.Add(new TextPiece(piece.Slice(start, i)));
            start = i;
            last = script;
        }
        parts.Add(new TextPiece(piece.Slice(start, bytes.Length)));
    });

    static string? ScriptOf(int c)
    {
        if (c == ' ') return null;
        // The prolonged sound mark, which Unicode calls common.
        if (c == 0x30FC) return Han;
        string? script = UnicodeProperties.ScriptOf(c);
        return script is "hiragana" or "katakana" ? Han : script;
    }
}
