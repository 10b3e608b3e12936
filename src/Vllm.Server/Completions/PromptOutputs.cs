using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Vllm.Server.Completions;

/// <summary>The outputs of several prompts as one stream, in the order they come.</summary>
static class PromptOutputs
{
    /// <param name="numPrompts">How many there are.</param>
    /// <param name="run">Starts the prompt of an index.</param>
    /// <param name="cancellationToken">Aborts all.</param>
    public static IAsyncEnumerable<(int Index, RequestOutput Output)> Merge(
        int numPrompts, Func<int, CancellationToken, IAsyncEnumerable<RequestOutput>> run,
        CancellationToken cancellationToken) =>
        numPrompts == 1 ? Single(run(0, cancellationToken)) : Many(numPrompts, run, cancellationToken);

    static async IAsyncEnumerable<(int, RequestOutput)> Single(IAsyncEnumerable<RequestOutput> outputs)
    {
        await foreach (RequestOutput output in outputs) yield return (0, output);
    }

    /// <summary>One failure ends all: the other prompts are aborted before it is thrown.</summary>
    static async IAsyncEnumerable<(int, RequestOutput)> Many(
        int numPrompts, Func<int, CancellationToken, IAsyncEnumerable<RequestOutput>> run,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // One place per prompt: a slow reader holds every prompt back, and the engine joins what is new.
        var channel = Channel.CreateBounded<(int, RequestOutput)>(numPrompts);

        async Task Pump(int index)
        {
            await foreach (RequestOutput output in run(index, stop.Token))
                await channel.Writer.WriteAsync((index, output), stop.Token);
        }

        Task[] pumps = [.. Enumerable.Range(0, numPrompts).Select(Pump)];
        Task all = Complete(pumps, channel.Writer, stop);
        try
        {
            await foreach ((int, RequestOutput) item in channel.Reader.ReadAllAsync(cancellationToken))
                yield return item;
        }
        finally
        {
            await stop.CancelAsync();
            await all;
        }
    }

    static async Task Complete(Task[] pumps, ChannelWriter<(int, RequestOutput)> writer, CancellationTokenSource stop)
    {
        Exception? first = null;
        await foreach (Task pump in Task.WhenEach(pumps))
        {
            if (pump.IsCompletedSuccessfully || first is not null) continue;
            first = pump.Exception?.InnerException ?? new OperationCanceledException(stop.Token);
            await stop.CancelAsync();
        }
        writer.TryComplete(first);
    }
}
