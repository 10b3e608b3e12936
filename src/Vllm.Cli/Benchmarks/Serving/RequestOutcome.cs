namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>What one request gave; times in seconds on the client's clock.</summary>
sealed record RequestOutcome
{
    public bool IsSuccess => Error.Length == 0;

    /// <summary>Why it failed; empty when it did not.</summary>
    public string Error { get; init; } = "";

    /// <summary>Sent, from the start of the benchmark.</summary>
    public double StartTime { get; init; }

    /// <summary>Waited for one of the concurrent requests to end.</summary>
    public double QueueTime { get; init; }

    /// <summary>Sent to first token chunk.</summary>
    public double Ttft { get; init; }

    /// <summary>Sent to last token chunk.</summary>
    public double Latency { get; init; }

    /// <summary>Gaps between token chunks.</summary>
    public IReadOnlyList<double> Itl { get; init; } = [];

    public int NumPromptTokens { get; init; }

    public int NumOutputTokens { get; init; }

    public string Text { get; init; } = "";

    /// <summary>Time per output token after the first; 0 for one token.</summary>
    public double Tpot => NumOutputTokens > 1 ? (Latency - Ttft) / (NumOutputTokens - 1) : 0;
}
