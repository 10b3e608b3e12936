using Vllm.Engine.Requests;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Engine.Sampling;

/// <summary>The logits of a row of the step, [vocabSize]; the sampler may overwrite them.</summary>
delegate Span<float> RowAccessor(int row);

/// <summary>Calls <paramref name="body"/>(row, worker) for all rows and returns when they are done; calls that run at
/// the same time have different workers.</summary>
delegate void ParallelRows(int numRows, Action<int, int> body);

/// <summary>
/// Chooses the next token of each row of logits. Per row, and depending on nothing but that row:
/// 1. Keep the untouched logits if raw logprobs are asked for.
/// 2. Allowed tokens, bad words, min tokens, logit bias, penalties.
/// 3. Greedy: the largest logit, the first among equals. Else temperature, min-p, top-k, top-p and an exponential race.
/// 4. Logprob and rank of the token, and the most likely others.
/// </summary>
sealed class Sampler
{
    readonly SamplingKernels _kernels = SamplingKernels.Default;
    readonly SamplerScratch[] _scratch;
    readonly Candidates[] _candidates;
    readonly LogprobsGatherer[] _gatherers;
    readonly ParallelRows? _parallelRows;
    readonly Action<int, int> _sampleRow;
    readonly ulong _seed;
    readonly SamplerRow[] _rows;
    RowAccessor? _logits;
    SamplerOutput? _output;
    uint _numRowsCreated;

    /// <param name="vocabSize">Length of a row of logits.</param>
    /// <param name="maxNumSeqs">Most rows of a step.</param>
    /// <param name="seed">Of the requests that have none.</param>
    /// <param name="parallelRows">Spreads rows over workers; null = one after the other.</param>
    /// <param name="numWorkers">Workers that <paramref name="parallelRows"/> uses; each has buffers of its own.</param>
    public Sampler(
        int vocabSize, int maxNumSeqs, ulong seed = 0, ParallelRows? parallelRows = null, int numWorkers = 1)
    {
        _seed = seed;
        _parallelRows = parallelRows;
        _sampleRow = TrySampleRow;
        _rows = new SamplerRow[maxNumSeqs];
        _scratch = new SamplerScratch[numWorkers];
        _candidates = new Candidates[numWorkers];
        _gatherers = new LogprobsGatherer[numWorkers];
        for (int worker = 0; worker < numWorkers; worker++)
        {
            _scratch[worker] = new SamplerScratch(vocabSize);
            _candidates[worker] = new Candidates(_scratch[worker], _kernels);
            _gatherers[worker] = new LogprobsGatherer(_scratch[worker], _kernels);
        }
    }

    /// <summary>Which numbers are reported as logprobs.</summary>
    public LogprobsMode LogprobsMode { get; init; }

    bool ReportsRaw => LogprobsMode is LogprobsMode.RawLogprobs or LogprobsMode.RawLogits;

    bool ReportsLogits => LogprobsMode is LogprobsMode.RawLogits or LogprobsMode.ProcessedLogits;

    /// <summary>Makes the sampler's state of a new request; the caller keeps it as long as the request.</summary>
    /// <param name="request">Its sampling parameters have been validated.</param>
    /// <param name="badWords">The token sequences of <see cref="SamplingParams.BadWords"/>; none is empty.</param>
    /// <param name="endTokenIds">All end tokens of the model, also when the request ignores them: none of them may
    /// come before <see cref="SamplingParams.MinTokens"/>.</param>
    public SamplerRow CreateRow(Request request, IReadOnlyList<int[]> badWords, IReadOnlyList<int> endTokenIds)
    {
        (uint low, uint high, _, _) = Philox.Generate(_seed, _numRowsCreated++, 0, 0, 0);
        ulong seed = request.SamplingParams.Normalize().Seed is { } own ? (ulong)own : low | (ulong)high << 32;
        return new SamplerRow(request, seed, badWords, endTokenIds);
    }

    /// <summary>Samples one token for each row; row i of <paramref name="logits"/> belongs to rows[i].</summary>
    public void Sample(RowAccessor logits, ReadOnlySpan<SamplerRow> rows, SamplerOutput output)
    {
        rows.CopyTo(_rows);
        _logits = logits;
        _output = output;
        if (_parallelRows is not null) _parallelRows(rows.Length, _sampleRow);
        else
            for (int row = 0; row < rows.Length; row++)
                TrySampleRow(row, worker: 0);
        _rows.AsSpan(0, rows.Length).Clear();
    }

    /// <summary>A row that cannot be sampled, for instance because a processor of the user's threw, must not take the
    /// others with it.</summary>
    void TrySampleRow(int index, int worker)
    {
        try
        {
            _output!.Errors[index] = null;
            SampleRow(index, worker);
        }
        catch (Exception e)
        {
            _output!.Errors[index] = e;
        }
    }

    void SampleRow(int index, int worker)
    {
        SamplerRow row = _rows[index];
        SamplingParams p = row.Params;
        Span<float> logits = _logits!(index); // [vocabSize]
        ReadOnlySpan<float> reported = logits;
        bool hasLogprobs = p.NumLogprobs is not null;

        // 1.
        if (hasLogprobs && ReportsRaw && row.HasProcessors)
        {
            logits.CopyTo(_scratch[worker].SavedLogits);
            reported = _scratch[worker].SavedLogits;
        }

        // 2.
        LogitsProcessors.Apply(row, logits, _scratch[worker].Values);

        // 3.
        int tokenId;
        if (p.IsGreedy)
        {
            tokenId = _kernels.Argmax(logits);
        }
        else
        {
            Candidates candidates = _candidates[worker];
            candidates.Select(logits, p.Temperature, p.MinP, p.TopK, p.TopP);
            tokenId = candidates.Draw(logits, row.Seed, row.Request.NumOutputTokens);
            if (hasLogprobs && !ReportsRaw) candidates.Apply(logits);
        }

        // 4.
        _output!.TokenIds[index] = tokenId;
        _output.Logprobs[index] = hasLogprobs ? GatherLogprobs(row, reported, tokenId, worker) : null;
    }

    SampledLogprobs GatherLogprobs(SamplerRow row, ReadOnlySpan<float> logits, int tokenId, int worker) =>
        row.LogprobTokenIds is { } ids
            ? _gatherers[worker].Gather(logits, tokenId, ids, ReportsLogits)
            : _gatherers[worker].GatherTop(logits, tokenId, row.Params.NumLogprobs ?? 0, ReportsLogits);

    /// <summary>The log-probabilities of a prompt token and of the <paramref name="numLogprobs"/> most likely ones
    /// (-1 = all), from the logits of the position before it. Always raw logprobs, as in vLLM. Not while a step is sampled:
    /// it uses the buffers of the first worker.</summary>
    public SampledLogprobs GatherPromptLogprobs(ReadOnlySpan<float> logits, int tokenId, int numLogprobs) =>
        _gatherers[0].GatherTop(logits, tokenId, numLogprobs, isLogits: false);
}
