using Vllm.Engine.KvCache;
using Vllm.Engine.Sampling;

namespace Vllm.Engine.Requests;

/// <summary>Where a request stands; a finished one is no longer in the scheduler.</summary>
enum RequestStatus
{
    Waiting,
    Running,
    Preempted,
    Finished,
}

/// <summary>One sequence that the engine works on. Owned by the engine thread from the moment it is added.</summary>
sealed class Request
{
    /// <summary>Room for so many output tokens (16 KB) is made at once, so that no step grows a list before; after them
    /// lists double.</summary>
    const int MaxReservedOutputTokens = 4096;

    readonly List<int> _tokenIds;

    public Request(string id, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams, int maxTokens)
    {
        Id = id;
        NumPromptTokens = promptTokenIds.Count;
        SamplingParams = samplingParams;
        MaxTokens = maxTokens;
        NumReservedTokens = promptTokenIds.Count + Math.Min(maxTokens, MaxReservedOutputTokens);
        _tokenIds = new List<int>(NumReservedTokens);
        _tokenIds.AddRange(promptTokenIds);
    }

    public string Id { get; }

    public SamplingParams SamplingParams { get; }

    public int NumPromptTokens { get; }

    /// <summary>The resolved limit: <see cref="SamplingParams.MaxTokens"/> or what fits into the model's
    /// length.</summary>
    public int MaxTokens { get; }

    /// <summary>Tokens that room is made for at the start.</summary>
    public int NumReservedTokens { get; }

    /// <summary>The end-of-sequence token, or null when the request goes on after it.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>Lower is served first (priority policy).</summary>
    public int Priority { get; init; }

    /// <summary>Seconds; orders requests of one priority.</summary>
    public double ArrivalTime { get; init; }

    /// <summary>Joins the hash of the first block: prompts of different salts share nothing.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>The token sequences of <see cref="SamplingParams.BadWords"/>.</summary>
    public IReadOnlyList<int[]> BadWords { get; init; } = [];

    /// <summary>The user's own processors that have something to do for it.</summary>
    public IReadOnlyList<LogitsProcessor> LogitsProcessors { get; init; } = [];

    /// <summary>Where its tokens go; null in a scheduler without readers.</summary>
    public SequenceOutput? Output { get; init; }

    /// <summary>The sampler's state, made with the first token.</summary>
    public SamplerRow? SamplerRow { get; set; }

    /// <summary>Log-probabilities of the prompt's tokens from the second on, as far as computed.</summary>
    public List<SampledLogprobs> PromptLogprobs { get; } = [];

    /// <summary>When it got its first step: a timestamp of the engine's clock, 0 = not yet.</summary>
    public long FirstScheduledTime { get; set; }

    public RequestStatus Status { get; set; }

    public FinishReason? FinishReason { get; set; }

    /// <summary>The stop token that ended the request; null for the end-of-sequence token.</summary>
    public int? StopTokenId { get; set; }

    /// <summary>Prompt and output.</summary>
    public ReadOnlySpan<int> TokenIds => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokenIds);

    public ReadOnlySpan<int> OutputTokenIds => TokenIds[NumPromptTokens..];

    public int NumTokens => _tokenIds.Count;

    public int NumOutputTokens => _tokenIds.Count - NumPromptTokens;

    /// <summary>Tokens whose keys and values are in the cache (or will be after the step under way).</summary>
    public int NumComputedTokens { get; set; }

    /// <summary>Prompt tokens taken from the prefix cache at the first admission; -1 before it.</summary>
    public int NumCachedTokens { get; set; } = -1;

    public int NumPreemptions { get; set; }

    /// <summary>Place in the waiting queue under first come, first served; set by the queue.</summary>
    public long QueuePosition { get; set; }

    /// <summary>The KV blocks it holds, in order of position; empty while it waits.</summary>
    public BlockTable BlockTable { get; } = new();

    /// <summary>Hashes of the full blocks of <see cref="TokenIds"/>, filled by the KV cache as blocks fill
    /// up.</summary>
    public List<BlockHash> BlockHashes { get; } = [];

    public bool IsFinished => Status == RequestStatus.Finished;

    public void AppendOutputTokenId(int tokenId) => _tokenIds.Add(tokenId);
}
