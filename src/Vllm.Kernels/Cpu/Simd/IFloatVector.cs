namespace Vllm.Kernels.Cpu.Simd;

/// <summary>Floats of one vector register: kernels are written once with the width as a type parameter. The JIT
/// specializes generic code per struct and inlines every member, so this costs nothing at run time.</summary>
unsafe interface IFloatVector<TSelf> where TSelf : unmanaged, IFloatVector<TSelf>
{
    /// <summary>Floats per vector: 16, 8, 4 or 1.</summary>
    static abstract int Width { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Create(float value);

    static abstract TSelf Load(float* source);

    void Store(float* destination);

    /// <summary>Loads pairs of bf16: <paramref name="even"/> from the low halves, <paramref name="odd"/> from the high ones.</summary>
    static abstract void LoadBFloat16Pairs(uint* source, out TSelf even, out TSelf odd);

    /// <summary>Stores each lane as bf16, rounded to nearest even.</summary>
    void StoreBFloat16(ushort* destination);

    /// <summary>Stores pairs of bf16 rounded to nearest even; the inverse of <see cref="LoadBFloat16Pairs"/>.</summary>
    static abstract void StoreBFloat16Pairs(uint* destination, TSelf even, TSelf odd);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf left, TSelf right);

    static abstract TSelf operator *(TSelf left, TSelf right);

    static abstract TSelf operator /(TSelf left, TSelf right);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf a, TSelf b, TSelf c);

    static abstract TSelf Max(TSelf left, TSelf right);

    static abstract TSelf Min(TSelf left, TSelf right);

    static abstract TSelf Abs(TSelf value);

    /// <summary>To the nearest whole number, ties to even.</summary>
    static abstract TSelf Round(TSelf value);

    /// <summary>value * 2^exponent for a whole exponent, rounded once: it over- and underflows as the format does.</summary>
    static abstract TSelf ScaleB(TSelf value, TSelf exponent);

    /// <summary>Per lane: x &lt; y ? ifTrue : ifFalse.</summary>
    static abstract TSelf SelectLess(TSelf x, TSelf y, TSelf ifTrue, TSelf ifFalse);

    /// <summary>Sum of the lanes in a fixed order.</summary>
    static abstract float Sum(TSelf value);

    static abstract float MaxAcross(TSelf value);
}
