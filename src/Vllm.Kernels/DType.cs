namespace Vllm.Kernels;

/// <summary>Element type of a <see cref="Tensor"/>, of the KV cache, or of a computation.</summary>
public enum DType
{
    F32,
    F16,
    BF16,
    I32,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    public static int SizeBytes(this DType dtype) => dtype is DType.F32 or DType.I32 ? 4 : 2;
}
