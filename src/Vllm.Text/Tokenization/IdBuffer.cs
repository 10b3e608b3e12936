using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization;

/// <summary>A growing list of token ids.</summary>
sealed class IdBuffer(int capacity)
{
    int[] _ids = new int[Math.Max(16, capacity)];

    public int Count { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int id)
    {
        if (Count == _ids.Length) Array.Resize(ref _ids, Count * 2);
        _ids[Count++] = id;
    }

    public void AddRange(ReadOnlySpan<int> ids)
    {
        if (Count + ids.Length > _ids.Length) Array.Resize(ref _ids, Math.Max(Count * 2, Count + ids.Length));
        ids.CopyTo(_ids.AsSpan(Count));
        Count += ids.Length;
    }

    /// <summary>The ids added since <see cref="Count"/> was <paramref name="before"/>.</summary>
    public ReadOnlySpan<int> Since(int before) => _ids.AsSpan(before, Count - before);

    public int[] ToArray() => _ids.AsSpan(0, Count).ToArray();
}
