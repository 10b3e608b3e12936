using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Vllm.Server.Generation;

/// <summary>Writes log-probabilities in the three forms of the API. One instance follows one choice from its first to
/// its last chunk, because texts and offsets go on from chunk to chunk.</summary>
/// <param name="tokenText">Texts of tokens.</param>
/// <param name="asIds">Write <c>token_id:17</c> in place of texts.</param>
/// <param name="isBeam">Decode each token alone: in a beam search each is a request of its own, as in vLLM.</param>
sealed class LogprobsWriter(TokenText tokenText, bool asIds, bool isBeam = false)
{
    /// <summary>JSON has no minus infinity; OpenAI's and vLLM's floor.</summary>
    const float Floor = -9999;

    readonly List<int> _context = [];
    int _textOffset;

    /// <summary>The chat form: a list of tokens with bytes and <paramref name="numTop"/> alternatives (-1 =
    /// all).</summary>
    public void WriteChat(Utf8JsonWriter json, IReadOnlyList<TokenLogprobs> logprobs, int numTop)
    {
        json.WriteStartObject();
        json.WriteStartArray("content");
        foreach (TokenLogprobs position in logprobs)
        {
            json.WriteStartObject();
            WriteChatToken(json, position.Token, DecodedText(position.Token.TokenId));
            json.WriteStartArray("top_logprobs");
            foreach (TokenLogprob entry in position.Entries.Take(numTop < 0 ? int.MaxValue : numTop))
            {
                json.WriteStartObject();
                WriteChatToken(json, entry, Text(entry.TokenId));
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
            Advance(position.Token.TokenId);
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The bytes are those of the chosen token's real text, but of the shown text of the others (as in
    /// vLLM).</summary>
    void WriteChatToken(Utf8JsonWriter json, TokenLogprob entry, string textOfBytes)
    {
        json.WriteString("token", Text(entry.TokenId));
        json.WriteNumber("logprob", Clamp(entry.Logprob));
        json.WriteStartArray("bytes");
        foreach (byte b in Encoding.UTF8.GetBytes(textOfBytes)) json.WriteNumberValue(b);
        json.WriteEndArray();
    }

    /// <summary>The completion form: four parallel lists, with <paramref name="numTop"/> alternatives (-1 = all)
    /// besides the chosen token; all there are for the answer's tokens when <paramref name="showsAll"/>. Echoed prompt
    /// tokens come first; the very first has no log-probability.</summary>
    public void WriteCompletion(
        Utf8JsonWriter json, IReadOnlyList<int> tokenIds, IReadOnlyList<TokenLogprobs?> logprobs, int numTop,
        int numPromptTokens, bool showsAll)
    {
        var rows = new List<Row>(tokenIds.Count);
        for (int i = 0; i < tokenIds.Count; i++)
        {
            // Characters do not go on from the prompt into the answer.
            if (i == numPromptTokens && i > 0) _context.Clear();
            string token = Text(tokenIds[i]);
            int numShown = showsAll && i >= numPromptTokens ? -1 : numTop;
            rows.Add(new Row(token, _textOffset, logprobs[i], TopByText(logprobs[i], numShown)));
            _textOffset += TokenText.Length(token);
            if (logprobs[i] is not null) Advance(tokenIds[i]);
        }

        json.WriteStartObject();
        json.WriteStartArray("text_offset");
        foreach (Row row in rows) json.WriteNumberValue(row.Offset);
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (Row row in rows)
        {
            if (row.Position is null) json.WriteNullValue();
            else json.WriteNumberValue(Clamp(row.Position.Token.Logprob));
        }
        json.WriteEndArray();
        json.WriteStartArray("tokens");
        foreach (Row row in rows) json.WriteStringValue(row.Token);
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (Row row in rows) WriteTop(json, row.Top);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Tokens with the same text share a key, which keeps the first one's place and the last one's
    /// value.</summary>
    Dictionary<string, float>? TopByText(TokenLogprobs? position, int numTop)
    {
        if (position is null) return null;
        var top = new Dictionary<string, float>();
        foreach (TokenLogprob entry in position.Entries.Take(numTop < 0 ? int.MaxValue : numTop + 1))
            top[Text(entry.TokenId)] = entry.Logprob;
        return top;
    }

    static void WriteTop(Utf8JsonWriter json, Dictionary<string, float>? top)
    {
        if (top is null)
        {
            json.WriteNullValue();
            return;
        }
        json.WriteStartObject();
        foreach ((string token, float logprob) in top) json.WriteNumber(token, Clamp(logprob));
        json.WriteEndObject();
    }

    /// <summary>vLLM's own form for prompts: a dictionary by token id for each position.</summary>
    public static void WritePrompt(
        Utf8JsonWriter json, TokenText tokenText, IReadOnlyList<int> promptTokenIds,
        IReadOnlyList<TokenLogprobs?>? logprobs)
    {
        if (logprobs is null)
        {
            json.WriteNullValue();
            return;
        }
        // The first token, which has no log-probabilities, is no context either (as in vLLM).
        int[] context = [.. promptTokenIds];
        json.WriteStartArray();
        for (int i = 0; i < logprobs.Count; i++)
        {
            if (logprobs[i] is not { } position)
            {
                json.WriteNullValue();
                continue;
            }
            json.WriteStartObject();
            foreach (TokenLogprob entry in position.Entries)
            {
                json.WriteStartObject(entry.TokenId.ToString(System.Globalization.CultureInfo.InvariantCulture));
                json.WriteNumber("logprob", Clamp(entry.Logprob));
                json.WriteNumber("rank", entry.Rank);
                json.WriteString("decoded_token", tokenText.Of(entry.TokenId, context.AsSpan(1, i - 1)));
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    ReadOnlySpan<int> Context => CollectionsMarshal.AsSpan(_context);

    string Text(int tokenId) => asIds ? tokenText.Of(tokenId, Context, asId: true) : DecodedText(tokenId);

    string DecodedText(int tokenId) => isBeam ? tokenText.Alone(tokenId) : tokenText.Of(tokenId, Context);

    void Advance(int tokenId)
    {
        if (_context.Count == TokenText.ContextLength) _context.RemoveAt(0);
        _context.Add(tokenId);
    }

    /// <summary>A double, so that JSON shows the digits of the float as Python does.</summary>
    static double Clamp(float logprob) => Math.Max(logprob, Floor);

    /// <summary>One token of the completion form.</summary>
    readonly record struct Row(string Token, int Offset, TokenLogprobs? Position, Dictionary<string, float>? Top);
}
