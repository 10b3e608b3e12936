using Vllm.Engine.Requests;

namespace Vllm.Engine.Scheduling;

/// <summary>Whether a request ends with its newest token. Stop strings are the output processor's work.</summary>
static class StopRules
{
    /// <summary>
    /// Checks, in vLLM's order: (1) end-of-sequence token, (2) stop token, (3) length, and from min_tokens on
    /// (4) repetition. End tokens count below min_tokens too: keeping them out is the sampler's work. Sets
    /// <see cref="Request.FinishReason"/> and <see cref="Request.StopTokenId"/> when the request ends.
    /// </summary>
    public static bool Apply(Request request, int maxModelLen)
    {
        SamplingParams sampling = request.SamplingParams;
        int newest = request.TokenIds[^1];
        if (newest == request.EosTokenId) // 1
        {
            request.FinishReason = FinishReason.Stop;
        }
        else if (Contains(sampling.StopTokenIds, newest)) // 2
        {
            request.FinishReason = FinishReason.Stop;
            request.StopTokenId = newest;
        }
        else if (request.NumTokens >= maxModelLen || request.NumOutputTokens >= request.MaxTokens) // 3
        {
            request.FinishReason = FinishReason.Length;
        }
        else if (request.NumOutputTokens >= sampling.MinTokens // 4
            && sampling.RepetitionDetection is { } detection && EndsInRepetition(request.OutputTokenIds, detection))
        {
            request.FinishReason = FinishReason.Repetition;
        }
        return request.FinishReason is not null;
    }

    /// <summary>Not LINQ: an enumerator over the interface would be an allocation per token.</summary>
    static bool Contains(IReadOnlyList<int> ids, int id)
    {
        for (int i = 0; i < ids.Count; i++)
            if (ids[i] == id)
                return true;
        return false;
    }

    static bool EndsInRepetition(ReadOnlySpan<int> outputTokenIds, RepetitionDetectionParams detection)
    {
        for (int size = Math.Max(1, detection.MinPatternSize); size <= detection.MaxPatternSize; size++)
        {
            long numTokens = (long)size * detection.MinCount;
            if (numTokens > outputTokenIds.Length) return false;
            // A tail repeats with this period when it equals itself shifted by one period.
            ReadOnlySpan<int> tail = outputTokenIds[^(int)numTokens..];
            if (tail[size..].SequenceEqual(tail[..^size])) return true;
        }
        return false;
    }
}
