namespace Vllm.Server.Generation;

/// <summary>Joins the outputs of a stream so that a chunk holds at least so many tokens (<c>stream_interval</c>); a choice's
/// first and last tokens are passed on at once.</summary>
static class DeltaJoiner
{
    public static IAsyncEnumerable<RequestOutput> Join(IAsyncEnumerable<RequestOutput> outputs, int numTokens) =>
        numTokens <= 1 ? outputs : JoinAll(outputs, numTokens);

    static async IAsyncEnumerable<RequestOutput> JoinAll(IAsyncEnumerable<RequestOutput> outputs, int numTokens)
    {
        var started = new HashSet<int>();
        var pending = new Dictionary<int, CompletionOutput>();
        await foreach (RequestOutput output in outputs)
        {
            List<CompletionOutput> ready = [];
            foreach (CompletionOutput delta in output.Outputs)
            {
                CompletionOutput joined = pending.Remove(delta.Index, out CompletionOutput? earlier) ? Join(earlier, delta) : delta;
                bool isReady = joined.TokenIds.Count >= numTokens || joined.FinishReason is not null || started.Add(joined.Index);
                if (isReady) ready.Add(joined);
                else pending[joined.Index] = joined;
            }
            if (ready.Count > 0 || output.Finished) yield return output with { Outputs = ready };
        }
    }

    static CompletionOutput Join(CompletionOutput first, CompletionOutput second) => second with
    {
        Text = first.Text + second.Text,
        TokenIds = [.. first.TokenIds, .. second.TokenIds],
        Logprobs = second.Logprobs is null ? first.Logprobs : [.. first.Logprobs ?? [], .. second.Logprobs],
    };
}
