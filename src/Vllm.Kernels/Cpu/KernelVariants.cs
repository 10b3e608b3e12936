using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu;

/// <summary>One implementation of an operation.</summary>
/// <param name="Name">What <c>VLLM_KERNEL_…</c> names it by.</param>
/// <param name="IsSupported">Whether this machine can run it.</param>
/// <param name="Kernel">The implementation.</param>
readonly record struct KernelVariant<T>(string Name, bool IsSupported, T Kernel);

/// <summary>The implementations of one operation, fastest first. The first supported one runs, unless the environment
/// variable VLLM_KERNEL_<i>operation</i> names another. Variants may differ in the last bits: a process uses one.</summary>
sealed class KernelVariants<T>
{
    readonly KernelVariant<T>[] _variants;
    readonly Lazy<KernelVariant<T>> _chosen; // not made with the list: a wrong name must not be a type's failed start

    public KernelVariants(string operation, params KernelVariant<T>[] variants)
    {
        _variants = variants;
        Operation = operation;
        _chosen = new(Choose);
    }

    public string Operation { get; }

    /// <exception cref="ArgumentException">The environment names none that this machine can run.</exception>
    public KernelVariant<T> Chosen => _chosen.Value;

    public IEnumerable<KernelVariant<T>> Supported => _variants.Where(variant => variant.IsSupported);

    /// <summary>Which one runs, and why.</summary>
    public KernelChoice Choice => KernelChoice.Of(Operation, Chosen.Name, Supported.Select(variant => variant.Name));

    KernelVariant<T> Choose()
    {
        string variable = KernelChoice.Variable(Operation);
        if (Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } name) return Supported.First();
        foreach (KernelVariant<T> variant in Supported)
            if (variant.Name == name)
                return variant;
        string known = string.Join(", ", Supported.Select(variant => variant.Name));
        throw new ArgumentException($"{variable}={name}: this machine can run {known}");
    }
}

/// <summary>The widths in which vector kernels are registered, widest first: the attention tile ran
/// faster at 512 than at 256 bits on Zen 4; the others follow it.</summary>
static class VectorWidths
{
    public static KernelVariants<T> Variants<T>(string operation, T vector512, T vector256, T vector128, T scalar) => new(
        operation,
        new("vector512", Vector512.IsHardwareAccelerated, vector512),
        new("vector256", Vector256.IsHardwareAccelerated, vector256),
        new("vector128", Vector128.IsHardwareAccelerated, vector128),
        new("scalar", true, scalar));
}

/// <summary>What runs for an operation on this machine.</summary>
/// <param name="Operation">As <c>VLLM_KERNEL_…</c> names it.</param>
/// <param name="Variant">The implementation.</param>
/// <param name="Reason">Why this one.</param>
public sealed record KernelChoice(string Operation, string Variant, string Reason)
{
    internal static string Variable(string operation) => "VLLM_KERNEL_" + operation;

    /// <param name="operation">The operation.</param>
    /// <param name="variant">What was chosen.</param>
    /// <param name="supported">What this machine can run, fastest first.</param>
    internal static KernelChoice Of(string operation, string variant, IEnumerable<string> supported)
    {
        bool isForced = Environment.GetEnvironmentVariable(Variable(operation)) == variant;
        string names = string.Join(", ", supported);
        return new(operation, variant, isForced ? $"{Variable(operation)}, of {names}" : $"first of {names}");
    }
}
