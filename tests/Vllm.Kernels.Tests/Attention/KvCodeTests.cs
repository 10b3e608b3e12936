using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;

namespace Vllm.Tests.Attention;

public class KvCodeTests
{
    [Theory]
    [InlineData(DType.F8E4M3)]
    [InlineData(DType.F8E5M2)]
    public void Encode_RoundsFloatsToTheNearest(DType dtype)
    {
        // All values of 11 bits of mantissa hold every tie and its neighbours; odd numbers of them reach the tail.
        KvCode code = KvCode.Of(dtype)!;
        var values = new List<float>();
        for (int exponent = -20; exponent < 20; exponent++)
            for (int mantissa = 0; mantissa < 64; mantissa++)
                foreach (float nudge in new[] { -1e-6f, 0, 1e-6f })
                    values.Add((mantissa % 3 == 0 ? -1 : 1) * MathF.ScaleB(1 + mantissa / 64f + nudge, exponent));
        values.AddRange([0, -0f, 1e-40f, float.MaxValue, float.NegativeInfinity]);

        float[] decoded = Decode(code, Encode(code, [.. values], out float scale));

        Assert.Equal(1, scale);
        for (int i = 0; i < values.Count; i++) Assert.Equal(Nearest.Float(values[i], dtype), decoded[i]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(83)]
    public void Encode_ScalesIntegersByTheirLargest(int num)
    {
        KvCode code = KvCode.Of(DType.I8)!;
        var random = new Random(num);
        float[] values = [.. Enumerable.Range(0, num).Select(_ => (float)random.NextNormal(3))];

        float[] decoded = Decode(code, Encode(code, values, out float scale));

        Assert.Equal(Nearest.Scale(values), scale);
        for (int i = 0; i < num; i++) Assert.Equal(MathF.Round(values[i] / scale), decoded[i]);
        Assert.Equal(127, decoded.Max(Math.Abs));
    }

    [Fact]
    public void Encode_GivesFiniteNumbers_WhateverTheValues()
    {
        float[] values = [float.NaN, float.PositiveInfinity, 1, -0f, float.MinValue, 1e-45f, 0, 0];
        foreach (DType dtype in new[] { DType.F8E4M3, DType.F8E5M2, DType.I8 })
            foreach (int num in new[] { 1, 3, 8 })
            {
                KvCode code = KvCode.Of(dtype)!;
                Assert.All(Decode(code, Encode(code, values[..num], out float scale)), x => Assert.True(float.IsFinite(x)));
                Assert.True(float.IsFinite(scale));
            }
        Assert.All(Encode(KvCode.Of(DType.I8)!, new float[20], out _), x => Assert.Equal(0, x));
    }

    [Theory]
    [InlineData(DType.F8E4M3)]
    [InlineData(DType.F8E5M2)]
    [InlineData(DType.I8)]
    public void Decode_GivesTheSameInRunsAsOneByOne(DType dtype)
    {
        KvCode code = KvCode.Of(dtype)!;
        byte[] codes = [.. Enumerable.Range(0, 320).Select(i => (byte)(i * 77 + i / 256))];
        ushort[] values = new ushort[320];
        foreach (int num in new[] { 32, 64, 96, 256, 320 })
        {
            Array.Clear(values);
            code.Decode(codes.AsSpan(0, num), values, ahead: 0);
            for (int i = 0; i < values.Length; i++) Assert.Equal(i < num ? code.Decode(codes[i]) : 0, values[i]);
        }
    }

    static byte[] Encode(KvCode code, float[] values, out float scale)
    {
        byte[] codes = new byte[values.Length];
        scale = code.Encode(values, codes);
        return codes;
    }

    static float[] Decode(KvCode code, byte[] codes) =>
        [.. codes.Select(x => BitConverter.UInt32BitsToSingle((uint)code.Decode(x) << 16))];
}
