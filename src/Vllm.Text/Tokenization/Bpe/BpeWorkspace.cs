namespace Vllm.Text.Tokenization.Bpe;

/// <summary>What one encoding call needs beside its input: lent to one thread at a time.</summary>
sealed class BpeWorkspace
{
    public SymbolBuffer Symbols { get; } = new();

    public WordCache Cache { get; } = new();
}

/// <summary>Keeps at most one workspace per processor; more callers at once make and drop their own.</summary>
sealed class BpeWorkspacePool
{
    readonly BpeWorkspace?[] _kept = new BpeWorkspace?[Environment.ProcessorCount];

    public BpeWorkspace Rent()
    {
        foreach (ref BpeWorkspace? slot in _kept.AsSpan())
            if (slot is not null && Interlocked.Exchange(ref slot, null) is { } kept) return kept;
        return new BpeWorkspace();
    }

    public void Return(BpeWorkspace workspace)
    {
        foreach (ref BpeWorkspace? slot in _kept.AsSpan())
            if (slot is null && Interlocked.CompareExchange(ref slot, workspace, null) is null) return;
    }
}
