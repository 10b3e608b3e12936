namespace Vllm.Text.Tokenization;

/// <summary>What one step added to the output of a request.</summary>
/// <param name="Delta">Text that may be shown now.</param>
/// <param name="StopString">The stop string that ended the output, or null.</param>
/// <param name="NumIdsKept">How many ids of this step count; those after the one that completed a stop string do
/// not.</param>
public readonly record struct DetokenizedStep(string Delta, string? StopString, int NumIdsKept);

/// <summary>
/// Turns the ids of one request into text step by step, as vLLM does (tokenizers' <c>DecodeStream</c> with vLLM's stop
/// strings): an unfinished character is held back until it is complete or invalid, and while stop strings are set and
/// excluded from the output, so are as many characters as the longest of them may still need. One per request; not
/// safe for several threads. The cost per id does not grow with the output.
/// </summary>
public sealed class IncrementalDetokenizer
{
    readonly Tokenizer _tokenizer;
    readonly TokenStream _stream;
    readonly StopStrings _stops;
    readonly bool _joinsSpecialTokens;
    readonly bool _includesStop;
    readonly int _minTokens;
    char[] _text = new char[256];
    int _length;
    int _numShown;
    int _numIds;
    bool _lastWasAdded;

    /// <param name="tokenizer">Gives the text of the ids.</param>
    /// <param name="promptIds">Ids before the output: never shown, but they decide about a leading space and begin the
    /// character that the output may complete. A prompt that ends inside a character comes out with the output's
    /// first text, as <c>DecodeStream</c> does it.</param>
    /// <param name="skipSpecialTokens">Whether special tokens leave no text.</param>
    /// <param name="spacesBetweenSpecialTokens">False: an added token right after another one is written as it is,
    /// without what the decoder puts between. Without effect when special tokens are skipped.</param>
    /// <param name="stop">Strings that end the output; none may be empty.</param>
    /// <param name="includeStopStrInOutput">Whether the output ends with the stop string or before it.</param>
    /// <param name="minTokens">Stop strings are not looked for before there are more ids than this.</param>
    public IncrementalDetokenizer(
        Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipSpecialTokens = true,
        bool spacesBetweenSpecialTokens = true, IReadOnlyList<string>? stop = null, bool includeStopStrInOutput = false,
        int minTokens = 0)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (stop is not null && stop.Any(string.IsNullOrEmpty))
            throw new ArgumentException("a stop string is empty", nameof(stop));
        _tokenizer = tokenizer;
        _stream = TokenStream.Create(tokenizer, promptIds, skipSpecialTokens);
        _joinsSpecialTokens = !skipSpecialTokens && !spacesBetweenSpecialTokens;
        _stops = new StopStrings(stop ?? []);
        _includesStop = includeStopStrInOutput;
        _minTokens = minTokens;
    }

    /// <summary>All text so far, with what is still held back because of stop strings.</summary>
    public ReadOnlySpan<char> Text => _text.AsSpan(0, _length);

    /// <summary>Appends the ids of one step.</summary>
    /// <param name="ids">The new ids.</param>
    /// <param name="finished">Whether this is the last step: nothing is held back any more.</param>
    /// <param name="endsWithStopToken">Whether the last id made the engine stop (EOS or a stop token): its text is left
    /// out, unless stop strings are included. Implies <paramref name="finished"/>.</param>
    public DetokenizedStep Append(ReadOnlySpan<int> ids, bool finished = false, bool endsWithStopToken = false)
    {
        bool leavesOutLast = endsWithStopToken && !_includesStop && ids.Length > 0;
        int numToDecode = leavesOutLast ? ids.Length - 1 : ids.Length;
        for (int i = 0; i < numToDecode; i++)
        {
            _numIds++;
            int oldLength = _length;
            AppendText(Decode(ids[i]));
            if (_length == oldLength || _numIds <= _minTokens) continue;
            if (_stops.Find(Text, oldLength, out int start) is not { } stop) continue;
            _length = _includesStop ? start + stop.Length : start;
            return new DetokenizedStep(TakeDelta(finished: true), stop, i + 1);
        }
        if (leavesOutLast) _numIds++;
        return new DetokenizedStep(TakeDelta(finished || endsWithStopToken), null, ids.Length);
    }

    string Decode(int id)
    {
        string text = _stream.Step(id);
        if (!_joinsSpecialTokens) return text;
        bool isAdded = _tokenizer.IsAdded(id);
        if (isAdded && _lastWasAdded) text = _tokenizer.IdToToken(id)!;
        _lastWasAdded = isAdded;
        return text;
    }

    void AppendText(string text)
    {
        if (_length + text.Length > _text.Length)
            Array.Resize(ref _text, Math.Max(_text.Length * 2, _length + text.Length));
        text.CopyTo(_text.AsSpan(_length));
        _length += text.Length;
    }

    string TakeDelta(bool finished)
    {
        int end = finished || _includesStop ? _length : HeldBackStart();
        if (end <= _numShown) return "";
        string delta = new(_text, _numShown, end - _numShown);
        _numShown = end;
        return delta;
    }

    /// <summary>Where the code points that are held back begin.</summary>
    int HeldBackStart()
    {
        int index = _length;
        for (int i = 0; i < _stops.NumHeldBack && index > 0; i++)
        {
            index--;
            if (index > 0 && char.IsLowSurrogate(_text[index])) index--;
        }
        return index;
    }
}
