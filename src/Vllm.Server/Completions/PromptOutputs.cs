using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Vllm.Server.Completions;

/// <summary>The outputs of several prompts as one stream, in the order they come.</summary>
static class PromptOutputs
{
    public static IAsyncEnumerable<(int Index, RequestOutput Output)> Merge(
        IReadOnlyList<Func<CancellationToken, IAsyncEnumerable<RequestOutput>>> streams, CancellationToken cancellationToken) =>
        streams.Count == 1 ? Single(streams[0], cancellationToken) : Many(streams, cancellationToken);

    static async IAsyncEnumerable<(int, RequestOutput)> Single(
        Func<CancellationToken, IAsyncEnumerable<RequestOutput>> stream,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (RequestOutput output in stream(cancellationToken)) yield return (0, output);
    }

    /// <summary>One failure ends all: the other prompts are aborted before it is thrown.</summary>
    static async IAsyncEnumerable<(int, RequestOutput)> Many(
        IReadOnlyList<Func<CancellationToken, IAsyncEnumerable<RequestOutput>>> streams,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // One place per stream: a slow reader holds every stream back, and the engine joins what is new.
        var channel = Channel.CreateBounded<(int, RequestOutput)>(streams.Count);

        async Task Pump(int index)
        {
            await foreach (RequestOutput output in streams[index](stop.Token))
                await channel.Writer.WriteAsync((index, output), stop.Token);
        }

        Task[] pumps = [.. Enumerable.Range(0, streams.Count).Select(Pump)];
        Task all = Complete(pumps, channel.Writer, stop);
        try
        {
            await foreach ((int, RequestOutput) item in channel.Reader.ReadAllAsync(cancellationToken)) yield return item;
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
