using Vllm.Server;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;

namespace Vllm.Tests.Generation;

public sealed class ActiveRequestsTests
{
    [Fact]
    public async Task Limit_HoldsWhenManyComeAtOnce()
    {
        const int Limit = 10;
        var active = new ActiveRequests(new ServerOptions { MaxNumQueuedReqs = Limit }, engine: null!);
        using var start = new ManualResetEventSlim();
        Task<IDisposable?>[] arrivals = [.. Enumerable.Range(0, 64).Select(i => Task.Run(() =>
        {
            start.Wait();
            return Enter(active, $"{i}");
        }))];

        start.Set();
        IDisposable?[] admissions = await Task.WhenAll(arrivals);

        Assert.Equal(Limit, admissions.Count(a => a is not null));
        Assert.Equal(64 - Limit, active.NumRejectedForRequests);
        foreach (IDisposable? admission in admissions) admission?.Dispose();
        using IDisposable? later = await Enter(active, "later");
        Assert.NotNull(later);
    }

    static async Task<IDisposable?> Enter(ActiveRequests active, string id)
    {
        try
        {
            return await active.Enter(id, 1, CancellationToken.None);
        }
        catch (RequestException)
        {
            return null;
        }
    }

    [Fact]
    public async Task PromptTokens_CountFromTheFirstThatReachesTheLimit()
    {
        var active = new ActiveRequests(new ServerOptions { MaxNumQueuedTokens = 10 }, engine: null!);
        using ActiveRequests.Admission first = await active.Enter("a", 1, CancellationToken.None);
        using ActiveRequests.Admission second = await active.Enter("b", 1, CancellationToken.None);

        first.CountPrompts(20);
        Assert.Throws<RequestException>(() => second.CountPrompts(1));

        first.Begin("a-1", 20);
        first.EndPrefill("a-1");
        second.CountPrompts(1);
        Assert.Equal(1, active.NumRejectedForTokens);
    }
}
