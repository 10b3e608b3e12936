namespace Vllm.Engine.Sampling;

/// <summary>A sequence of a beam search: prompt and generated tokens.</summary>
/// <param name="TokenIds">Prompt and output, with the end token of a finished sequence.</param>
/// <param name="Output">Per generated token: the candidates it was chosen from, as a response shows them.</param>
/// <param name="CumulativeLogprob">Sum over the output.</param>
/// <param name="IsFinished">By the end token; the others end by length.</param>
sealed record Beam(int[] TokenIds, TokenLogprobs[] Output, double CumulativeLogprob, bool IsFinished);

/// <summary>
/// The bookkeeping of one beam search. The caller runs the model: as long as there are <see cref="Running"/> beams it
/// gives <see cref="Advance"/> the most likely next tokens of each.
/// As in vLLM there is no early stop: finished and running sequences are compared at the end, by the same score.
/// </summary>
sealed class BeamSearch
{
    readonly BeamSearchParams _params;
    readonly int? _eosTokenId;
    List<Beam> _finished = [];
    List<Beam> _running;
    int _numSteps;

    public BeamSearch(IReadOnlyList<int> promptTokenIds, BeamSearchParams beamSearchParams, int? eosTokenId)
    {
        _params = beamSearchParams;
        _eosTokenId = eosTokenId;
        _running = [new Beam([.. promptTokenIds], [], 0, IsFinished: false)];
    }

    /// <summary>Logprobs to ask for per beam and step: enough that <see cref="BeamSearchParams.BeamWidth"/> beams go on
    /// even if every beam offers the end token.</summary>
    public int NumLogprobs => 2 * _params.BeamWidth;

    /// <summary>The beams that need a next token; empty when the search is over.</summary>
    public IReadOnlyList<Beam> Running => _numSteps < _params.MaxTokens ? _running : [];

    /// <summary>Continues each beam with each of its candidates and keeps the best.</summary>
    /// <param name="candidates">Per running beam, in order: raw logprobs of the most likely tokens.</param>
    public void Advance(IReadOnlyList<TokenLogprobs> candidates)
    {
        var continuations = new List<(Beam Beam, TokenLogprobs Choice, double Score)>();
        for (int i = 0; i < _running.Count; i++)
        {
            for (int index = 0; index < candidates[i].Entries.Count; index++)
            {
                Beam beam = _running[i];
                TokenLogprobs choice = candidates[i] with { TokenIndex = index };
                double logprob = beam.CumulativeLogprob + choice.Token.Logprob;
                if (choice.Token.TokenId == _eosTokenId && !_params.IgnoreEos)
                    _finished.Add(Extend(beam, choice, isFinished: true));
                else
                    continuations.Add((beam, choice, Score(logprob, beam.TokenIds.Length + 1, choice.Token.TokenId)));
            }
        }
        // The sort is stable: among equals the earlier beam and the more likely token go on.
        _running = [.. continuations.OrderByDescending(c => c.Score).Take(_params.BeamWidth)
            .Select(c => Extend(c.Beam, c.Choice, isFinished: false))];
        _finished = Best(_finished); // no other can be among the results
        _numSteps++;
    }

    static Beam Extend(Beam beam, TokenLogprobs choice, bool isFinished) => new(
        [.. beam.TokenIds, choice.Token.TokenId], [.. beam.Output, choice],
        beam.CumulativeLogprob + choice.Token.Logprob, isFinished);

    /// <summary>The best sequences so far, best first.</summary>
    public IReadOnlyList<Beam> Results() => Best(_finished.Concat(_running));

    List<Beam> Best(IEnumerable<Beam> beams) => [.. beams.OrderByDescending(Score).Take(_params.BeamWidth)];

    /// <summary>What sequences are sorted by.</summary>
    public double Score(Beam beam) => Score(beam.CumulativeLogprob, beam.TokenIds.Length, beam.TokenIds[^1]);

    /// <summary>logprob / length^penalty; the length counts the prompt, but not a final end token.</summary>
    double Score(double logprob, int length, int lastTokenId) =>
        logprob / Math.Pow(lastTokenId == _eosTokenId ? length - 1 : length, _params.LengthPenalty);
}
