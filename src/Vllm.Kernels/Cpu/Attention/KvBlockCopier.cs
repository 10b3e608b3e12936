using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Copies blocks between a KV cache and the host's part of it. Workers share the layers, so that the copies of
/// a layer stay in order.</summary>
sealed unsafe class KvBlockCopier
{
    readonly WorkerTeam _team;
    readonly Action<int> _storeLayer;
    readonly Action<int> _loadLayer;
    PagedKvCache _cache = null!;
    PagedHostKvCache _host = null!;
    KvBlockCopy* _copies; // valid while a call lasts
    int _numCopies;

    public KvBlockCopier(WorkerTeam team)
    {
        _team = team;
        _storeLayer = StoreLayer;
        _loadLayer = LoadLayer;
    }

    public void Store(PagedKvCache cache, PagedHostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        Run(cache, host, copies, _storeLayer);

    public void Load(PagedKvCache cache, PagedHostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        Run(cache, host, copies, _loadLayer);

    void Run(PagedKvCache cache, PagedHostKvCache host, ReadOnlySpan<KvBlockCopy> copies, Action<int> copyLayer)
    {
        if (host.Spec.Cache != cache.Spec)
            throw new ArgumentException($"host blocks of {host.Spec.Cache} for a cache of {cache.Spec}", nameof(host));
        foreach (KvBlockCopy copy in copies)
        {
            if ((uint)copy.Block >= (uint)cache.Spec.NumBlocks || (uint)copy.HostBlock >= (uint)host.Spec.NumBlocks)
                throw new ArgumentException(
                    $"{copy}: the cache has {cache.Spec.NumBlocks} blocks, the host {host.Spec.NumBlocks}", nameof(copies));
        }
        _cache = cache;
        _host = host;
        fixed (KvBlockCopy* first = copies)
        {
            _copies = first;
            _numCopies = copies.Length;
            _team.ParallelFor(cache.Spec.NumLayers, copyLayer);
        }
    }

    void StoreLayer(int layer)
    {
        for (int i = 0; i < _numCopies; i++)
        {
            byte* chunks = _cache.Keys(layer, _copies[i].Block);
            byte* stored = _host.Chunks(layer, _copies[i].HostBlock);
            if (_host.Spec.Format == HostKvFormat.AsStored) Buffer.MemoryCopy(chunks, stored, _host.LayerBytes, _host.LayerBytes);
            else if (_cache.Spec.DType == DType.BF16) Encode<BFloat16Element>(chunks, stored);
            else Encode<Float32Element>(chunks, stored);
        }
    }

    void LoadLayer(int layer)
    {
        for (int i = 0; i < _numCopies; i++)
        {
            byte* chunks = _cache.Keys(layer, _copies[i].Block);
            byte* stored = _host.Chunks(layer, _copies[i].HostBlock);
            if (_host.Spec.Format == HostKvFormat.AsStored) Buffer.MemoryCopy(stored, chunks, _host.LayerBytes, _host.LayerBytes);
            else if (_cache.Spec.DType == DType.BF16) Decode<BFloat16Element>(stored, chunks);
            else Decode<Float32Element>(stored, chunks);
        }
    }

    void Encode<TElement>(byte* chunks, byte* stored) where TElement : IKvElement
    {
        nint storedBytes = Int8KvChunk.SizeBytes(_cache.Dims, _cache.Columns);
        for (int head = 0; head < _cache.Spec.NumKvHeads; head++)
            Int8KvChunk.Encode<TElement>((nint)chunks + head * _cache.ChunkBytes, _cache.ValuesOffset,
                _cache.Dims, _cache.Columns, (nint)stored + head * storedBytes);
    }

    void Decode<TElement>(byte* stored, byte* chunks) where TElement : IKvElement
    {
        nint storedBytes = Int8KvChunk.SizeBytes(_cache.Dims, _cache.Columns);
        for (int head = 0; head < _cache.Spec.NumKvHeads; head++)
            Int8KvChunk.Decode<TElement>((nint)stored + head * storedBytes, (nint)chunks + head * _cache.ChunkBytes,
                _cache.ValuesOffset, _cache.Dims, _cache.Columns);
    }
}
