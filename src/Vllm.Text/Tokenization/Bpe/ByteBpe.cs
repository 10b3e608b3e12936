namespace Vllm.Text.Tokenization.Bpe;

/// <summary>BPE over bytes: the hot path of byte-level tokenizers. Immutable; the caller brings the
/// workspace.</summary>
sealed class ByteBpe
{
    readonly Vocabulary _vocabulary;
    readonly MergeTable _merges;
    readonly int[] _byteIds;
    readonly bool _looksUpWholeWords;
    readonly int _numTokens;
    readonly IReadOnlyList<int[]> _expansions;

    /// <param name="vocabulary">Where whole words are looked up.</param>
    /// <param name="merges">Merges among the ids below.</param>
    /// <param name="byteIds">The id that each byte starts as; all 256 must exist.</param>
    /// <param name="looksUpWholeWords">Whether a word that is a token is that token, whatever the merges give
    /// (<c>ignore_merges</c>).</param>
    /// <param name="numTokens">Ids from here on are no tokens, only steps of merges.</param>
    /// <param name="expansions">What becomes of such an id when no merge takes it up.</param>
    public ByteBpe(
        Vocabulary vocabulary, MergeTable merges, int[] byteIds, bool looksUpWholeWords, int numTokens,
            IReadOnlyList<int[]> expansions)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _byteIds = byteIds;
        _looksUpWholeWords = looksUpWholeWords;
        _numTokens = numTokens;
        _expansions = expansions;
    }

    /// <summary>Appends the ids of a word.</summary>
    public void Encode(ReadOnlySpan<byte> word, BpeWorkspace workspace, IdBuffer output)
    {
        if (word.Length > WordCache.MaxWordBytes)
        {
            if (!TryAppendWholeWord(word, output)) output.AddRange(Merge(word, workspace.Symbols));
            return;
        }
        if (workspace.Cache.TryAppend(word, output, out WordCache.Key key)) return;

        int before = output.Count;
        if (TryAppendWholeWord(word, output))
        {
            workspace.Cache.Set(key, word.Length, output.Since(before));
            return;
        }
        ReadOnlySpan<int> ids = Merge(word, workspace.Symbols);
        workspace.Cache.Set(key, word.Length, ids);
        output.AddRange(ids);
    }

    bool TryAppendWholeWord(ReadOnlySpan<byte> word, IdBuffer output)
    {
        if (!_looksUpWholeWords) return false;
        int id = _vocabulary.FindRaw(word);
        if ((uint)id >= (uint)_numTokens) return false;
        output.Add(id);
        return true;
    }

    ReadOnlySpan<int> Merge(ReadOnlySpan<byte> word, SymbolBuffer symbols)
    {
        symbols.Clear();
        foreach (byte value in word) symbols.Add(_byteIds[value], 1);
        symbols.MergeAll(_merges);
        return _expansions.Count == 0 ? symbols.Ids : Expand(symbols.Ids);
    }

    ReadOnlySpan<int> Expand(ReadOnlySpan<int> ids)
    {
        var expanded = new IdBuffer(ids.Length);
        foreach (int id in ids)
        {
            if (id < _numTokens) expanded.Add(id);
            else expanded.AddRange(_expansions[id - _numTokens]);
        }
        return expanded.Since(0);
    }
}
