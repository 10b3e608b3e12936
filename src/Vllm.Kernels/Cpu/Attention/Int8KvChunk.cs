using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vllm.Kernels.Cpu.Simd;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// What one block holds of one KV head in 8 bits:
/// <code>
/// scales [2][B] fp32, K [B][D] int8, V [B][D] int8      D, B as in PagedKvCache
/// value = scale * int8, scale = max |value| of the token / 127
/// </code>
/// Vectors run along the columns of the chunk's pair rows: over tokens for keys, over dims for values. Each element is
/// computed by itself, so the bits do not depend on the vector's width, and a rest of columns takes vectors of one.
/// </summary>
static unsafe class Int8KvChunk
{
    const float MaxCode = 127;

    /// <summary>Floats of a vector. The dims of a chunk are a multiple of it, its columns need not be.</summary>
    const int Lanes = 16;

    public static nint SizeBytes(int dims, int columns) => (nint)2 * columns * (dims + sizeof(float));

    /// <summary>Encodes the keys and values of the chunk at an address in a <see cref="PagedKvCache"/>.</summary>
    public static void Encode<TElement>(nint chunk, nint valuesOffset, int dims, int columns, nint encoded)
        where TElement : IKvElement
    {
        var scales = (float*)encoded;
        var codes = (sbyte*)(scales + 2 * columns);
        EncodeKeys<TElement>((byte*)chunk, dims, columns, scales, codes);
        EncodeValues<TElement>(
            (byte*)(chunk + valuesOffset), dims, columns, scales + columns, codes + (nint)columns * dims);
    }

