using System.Numerics;

namespace Vllm.Engine.Sampling;

/// <summary>
/// The distinct tokens of a request and how often each occurs in the output: what penalties need, so that they cost the
/// number of distinct tokens and not of the vocabulary. Grows with the request, one token per step.
/// </summary>
sealed class TokenCounts
{
    const int FirstCapacity = 64;

    int[] _tokenIds = new int[FirstCapacity];
    int[] _outputCounts = new int[FirstCapacity];
    int[] _slots = new int[2 * FirstCapacity]; // open addressing: index + 1 of a distinct token, 0 = free
    int _numDistinct;
    int _numCounted;

    /// <summary>In the order of their first occurrence.</summary>
    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, _numDistinct);

    /// <summary>Occurrences in the output; 0 for tokens of the prompt only.</summary>
    public ReadOnlySpan<int> OutputCounts => _outputCounts.AsSpan(0, _numDistinct);

    /// <summary>Counts the tokens that came since the last call: a request only ever gets longer.</summary>
    public void Update(ReadOnlySpan<int> tokenIds, int numPromptTokens)
    {
        for (; _numCounted < tokenIds.Length; _numCounted++)
        {
            int index = IndexOf(tokenIds[_numCounted]);
            if (_numCounted >= numPromptTokens) _outputCounts[index]++;
        }
    }

    int IndexOf(int tokenId)
    {
        int slot = FindSlot(tokenId);
        if (_slots[slot] > 0) return _slots[slot] - 1;

        if (_numDistinct == _tokenIds.Length)
        {
            Grow();
            slot = FindSlot(tokenId);
        }
        _tokenIds[_numDistinct] = tokenId;
        _slots[slot] = ++_numDistinct;
        return _numDistinct - 1;
    }

    /// <summary>The slot of a token, or the free one where it belongs. Half of the slots are free.</summary>
    int FindSlot(int tokenId)
    {
        const uint Golden = 0x9E3779B9; // 2^32 divided by the golden ratio: spreads neighbouring ids
        int slot = (int)((uint)tokenId * Golden >> (32 - BitOperations.Log2((uint)_slots.Length)));
        while (_slots[slot] > 0 && _tokenIds[_slots[slot] - 1] != tokenId) slot = (slot + 1) & (_slots.Length - 1);
        return slot;
    }

    void Grow()
    {
        Array.Resize(ref _tokenIds, 2 * _tokenIds.Length);
        Array.Resize(ref _outputCounts, _tokenIds.Length);
        _slots = new int[2 * _tokenIds.Length];
        for (int i = 0; i < _numDistinct; i++) _slots[FindSlot(_tokenIds[i])] = i + 1;
    }
}
