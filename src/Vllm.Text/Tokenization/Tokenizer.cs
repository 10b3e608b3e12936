using System.Text;
using Vllm.Text.Tokenization.Gguf;
using Vllm.Text.Tokenization.Json;

namespace Vllm.Text.Tokenization;

/// <summary>
/// Text to token ids and back, with the rules of the library that the tokenizer's file belongs to: Hugging Face
/// <c>tokenizers</c> for tokenizer.json, llama.cpp for GGUF. Immutable once loaded; any number of threads may use one.
/// </summary>
public abstract class Tokenizer
{
    /// <summary>Reads a tokenizer.json. Truncation and padding in the file are ignored.</summary>
    /// <exception cref="TokenizerLoadException">The file is malformed or asks for something unknown.</exception>
    public static Tokenizer FromFile(string path) => TokenizerJson.Read(File.ReadAllBytes(path), path);

    /// <summary>Takes the tokenizer out of the metadata of a GGUF file: strings as <see cref="string"/>, scalars as
    /// their .NET type, arrays as <c>string[]</c>, <c>int[]</c>, <c>float[]</c> ….</summary>
    /// <exception cref="TokenizerLoadException">A key is missing, malformed or has an unknown value.</exception>
    public static Tokenizer FromGguf(IReadOnlyDictionary<string, object> metadata) => GgufTokenizer.Create(metadata);

    /// <summary>Number of tokens, added tokens included.</summary>
    public abstract int VocabSize { get; }

    /// <summary>The begin-of-sequence token that the file names; tokenizer.json names none.</summary>
    public virtual int? BosTokenId => null;

    /// <summary>The end-of-sequence token that the file names; tokenizer.json names none.</summary>
    public virtual int? EosTokenId => null;

    /// <summary>Whether encoding with special tokens begins with <see cref="BosTokenId"/>.</summary>
    public virtual bool AddsBos => false;

    /// <summary>The ids of a text.</summary>
    /// <param name="text">Any text; a lone surrogate counts as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether tokens such as BOS are added around it, as the file says.</param>
    /// <param name="parseSpecial">GGUF: whether the text of a special token becomes that token. In a tokenizer.json
    /// it always does.</param>
    public abstract int[] Encode(string text, bool addSpecialTokens = true, bool parseSpecial = true);

    /// <summary>As <see cref="Encode"/>, with the place of each token in the text, and optionally a second
    /// text.</summary>
    /// <exception cref="NotSupportedException">The tokenizer keeps no offsets (GGUF).</exception>
    public abstract TokenEncoding EncodeWithOffsets(string text, string? pair = null, bool addSpecialTokens = true);

    /// <summary>The text of ids. Ids outside the vocabulary are skipped; bytes that are no UTF-8 become
    /// U+FFFD.</summary>
    public abstract string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false);

    /// <summary>The token as the vocabulary writes it, or null.</summary>
    public abstract string? IdToToken(int id);

    /// <summary>The id of a token as the vocabulary writes it, or null.</summary>
    public abstract int? TokenToId(string token);

    /// <summary>Whether decoding skips the token when asked to skip special tokens.</summary>
    public abstract bool IsSpecial(int id);

    /// <summary>Whether the token is kept apart from the text around it: special, or added by the file.</summary>
    public abstract bool IsAdded(int id);

    /// <summary>The bytes that a token contributes to the output in the middle of a text; empty for an id outside the
    /// vocabulary. Meaningful where decoding works token by token, which it does for byte-level and byte-fallback
    /// vocabularies.</summary>
    public abstract ReadOnlySpan<byte> TokenBytes(int id);

    /// <summary>Whether decoding is nothing but joining <see cref="TokenBytes"/>.</summary>
    internal abstract bool DecodesBytewise { get; }

    /// <summary>The text in UTF-8, in a buffer that may be longer.</summary>
    private protected static byte[] ToUtf8(string text, out int length)
    {
        byte[] buffer = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        length = Encoding.UTF8.GetBytes(text, buffer);
        return buffer;
    }
}
