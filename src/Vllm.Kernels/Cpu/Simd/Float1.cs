namespace Vllm.Kernels.Cpu.Simd;

/// <summary>One float: the vector code in scalar form, for machines without vectors the runtime knows.</summary>
readonly unsafe struct Float1(float value) : IFloatVector<Float1>
{
    readonly float _value = value;

    public float Value => _value;

    public static int Width => 1;

    public static Float1 Zero => default;

    public static Float1 Create(float value) => new(value);

    public static Float1 Load(float* source) => new(*source);

    public void Store(float* destination) => *destination = _value;

    public static void LoadBFloat16Pairs(uint* source, out Float1 even, out Float1 odd)
    {
        even = new(BitConverter.UInt32BitsToSingle(*source << 16));
        odd = new(BitConverter.UInt32BitsToSingle(*source & 0xFFFF0000u));
    }

    public void StoreBFloat16(ushort* destination) => *destination = (ushort)(Rounded() >> 16);

    public static void StoreBFloat16Pairs(uint* destination, Float1 even, Float1 odd) =>
        *destination = (even.Rounded() >> 16) | (odd.Rounded() & 0xFFFF0000u);

    /// <summary>Bits whose upper half is the value as bf16.</summary>
    uint Rounded()
    {
        uint bits = BitConverter.SingleToUInt32Bits(_value);
        return bits + 0x7FFF + ((bits >> 16) & 1);
    }

    public static Float1 operator +(Float1 left, Float1 right) => new(left._value + right._value);

    public static Float1 operator -(Float1 left, Float1 right) => new(left._value - right._value);

    public static Float1 operator *(Float1 left, Float1 right) => new(left._value * right._value);

    public static Float1 operator /(Float1 left, Float1 right) => new(left._value / right._value);

    public static Float1 FusedMultiplyAdd(Float1 a, Float1 b, Float1 c) =>
        new(MathF.FusedMultiplyAdd(a._value, b._value, c._value));

    public static Float1 Max(Float1 left, Float1 right) => left._value > right._value ? left : right;

    public static Float1 Min(Float1 left, Float1 right) => left._value < right._value ? left : right;

    public static Float1 Abs(Float1 value) => new(MathF.Abs(value._value));

    public static Float1 Round(Float1 value) => new(MathF.Round(value._value));

    public static Float1 ScaleB(Float1 value, Float1 exponent) =>
        new(MathF.ScaleB(value._value, (int)Math.Clamp(exponent._value, -252f, 254f)));

    public static Float1 SelectLess(Float1 x, Float1 y, Float1 ifTrue, Float1 ifFalse) =>
        x._value < y._value ? ifTrue : ifFalse;

    public static float Sum(Float1 value) => value._value;

    public static float MaxAcross(Float1 value) => value._value;
}
