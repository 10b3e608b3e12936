using System.Runtime.InteropServices;
using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;
using Vllm.Kernels;
using Vllm.Models.Architectures;

namespace Vllm.Engine.Execution;

/// <summary>
/// Runs a step on the device: (0) copies between cache and host; (1) rows and positions of the step's tokens; (2) the
/// layers; (3) log-probabilities of prompt tokens, where asked for; (4) logits of the rows that get a token;
/// (5) sampling. Nothing is allocated in a step of plain sampling.
/// </summary>
sealed class ModelRunner : IDisposable
{
    readonly EngineConfig _config;
    readonly LanguageModel _model;
    readonly Device _device;
    readonly Kernels.KvCache _kvCache;
    readonly HostKvCache? _hostKvCache;
    readonly InputBatch _batch;
    readonly Sampler _sampler;
    readonly SamplerOutput _sampled;
    readonly SamplerRow[] _rows;
    readonly int[] _promptRows;
    readonly RowAccessor _logitsOfRow;
    Tensor _logits; // [numSampled, vocabSize]

    /// <param name="config">Sizes.</param>
    /// <param name="model">Owned by the runner.</param>
    /// <param name="device">Owned by the runner.</param>
    /// <param name="kvCache">Owned by the runner.</param>
    /// <param name="hostKvCache">Owned by the runner; null when the host keeps nothing.</param>
    public ModelRunner(
        EngineConfig config, LanguageModel model, Device device, Kernels.KvCache kvCache, HostKvCache? hostKvCache = null)
    {
        _config = config;
        _model = model;
        _device = device;
        _kvCache = kvCache;
        _hostKvCache = hostKvCache;
        _batch = new InputBatch(config);
        int maxNumSeqs = config.Options.MaxNumSeqs;
        _sampler = new Sampler(
            config.VocabSize, maxNumSeqs, (ulong)config.Options.Seed, device.ParallelFor, device.NumWorkers)
        {
            LogprobsMode = config.Options.LogprobsMode,
        };
        _sampled = new SamplerOutput(maxNumSeqs);
        _rows = new SamplerRow[maxNumSeqs];
        _promptRows = new int[maxNumSeqs];
        _logitsOfRow = row => _logits.Row<float>(row);
    }

    /// <summary>One token for each request of the step that <see cref="ScheduledRequest.ProducesToken"/>, in order; valid
    /// until the next call.</summary>
    public SamplerOutput Execute(SchedulerOutput step)
    {
        _device.BeginStep();
        if (step.Copies is { } copies) Copy(copies);                                    // (0)
        _batch.Build(step);                                                             // (1)
        Tensor hidden = _model.Forward(_batch.TokenIds, _kvCache, _batch.Metadata);     // (2) [numTokens, hiddenSize]
        GatherPromptLogprobs(step, hidden);                                             // (3)
        ReadOnlySpan<Request> requests = _batch.SampledRequests;
        if (requests.Length > 0)
        {
            _logits = _model.ComputeLogits(hidden, _batch.SampledRows);                 // (4)
            for (int i = 0; i < requests.Length; i++) _rows[i] = RowOf(requests[i]);
            _sampler.Sample(_logitsOfRow, _rows.AsSpan(0, requests.Length), _sampled);  // (5)
        }
        _device.EndStep();
        return _sampled;
    }

    public void Dispose()
    {
        _model.Dispose();
        _kvCache.Dispose();
        _hostKvCache?.Dispose();
        _device.Dispose();
    }

    void Copy(BlockCopies copies)
    {
        if (copies.Stores.Count > 0) _device.StoreBlocks(_kvCache, _hostKvCache!, CollectionsMarshal.AsSpan(copies.Stores));
        if (copies.Loads.Count > 0) _device.LoadBlocks(_kvCache, _hostKvCache!, CollectionsMarshal.AsSpan(copies.Loads));
    }

    SamplerRow RowOf(Request request) =>
        request.SamplerRow ??= _sampler.CreateRow(request, request.BadWords, _config.EosTokenIds);

    void GatherPromptLogprobs(SchedulerOutput step, Tensor hidden)
    {
        int firstRow = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(step.Scheduled))
        {
            if (scheduled.Request.SamplingParams.PromptLogprobs is { } num) GatherPromptLogprobs(scheduled, hidden, firstRow, num);
            firstRow += scheduled.NumTokens;
        }
    }

    /// <summary>Position p's logits tell of prompt token p + 1. What a preempted request has already is not made again.</summary>
    void GatherPromptLogprobs(in ScheduledRequest scheduled, Tensor hidden, int firstRow, int numLogprobs)
    {
        Request request = scheduled.Request;
        int position = Math.Max(scheduled.NumComputedTokens, request.PromptLogprobs.Count);
        int end = Math.Min(scheduled.NumComputedTokens + scheduled.NumTokens, request.NumPromptTokens - 1);
        while (position < end)
        {
            int num = Math.Min(end - position, _promptRows.Length);
            for (int i = 0; i < num; i++) _promptRows[i] = firstRow + position - scheduled.NumComputedTokens + i;
            Tensor logits = _model.ComputeLogits(hidden, _promptRows.AsSpan(0, num)); // [num, vocabSize]
            for (int i = 0; i < num; i++)
            {
                int tokenId = request.TokenIds[position + i + 1];
                request.PromptLogprobs.Add(_sampler.GatherPromptLogprobs(logits.Row<float>(i), tokenId, numLogprobs));
            }
            position += num;
        }
    }
}
