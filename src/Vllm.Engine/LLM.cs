using Vllm.Engine;

namespace Vllm;

/// <summary>Offline batches, in process: all prompts are submitted at once and run together.</summary>
/// <example><code>
/// using var llm = new LLM("models/SmolLM2-135M-Instruct.Q4_1.gguf");
/// foreach (RequestOutput output in llm.Generate(["The capital of France is"], new SamplingParams { Temperature = 0 }))
///     Console.WriteLine(output.Outputs[0].Text);
/// </code></example>
public sealed class LLM : IDisposable
{
    readonly AsyncLLM _engine;
    long _numRequests;

    /// <param name="model">A GGUF file or a folder with a Hugging Face checkpoint.</param>
    public LLM(string model) : this(new EngineOptions { Model = model }) { }

    /// <param name="options">Model and engine options.</param>
    /// <param name="progress">Told of the loading.</param>
    public LLM(EngineOptions options, IProgress<LoadProgress>? progress = null) =>
        _engine = AsyncLLM.Create(options, progress);

    public EngineConfig Config => _engine.Config;

    /// <summary>Continues each prompt. Results are in the order of the prompts.</summary>
    /// <param name="prompts">Texts.</param>
    /// <param name="samplingParams">For all prompts; null = the model's defaults.</param>
    /// <param name="progress">Told after each finished prompt how many are.</param>
    /// <exception cref="ArgumentException">A prompt or a parameter is not valid; nothing was run.</exception>
    public IReadOnlyList<RequestOutput> Generate(
        IReadOnlyList<string> prompts, SamplingParams? samplingParams = null, IProgress<int>? progress = null) =>
        Generate([.. prompts.Select(prompt => (IReadOnlyList<int>)_engine.Tokenizer.Encode(prompt))], samplingParams, progress);

    /// <summary>Continues each prompt of token ids.</summary>
    public IReadOnlyList<RequestOutput> Generate(
        IReadOnlyList<IReadOnlyList<int>> promptTokenIds, SamplingParams? samplingParams = null,
        IProgress<int>? progress = null)
    {
        SamplingParams parameters = (samplingParams ?? _engine.Config.SamplingDefaults.ToSamplingParams()) with
        {
            OutputKind = OutputKind.FinalOnly,
        };
        var streams = new List<IAsyncEnumerable<RequestOutput>>(promptTokenIds.Count);
        foreach (IReadOnlyList<int> prompt in promptTokenIds)
            streams.Add(_engine.Generate($"{Interlocked.Increment(ref _numRequests)}", prompt, parameters));

        int numDone = 0;
        return Task.WhenAll(streams.Select(LastAsync)).GetAwaiter().GetResult();

        async Task<RequestOutput> LastAsync(IAsyncEnumerable<RequestOutput> stream)
        {
            RequestOutput? last = null;
            await foreach (RequestOutput output in stream.ConfigureAwait(false)) last = output;
            progress?.Report(Interlocked.Increment(ref numDone));
            return last!.Error is null ? last : throw new InvalidOperationException(last.Error);
        }
    }

    /// <summary>Searches for the most likely continuations of each prompt: <see cref="BeamSearchParams.BeamWidth"/> outputs
    /// per prompt, best first.</summary>
    /// <exception cref="ArgumentException">A prompt or a parameter is not valid.</exception>
    public IReadOnlyList<RequestOutput> BeamSearch(IReadOnlyList<string> prompts, BeamSearchParams beamSearchParams) =>
        BeamSearch([.. prompts.Select(prompt => (IReadOnlyList<int>)_engine.Tokenizer.Encode(prompt))], beamSearchParams);

    /// <summary>The same for prompts of token ids.</summary>
    public IReadOnlyList<RequestOutput> BeamSearch(
        IReadOnlyList<IReadOnlyList<int>> promptTokenIds, BeamSearchParams beamSearchParams)
    {
        RequestOutput[] outputs = Task.WhenAll(promptTokenIds.Select(prompt =>
            _engine.BeamSearchAsync($"{Interlocked.Increment(ref _numRequests)}", prompt, beamSearchParams))).GetAwaiter().GetResult();
        return Array.Find(outputs, output => output.Error is not null) is { } failed
            ? throw new InvalidOperationException(failed.Error)
            : outputs;
    }

    /// <summary>Answers each conversation through the model's chat template.</summary>
    /// <exception cref="InvalidOperationException">The model has no chat template.</exception>
    public IReadOnlyList<RequestOutput> Chat(
        IReadOnlyList<IReadOnlyList<ChatMessage>> conversations, SamplingParams? samplingParams = null,
        IProgress<int>? progress = null) =>
        Generate([.. conversations.Select(IReadOnlyList<int> (messages) => _engine.EncodeChat(messages))], samplingParams, progress);

    public void Dispose() => _engine.DisposeAsync().AsTask().GetAwaiter().GetResult();
}