    /// <summary>Writes what <see cref="Encode"/> made back into a chunk.</summary>
    public static void Decode<TElement>(nint encoded, nint chunk, nint valuesOffset, int dims, int columns)
        where TElement : IKvElement
    {
        var scales = (float*)encoded;
        var codes = (sbyte*)(scales + 2 * columns);
        DecodeKeys<TElement>(scales, codes, dims, columns, (byte*)chunk);
        DecodeValues<TElement>(
            scales + columns, codes + (nint)columns * dims, dims, columns, (byte*)(chunk + valuesOffset));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void EncodeKeys<TElement>(byte* keys, int dims, int columns, float* scales, sbyte* codes)
        where TElement : IKvElement
    {
        nint rowBytes = TElement.PairRowBytes(columns);
        int* words = stackalloc int[Lanes];
        int token = 0;
        for (; token + Lanes <= columns; token += Lanes)
        {
            byte* column = keys + token * 4;
            Vector512<float> max = MaxOfKeys<TElement>(column, rowBytes, dims, columns);
            (max / MaxCode).Store(scales + token);
            for (int d = 0; d < dims; d += 4) // four codes of each token make a word
            {
                TElement.LoadPairs(column + d / 2 * rowBytes, columns, out Float512 x0, out Float512 x1);
                TElement.LoadPairs(column + (d / 2 + 1) * rowBytes, columns, out Float512 x2, out Float512 x3);
                Vector512<int> byteMask = Vector512.Create(0xFF);
                ((Codes(x0, max) & byteMask) | ((Codes(x1, max) & byteMask) << 8)
                    | ((Codes(x2, max) & byteMask) << 16) | (Codes(x3, max) << 24)).Store(words);
                for (int lane = 0; lane < Lanes; lane++)
                    *(int*)(codes + (nint)(token + lane) * dims + d) = words[lane];
            }
        }
        for (; token < columns; token++)
            scales[token] = EncodeKey<TElement>(keys + token * 4, rowBytes, dims, columns, codes + (nint)token * dims);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<float> MaxOfKeys<TElement>(byte* column, nint rowBytes, int dims, int columns)
        where TElement : IKvElement
    {
        Float512 max = Float512.Zero;
        for (int d = 0; d < dims; d += 2)
        {
            TElement.LoadPairs(column + d / 2 * rowBytes, columns, out Float512 low, out Float512 high);
            max = Float512.Max(max, Float512.Max(Float512.Abs(low), Float512.Abs(high)));
        }
        return max.Value;
    }

    /// <summary>One key of those that fill no vector; returns its scale.</summary>
    static float EncodeKey<TElement>(byte* column, nint rowBytes, int dims, int columns, sbyte* codes)
        where TElement : IKvElement
    {
        float max = 0;
        for (int pass = 0; pass < 2; pass++)
        {
            for (int d = 0; d < dims; d += 2)
            {
                TElement.LoadPairs(column + d / 2 * rowBytes, columns, out Float1 low, out Float1 high);
                if (pass == 0) max = Math.Max(max, Math.Max(Math.Abs(low.Value), Math.Abs(high.Value)));
                else (codes[d], codes[d + 1]) = (Code(low.Value, max), Code(high.Value, max));
            }
        }
        return max / MaxCode;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void EncodeValues<TElement>(byte* values, int dims, int columns, float* scales, sbyte* codes)
        where TElement : IKvElement
    {
        for (int token = 0; token < columns; token += 2)
        {
            byte* row = values + token / 2 * TElement.PairRowBytes(dims);
            Float512 maxLow = Float512.Zero, maxHigh = Float512.Zero;
            for (int d = 0; d < dims; d += Lanes)
            {
                TElement.LoadPairs(row + d * 4, dims, out Float512 low, out Float512 high);
                maxLow = Float512.Max(maxLow, Float512.Abs(low));
                maxHigh = Float512.Max(maxHigh, Float512.Abs(high));
            }
            float evenMax = Float512.MaxAcross(maxLow), oddMax = Float512.MaxAcross(maxHigh);
            (scales[token], scales[token + 1]) = (evenMax / MaxCode, oddMax / MaxCode);

            sbyte* even = codes + (nint)token * dims, odd = even + dims;
            for (int d = 0; d < dims; d += Lanes)
            {
                TElement.LoadPairs(row + d * 4, dims, out Float512 low, out Float512 high);
                StoreCodes(Codes(low, Vector512.Create(evenMax)), even + d);
                StoreCodes(Codes(high, Vector512.Create(oddMax)), odd + d);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void DecodeKeys<TElement>(float* scales, sbyte* codes, int dims, int columns, byte* keys)
        where TElement : IKvElement
    {
        nint rowBytes = TElement.PairRowBytes(columns);
        int* words = stackalloc int[Lanes];
        int token = 0;
        for (; token + Lanes <= columns; token += Lanes)
        {
            byte* column = keys + token * 4;
            Vector512<float> scale = Vector512.Load(scales + token);
            for (int d = 0; d < dims; d += 4)
            {
                for (int lane = 0; lane < Lanes; lane++)
                    words[lane] = *(int*)(codes + (nint)(token + lane) * dims + d);
                Vector512<int> word = Vector512.Load(words);
                TElement.StorePairs(column + d / 2 * rowBytes, columns,
                    Decoded(word << 24, scale), Decoded(word << 16, scale));
                TElement.StorePairs(column + (d / 2 + 1) * rowBytes, columns,
                    Decoded(word << 8, scale), Decoded(word, scale));
            }
        }
        for (; token < columns; token++)
        {
            sbyte* code = codes + (nint)token * dims;
            for (int d = 0; d < dims; d += 2)
                TElement.StorePairs<Float1>(keys + token * 4 + d / 2 * rowBytes, columns,
                    new(scales[token] * code[d]), new(scales[token] * code[d + 1]));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void DecodeValues<TElement>(float* scales, sbyte* codes, int dims, int columns, byte* values)
        where TElement : IKvElement
    {
        for (int token = 0; token < columns; token += 2)
        {
            byte* row = values + token / 2 * TElement.PairRowBytes(dims);
            sbyte* even = codes + (nint)token * dims, odd = even + dims;
            for (int d = 0; d < dims; d += Lanes)
                TElement.StorePairs(row + d * 4, dims,
                    Decoded(LoadCodes(even + d) << 24, Vector512.Create(scales[token])),
                    Decoded(LoadCodes(odd + d) << 24, Vector512.Create(scales[token + 1])));
        }
    }

    /// <summary>round(value / max * 127), ties to even; 0 where max is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<int> Codes(Float512 values, Vector512<float> max)
    {
        Vector512<float> rounded = Vector512.Round(values.Value / max * MaxCode);
        return Vector512.ConvertToInt32Native(rounded) & Vector512.GreaterThan(max, Vector512<float>.Zero).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static sbyte Code(float value, float max) => max > 0 ? (sbyte)MathF.Round(value / max * MaxCode) : (sbyte)0;

    /// <summary>The codes in the highest bytes, times the scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Float512 Decoded(Vector512<int> highestBytes, Vector512<float> scale) =>
        new(Vector512.ConvertToSingle(highestBytes >> 24) * scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void StoreCodes(Vector512<int> codes, sbyte* target)
    {
        Vector256<short> shorts = Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        Vector128.Narrow(shorts.GetLower(), shorts.GetUpper()).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<int> LoadCodes(sbyte* codes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(codes));
        (Vector256<int> first, Vector256<int> second) = Vector256.Widen(Vector256.Create(low, high));
        return Vector512.Create(first, second);
    }
}
