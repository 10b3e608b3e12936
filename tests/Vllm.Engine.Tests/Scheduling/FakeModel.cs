using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using Vllm.Kernels;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>
/// Stands in for the model and the KV memory. Every slot holds a digest of the cache salt and all tokens up to its own,
/// as real keys and values depend on all tokens before them; a step fails when a request would read a slot with another
/// content. So wrong sharing, early reuse and blocks that are cached but never computed all show.
/// </summary>
sealed class FakeModel(SchedulerOptions options)
{
    readonly ulong[] _slots = new ulong[options.NumBlocks * options.BlockSize];
    readonly ulong[] _hostSlots = new ulong[options.NumHostBlocks * options.BlockSize];
    readonly List<int> _sampled = [];

    /// <summary>Computes a step and returns one token for each entry that produces one.</summary>
    public ReadOnlySpan<int> Execute(SchedulerOutput output)
    {
        if (output.Copies is { } copies) Copy(copies);
        foreach (ScheduledRequest scheduled in output.Scheduled)
            Write(scheduled);
        _sampled.Clear();
        foreach (ScheduledRequest scheduled in output.Scheduled)
        {
            ulong digest = Read(scheduled);
            if (scheduled.ProducesToken) _sampled.Add(NextToken(digest));
        }
        return System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_sampled);
    }

    /// <summary>The output a request has to have when it ends after <paramref name="numTokens"/> tokens.</summary>
    public static List<int> ExpectedOutput(Request request, int numTokens)
    {
        ulong digest = Salt(request);
        foreach (int token in request.TokenIds[..request.NumPromptTokens])
            digest = Mix(digest, token);
        var output = new List<int>();
        while (output.Count < numTokens)
        {
            output.Add(NextToken(digest));
            digest = Mix(digest, output[^1]);
        }
        return output;
    }

    void Copy(BlockCopies copies)
    {
        foreach (KvBlockCopy copy in copies.Stores) Block(_slots, copy.Block).CopyTo(Block(_hostSlots, copy.HostBlock));
        foreach (KvBlockCopy copy in copies.Loads) Block(_hostSlots, copy.HostBlock).CopyTo(Block(_slots, copy.Block));
    }

    Span<ulong> Block(ulong[] slots, int block) => slots.AsSpan(block * options.BlockSize, options.BlockSize);

    void Write(ScheduledRequest scheduled)
    {
        ulong digest = Salt(scheduled.Request);
        for (int position = 0; position < scheduled.NumComputedTokens + scheduled.NumTokens; position++)
        {
            digest = Mix(digest, scheduled.Request.TokenIds[position]);
            if (position >= scheduled.NumComputedTokens) SlotOf(scheduled, position) = digest;
        }
    }

    ulong Read(ScheduledRequest scheduled)
    {
        ulong digest = Salt(scheduled.Request);
        for (int position = 0; position < scheduled.NumComputedTokens + scheduled.NumTokens; position++)
        {
            digest = Mix(digest, scheduled.Request.TokenIds[position]);
            if (SlotOf(scheduled, position) != digest)
                throw new InvalidOperationException($"{scheduled.Request.Id} reads a wrong slot at {position}");
        }
        return digest;
    }

    ref ulong SlotOf(ScheduledRequest scheduled, int position)
    {
        (int index, int offset) = Math.DivRem(position, options.BlockSize);
        return ref _slots[scheduled.BlockIds.Span[index] * options.BlockSize + offset];
    }

    static ulong Salt(Request request) => request.CacheSalt is { Length: > 0 } salt ? salt[0] : 1UL;

    static ulong Mix(ulong digest, int token) => (digest + (ulong)token + 1) * 0x9E3779B97F4A7C15 ^ (digest >> 29);

    /// <summary>Few different tokens, so that outputs meet stop tokens and each other's prefixes.</summary>
    static int NextToken(ulong digest) => (int)(digest >> 40) % 40;
}
