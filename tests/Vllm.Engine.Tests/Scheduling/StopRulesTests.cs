using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Tests.Scheduling;

public class StopRulesTests
{
    const int MaxModelLen = 12;

    [Theory]
    [InlineData(new[] { 5 }, null, null)]
    [InlineData(new[] { 5, 2 }, FinishReason.Stop, null)] // the end token, though below min_tokens
    [InlineData(new[] { 7 }, FinishReason.Stop, 7)]
    [InlineData(new[] { 5, 5, 5, 5, 5, 5, 5 }, FinishReason.Length, null)]
    [InlineData(new[] { 5, 5, 5, 5, 5, 5, 2 }, FinishReason.Stop, null)] // end token and length at once
    public void Apply_ChecksInVllmsOrder(int[] output, FinishReason? reason, int? stopTokenId)
    {
        Request request = Apply(new SamplingParams { StopTokenIds = [7], MinTokens = 3 }, output);

        Assert.Equal((reason, stopTokenId), (request.FinishReason, request.StopTokenId));
    }

    [Fact]
    public void Apply_EndsAtTheModelsLength()
    {
        Request request = Apply(new SamplingParams(), [5, 5], numPromptTokens: MaxModelLen - 2);

        Assert.Equal(FinishReason.Length, request.FinishReason);
    }

    [Theory]
    [InlineData(new[] { 1, 8, 9, 8, 9 }, 2, 0, 2, 0, true)]
    [InlineData(new[] { 1, 8, 9, 8, 9 }, 2, 0, 2, 6, false)] // below min_tokens
    [InlineData(new[] { 1, 8, 9, 8, 9 }, 1, 0, 2, 0, false)] // pattern too long
    [InlineData(new[] { 1, 8, 9, 8, 9 }, 2, 2, 3, 0, false)] // too few
    [InlineData(new[] { 8, 8 }, 2, 2, 2, 0, false)] // pattern too short
    [InlineData(new[] { 8, 8, 8 }, 0, 0, 2, 0, false)] // off
    public void Apply_FindsRepetition(int[] output, int maxSize, int minSize, int minCount, int minTokens, bool ends)
    {
        var detection = new RepetitionDetectionParams
        {
            MaxPatternSize = maxSize,
            MinPatternSize = minSize,
            MinCount = minCount,
        };
        Request request = Apply(new SamplingParams { MinTokens = minTokens, RepetitionDetection = detection }, output);

        Assert.Equal(ends ? FinishReason.Repetition : null, request.FinishReason);
    }

    static Request Apply(SamplingParams sampling, int[] output, int numPromptTokens = 3)
    {
        int[] prompt = [.. Enumerable.Range(100, numPromptTokens)];
        var request = new Request("r", prompt, sampling, maxTokens: 7) { EosTokenId = 2 };
        foreach (int token in output)
        {
            Assert.Null(request.FinishReason);
            request.AppendOutputTokenId(token);
            Assert.Equal(StopRules.Apply(request, MaxModelLen), request.FinishReason is not null);
        }
        return request;
    }
}
