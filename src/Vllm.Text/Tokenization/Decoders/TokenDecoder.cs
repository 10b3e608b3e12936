using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using Vllm.Text.Tokenization.Patterns;
using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tokenization.Decoders;

/// <summary>A step from tokens towards text: changes, joins or drops the strings of a list, in place.</summary>
abstract class TokenDecoder
{
    public abstract void Decode(List<string> tokens);
}

sealed class DecoderSequence(IReadOnlyList<TokenDecoder> steps) : TokenDecoder
{
    public IReadOnlyList<TokenDecoder> Steps => steps;

    public override void Decode(List<string> tokens)
    {
        foreach (TokenDecoder step in steps) step.Decode(tokens);
    }
}

/// <summary><c>ByteLevel</c>: the bytes that the <see cref="ByteAlphabet"/> stands for, as one string.</summary>
sealed class ByteLevelDecoder : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        var bytes = new List<byte>();
        foreach (string token in tokens) bytes.AddRange(BytesOf(token));
        tokens.Clear();
        tokens.Add(Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes)));
    }

    /// <summary>The bytes of a token; one with any character outside the alphabet stands for itself.</summary>
    public static byte[] BytesOf(string token)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(token);
        byte[] bytes = new byte[utf8.Length];
        return ByteAlphabet.TryDecode(utf8, bytes, out int length) ? bytes[..length] : utf8;
    }
}

/// <summary><c>ByteFallback</c>: runs of <c>&lt;0xNN&gt;</c> become text; each byte of a run that is no UTF-8 becomes
/// U+FFFD.</summary>
sealed class ByteFallbackDecoder : TokenDecoder
{
    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public override void Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        var bytes = new List<byte>();
        foreach (string token in tokens)
        {
            if (TryParse(token, out byte value))
            {
                bytes.Add(value);
                continue;
            }
            Flush();
            result.Add(token);
        }
        Flush();
        tokens.Clear();
        tokens.AddRange(result);

        void Flush()
        {
            if (bytes.Count == 0) return;
            ReadOnlySpan<byte> run = CollectionsMarshal.AsSpan(bytes);
            if (Utf8.IsValid(run)) result.Add(Strict.GetString(run));
            else
                for (int i = 0; i < run.Length; i++) result.Add("\uFFFD");
            bytes.Clear();
        }
    }

    public static bool TryParse(string token, out byte value)
    {
        value = 0;
        if (token.Length != 6 || !token.StartsWith("<0x", StringComparison.Ordinal) || token[5] != '>') return false;
        // Rust's from_str_radix also takes a plus sign.
        ReadOnlySpan<char> digits = token[3] == '+' ? token.AsSpan(4, 1) : token.AsSpan(3, 2);
        return byte.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}

/// <summary><c>Metaspace</c>: the mark becomes a space, and vanishes from the first token unless it was never
/// added.</summary>
sealed class MetaspaceDecoder(string replacement, PrependScheme scheme) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        for (int i = 0; i < tokens.Count; i++)
            tokens[i] = tokens[i].Replace(replacement, i == 0 && scheme != PrependScheme.Never ? "" : " ",
                StringComparison.Ordinal);
    }
}

sealed class FuseDecoder : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        string joined = string.Concat(tokens);
        tokens.Clear();
        tokens.Add(joined);
    }
}

/// <summary><c>Strip</c>: up to a number of one character from both ends of each token.</summary>
sealed class StripDecoder(string content, int start, int stop) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            ReadOnlySpan<char> token = tokens[i];
            for (int k = 0; k < start && token.StartsWith(content); k++) token = token[content.Length..];
            for (int k = 0; k < stop && token.EndsWith(content); k++) token = token[..^content.Length];
            tokens[i] = token.ToString();
        }
    }
}

/// <summary><c>Replace</c>, token by token.</summary>
sealed class ReplaceDecoder(TextPattern pattern, string content) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        for (int i = 0; i < tokens.Count; i++) tokens[i] = Replace(tokens[i]);
    }

    string Replace(string token)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(token);
        List<PatternPart> parts = pattern.FindParts(utf8);
        if (!parts.Exists(p => p.IsMatch)) return token;
        var text = new StringBuilder();
        foreach (PatternPart part in parts)
            text.Append(part.IsMatch ? content : Encoding.UTF8.GetString(utf8.AsSpan(part.Start..part.End)));
        return text.ToString();
    }
}

/// <summary><c>BPEDecoder</c>: the end-of-word suffix becomes a space, and vanishes from the last token.</summary>
sealed class BpeSuffixDecoder(string suffix) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        if (suffix.Length == 0) return;
        for (int i = 0; i < tokens.Count; i++)
            tokens[i] = tokens[i].Replace(suffix, i == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal);
    }
}

/// <summary><c>WordPiece</c>: continuations lose their prefix, other tokens get a space before them.</summary>
sealed class WordPieceDecoder(string prefix, bool cleansUp) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            if (i > 0) tokens[i] = tokens[i].StartsWith(prefix, StringComparison.Ordinal) ? tokens[i][prefix.Length..]
                : " " + tokens[i];
            if (cleansUp) tokens[i] = CleanUp(tokens[i]);
        }
    }

    /// <summary>Removes the spaces that English does not have before punctuation and contractions.</summary>
    public static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal).Replace(" ,", ",", StringComparison.Ordinal)
        .Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" do not", " don't", StringComparison.Ordinal)
        .Replace(" 's", "'s", StringComparison.Ordinal).Replace(" 've", "'ve", StringComparison.Ordinal)
        .Replace(" 're", "'re", StringComparison.Ordinal);
}

/// <summary><c>CTC</c>: repeated tokens count once, padding vanishes, the delimiter becomes a space.</summary>
sealed class CtcDecoder(string padToken, string delimiter, bool cleansUp) : TokenDecoder
{
    public override void Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        for (int i = 0; i < tokens.Count; i++)
        {
            if (i > 0 && tokens[i] == tokens[i - 1]) continue;
            string token = padToken.Length == 0 ? tokens[i] : tokens[i].Replace(padToken, "", StringComparison.Ordinal);
            if (cleansUp) token = WordPieceDecoder.CleanUp(token).Replace(delimiter, " ", StringComparison.Ordinal);
            if (token.Length > 0) result.Add(token);
        }
        tokens.Clear();
        tokens.AddRange(result);
    }
}
