namespace Vllm.Kernels;

/// <summary>Element type of a <see cref="Tensor"/>, of the KV cache, or of a computation.</summary>
public enum DType
{
    F32,
    F16,
    BF16,
    I32,

    /// <summary>8-bit float with 4 bits of exponent and 3 of mantissa (<c>e4m3fn</c>): up to 448, no infinity.</summary>
    F8E4M3,

    /// <summary>8-bit float with 5 bits of exponent and 2 of mantissa.</summary>
    F8E5M2,

    /// <summary>8-bit integer; in a KV cache with a scale per token and KV head, for keys and values each.</summary>
    I8,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    public static int SizeBytes(this DType dtype) => dtype switch
    {
        DType.F32 or DType.I32 => 4,
        DType.F16 or DType.BF16 => 2,
        _ => 1,
    };
}
