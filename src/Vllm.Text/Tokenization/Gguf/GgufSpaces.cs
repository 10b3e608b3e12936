namespace Vllm.Text.Tokenization.Gguf;

/// <summary>llama.cpp's <c>clean_up_tokenization_spaces</c>, over bytes.</summary>
static class GgufSpaces
{
    /// <summary>Removes spaces before punctuation and contractions, in place; returns the new length.</summary>
    public static int Clean(Span<byte> text)
    {
        int length = RemoveBeforePunctuation(text);
        length = RemoveAroundApostrophe(text[..length]);
        return RemoveBeforeContraction(text[..length]);
    }

    static int RemoveBeforePunctuation(Span<byte> text)
    {
        int end = Math.Min(1, text.Length);
        for (int i = 1; i < text.Length; i++)
        {
            byte c = text[i];
            if (text[i - 1] == ' ' && c is (byte)'?' or (byte)'!' or (byte)'.' or (byte)',') end--;
            text[end++] = c;
        }
        return end;
    }

    static int RemoveAroundApostrophe(Span<byte> text)
    {
        int end = Math.Min(1, text.Length);
        for (int i = 1; i < text.Length; i++)
        {
            byte c = text[i];
            if (c == '\'' && i + 1 < text.Length && text[i - 1] == ' ' && text[i + 1] == ' ')
            {
                end--;
                // The next space is skipped; what follows it must not see a space before it.
                text[++i] = 0;
            }
            text[end++] = c;
        }
        return end;
    }

    static int RemoveBeforeContraction(Span<byte> text)
    {
        int end = Math.Min(1, text.Length);
        for (int i = 1; i < text.Length; i++)
        {
            byte c = text[i];
            if (text[i - 1] == ' ' && c == '\'' && IsContraction(text[(i + 1)..])) end--;
            text[end++] = c;
        }
        return end;
    }

    static bool IsContraction(ReadOnlySpan<byte> rest) =>
        rest.Length > 0 && rest[0] is (byte)'s' or (byte)'m' || rest.StartsWith("re"u8) || rest.StartsWith("ve"u8);
}
