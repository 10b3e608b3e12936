using Vllm.Kernels;
using Vllm.Kernels.Cpu;

namespace Vllm.Tests.Attention;

/// <summary>Blocks that went to the host and came back to another place, seen through attention.</summary>
public class KvBlockCopierTests
{
    /// <summary>Error of an output whose values have deviation 1 and whose keys and values lost all but 8 bits.</summary>
    const double Int8Tolerance = 0.05;

    const int NumLayers = 3;
    const int NumHeads = 4;
    const int NumHostBlocks = 3;

    // numKvHeads, headDim, blockSize
    static readonly (int, int, int)[] Shapes = [(1, 64, 64), (2, 10, 3), (4, 20, 1), (2, 80, 16)];

    public static TheoryData<DType, HostKvFormat, int> Cases()
    {
        var cases = new TheoryData<DType, HostKvFormat, int>();
        foreach (DType dtype in new[] { DType.F32, DType.BF16, DType.F8E4M3, DType.I8 })
            foreach (HostKvFormat format in Enum.GetValues<HostKvFormat>())
                for (int shape = 0; shape < Shapes.Length && (dtype.SizeBytes() > 1 || format == HostKvFormat.AsStored); shape++)
                    cases.Add(dtype, format, shape);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void LoadBlocks_BringsBackWhatWasStored(DType dtype, HostKvFormat format, int shape)
    {
        using var scene = new Scene(Shapes[shape], dtype, format);
        scene.Fill(block: 1, seed: 1);
        scene.Fill(block: 2, seed: 2);
        float[][] first = scene.Read(1), second = scene.Read(2);

        scene.Device.StoreBlocks(scene.Cache, scene.Host, [new(2, 0), new(1, 2), new(2, 1)]);
        scene.Fill(block: 1, seed: 3);
        scene.Fill(block: 2, seed: 4);
        scene.Device.LoadBlocks(scene.Cache, scene.Host, [new(4, 2), new(1, 1)]);

        AssertEqual(first, scene.Read(4), format);
        AssertEqual(second, scene.Read(1), format);
        Assert.NotEqual(second, scene.Read(2));
    }

    [Fact]
    public void CreateHostKvCache_RefusesToConvert8Bits() =>
        Assert.Throws<ArgumentException>(() => new Scene(Shapes[0], DType.F8E4M3, HostKvFormat.Int8PerTokenHead));

    [Fact]
    public void StoreBlocks_KeepsTheLastOfTwoCopiesToOnePlace()
    {
        using var scene = new Scene(Shapes[0], DType.BF16, HostKvFormat.AsStored);
        scene.Fill(block: 1, seed: 1);
        scene.Fill(block: 2, seed: 2);

        scene.Device.StoreBlocks(scene.Cache, scene.Host, [new(2, 0), new(1, 0)]);
        scene.Device.LoadBlocks(scene.Cache, scene.Host, [new(4, 0)]);

        Assert.Equal(scene.Read(1), scene.Read(4));
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(5, 0)]
    [InlineData(0, -1)]
    [InlineData(0, NumHostBlocks)]
    public void StoreBlocks_RefusesBlocksThatDoNotExist(int block, int hostBlock)
    {
        using var scene = new Scene(Shapes[0], DType.BF16, HostKvFormat.AsStored);

        Assert.Throws<ArgumentException>(() => scene.Device.StoreBlocks(scene.Cache, scene.Host, [new(block, hostBlock)]));
        Assert.Throws<ArgumentException>(() => scene.Device.LoadBlocks(scene.Cache, scene.Host, [new(block, hostBlock)]));
    }

    [Theory]
    [InlineData(DType.F8E4M3, 64)]
    [InlineData(DType.F8E5M2, 64)]
    [InlineData(DType.I8, 64 + 4)] // and a scale
    public void BlockBytes_CountScales(DType dtype, int tokenBytes) =>
        Assert.Equal(2 * NumLayers * 2 * 16 * tokenBytes, new KvCacheSpec(NumLayers, 5, 16, 2, 64, dtype).BlockBytes);

    [Theory]
    [InlineData(64, 64, 64 * 64)]
    [InlineData(80, 16, 80 * 16)]
    [InlineData(10, 3, 16 * 4)] // dims in steps of 16, tokens in pairs
    [InlineData(20, 1, 32 * 2)]
    public void BlockBytes_CountWhatIsStored(int headDim, int blockSize, int numElements)
    {
        var spec = new KvCacheSpec(NumLayers, 5, blockSize, 2, headDim, DType.BF16);

        Assert.Equal(2 * NumLayers * 2 * numElements * 2, spec.BlockBytes);
        Assert.Equal(spec.BlockBytes, new HostKvCacheSpec(spec, 1, HostKvFormat.AsStored).BlockBytes);
        Assert.InRange(new HostKvCacheSpec(spec, 1, HostKvFormat.Int8PerTokenHead).BlockBytes,
            spec.BlockBytes / 2, spec.BlockBytes * 3 / 4);
    }

    static void AssertEqual(float[][] expected, float[][] actual, HostKvFormat format)
    {
        if (format == HostKvFormat.AsStored)
        {
            Assert.Equal(expected, actual);
            return;
        }
        Assert.NotEqual(expected, actual);
        for (int layer = 0; layer < NumLayers; layer++)
            for (int i = 0; i < expected[layer].Length; i++)
                Assert.Equal(expected[layer][i], actual[layer][i], Int8Tolerance);
    }

    sealed class Scene : IDisposable
    {
        readonly KvCacheSpec _spec;
        readonly TestTensor _cosSin;

        public Scene((int NumKvHeads, int HeadDim, int BlockSize) shape, DType dtype, HostKvFormat format)
        {
            _spec = new KvCacheSpec(NumLayers, 5, shape.BlockSize, shape.NumKvHeads, shape.HeadDim, dtype);
            Cache = Device.CreateKvCache(_spec);
            Host = Device.CreateHostKvCache(new HostKvCacheSpec(_spec, NumHostBlocks, format));
            int column = 0;
            _cosSin = new TestTensor(shape.BlockSize, shape.HeadDim, () => column++ % shape.HeadDim < shape.HeadDim / 2 ? 1 : 0);
        }

        public CpuDevice Device { get; } = new(numThreads: 2);
        public KvCache Cache { get; }
        public HostKvCache Host { get; }

        /// <summary>Writes random keys and values to all layers of a block.</summary>
        public void Fill(int block, int seed)
        {
            var random = new Random(seed);
            int numTokens = _spec.BlockSize, width = _spec.NumKvHeads * _spec.HeadDim;
            using var q = new TestTensor(numTokens, NumHeads * _spec.HeadDim);
            for (int layer = 0; layer < NumLayers; layer++)
            {
                using var k = new TestTensor(numTokens, width, () => random.NextNormal(1.5));
                using var v = new TestTensor(numTokens, width, () => random.NextNormal());
                Device.RotaryAndCache(q, k, v, _cosSin, Cache, layer, Metadata(block, numTokens));
            }
        }

        /// <summary>Per layer, attention of one query over the block.</summary>
        public float[][] Read(int block)
        {
            var random = new Random(99);
            using var q = new TestTensor(1, NumHeads * _spec.HeadDim, () => random.NextNormal());
            using var output = new TestTensor(1, NumHeads * _spec.HeadDim);
            var outputs = new float[NumLayers][];
            for (int layer = 0; layer < NumLayers; layer++)
            {
                Device.Attention(q, Cache, layer, Metadata(block, numTokens: 1), new AttentionParameters { Scale = 0.2f }, output);
                outputs[layer] = output.Span.ToArray();
            }
            return outputs;
        }

        /// <summary>The last tokens of a request that fills the block.</summary>
        AttentionMetadata Metadata(int block, int numTokens)
        {
            var metadata = new AttentionMetadata(1, numTokens, 1) { NumSeqs = 1, NumTokens = numTokens };
            metadata.QueryStart[1] = numTokens;
            metadata.SeqLens[0] = _spec.BlockSize;
            metadata.BlockTables[0] = block;
            for (int i = 0; i < numTokens; i++)
            {
                metadata.Positions[i] = _spec.BlockSize - numTokens + i;
                metadata.SlotMapping[i] = block * _spec.BlockSize + metadata.Positions[i];
            }
            return metadata;
        }

        public void Dispose()
        {
            _cosSin.Dispose();
            Host.Dispose();
            Cache.Dispose();
            Device.Dispose();
        }
    }
}
