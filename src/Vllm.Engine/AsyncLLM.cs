using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Vllm.Engine;
using Vllm.Engine.Execution;
using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Text.ChatTemplates;
using Vllm.Text.Tokenization;

namespace Vllm;

/// <summary>The online engine: many callers submit requests at any time and read their outputs as streams. All members
/// may be called from any thread.</summary>
public sealed class AsyncLLM : IAsyncDisposable
{
    readonly EngineCore _core;
    readonly InputProcessor _input;
    readonly OutputProcessor _output;
    readonly Task _outputTask;
    readonly ModelRunner _runner;

    AsyncLLM(LoadedEngine model, TimeProvider clock)
    {
        Config = model.Config;
        Tokenizer = model.Tokenizer;
        ChatTemplate = model.ChatTemplate;
        _runner = model.Runner;
        Channel<StepTokens> tokens = Channel.CreateUnbounded<StepTokens>(
            new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        var pool = new StepTokensPool();
        _input = new InputProcessor(Config, Tokenizer, Metrics, clock);
        _output = new OutputProcessor(tokens.Reader, pool);
        _core = new EngineCore(model.Scheduler, _runner, tokens.Writer, pool, Metrics, clock);
        _outputTask = Task.Run(() => _output.RunAsync(request => _core.Finish(request, FinishReason.Stop)));
    }

    /// <summary>Loads the model and starts the engine thread.</summary>
    /// <exception cref="Models.Loading.ModelLoadException">The checkpoint is missing or broken.</exception>
    /// <exception cref="ArgumentException">Options that contradict each other or the model.</exception>
    public static AsyncLLM Create(EngineOptions options, IProgress<LoadProgress>? progress = null) =>
        new(EngineLoader.Load(options, progress), TimeProvider.System);

    public EngineConfig Config { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>The model's chat template, or the one of the options; null when there is none.</summary>
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>Counters and gauges of the engine, for <c>/metrics</c> and the log.</summary>
    public EngineMetrics Metrics { get; } = new();

    /// <summary>False once the engine loop has died; every request fails from then on.</summary>
    public bool IsHealthy => _core.Failure is null;

    /// <summary>What killed the engine loop; null while it lives.</summary>
    public Exception? Failure => _core.Failure;

    /// <summary>Completes when the engine has ended, by disposal or because its loop died, and every stream with
    /// it.</summary>
    public Task Completion => _outputTask;

    /// <summary>The prompt of a conversation: the chat template's text, encoded, with the start of the answer.</summary>
    /// <exception cref="InvalidOperationException">The model has no chat template.</exception>
    public int[] EncodeChat(IReadOnlyList<ChatMessage> messages)
    {
        ChatTemplate template = ChatTemplate
            ?? throw new InvalidOperationException("the model has no chat template; give one with --chat-template");
        string prompt = template.Render(new ChatTemplateInput
        {
            Messages = JsonSerializer.SerializeToElement(messages, ChatJson.Default.IReadOnlyListChatMessage),
            AddGenerationPrompt = true,
            BosToken = Config.BosToken,
            EosToken = Config.EosToken,
        });
        return Tokenizer.Encode(prompt, addSpecialTokens: false); // templates write the special tokens themselves
    }

    /// <summary>Validates a request at once; submits it when the enumeration starts, which streams its outputs until the
    /// last has <see cref="RequestOutput.Finished"/>. Leaving the enumeration, or cancelling, aborts the request and frees
    /// its blocks within a step.</summary>
    /// <exception cref="ArgumentException">The prompt or the parameters are not valid (says which and why).</exception>
    /// <exception cref="EngineDeadException">The engine has died.</exception>
    public IAsyncEnumerable<RequestOutput> Generate(
        string requestId, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams,
        GenerateOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (_core.Failure is { } failure) throw new EngineDeadException(failure);
        OutputStream stream = _input.Process(requestId, promptTokenIds, samplingParams, options ?? new());
        return StreamInterval.Apply(SubmitAsync(stream, cancellationToken), samplingParams);
    }

    /// <summary>Searches for the most likely answers to a prompt, best first, as one output at the end; its
    /// <see cref="CompletionOutput.CumulativeLogprob"/> includes a final end token. Cancelling ends the search and frees its
    /// blocks within a step.</summary>
    /// <exception cref="ArgumentException">The prompt or the parameters are not valid (says which and why).</exception>
    /// <exception cref="EngineDeadException">The engine has died.</exception>
    public Task<RequestOutput> BeamSearchAsync(
        string requestId, IReadOnlyList<int> promptTokenIds, BeamSearchParams beamSearchParams,
        GenerateOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (beamSearchParams.Validate() is [{ } error, ..]) throw new ArgumentException(error.ToString());
        if (Config.Options.LogprobsMode is LogprobsMode.RawLogits or LogprobsMode.ProcessedLogits)
            throw new ArgumentException("beam search adds log-probabilities up; logprobs_mode makes the engine report logits");
        return new BeamSearchRun(this, requestId, promptTokenIds, beamSearchParams, options ?? new()).RunAsync(cancellationToken);
    }

    /// <summary>Ends a request by id; its stream ends with <see cref="FinishReason.Abort"/>. Unknown ids are ignored.</summary>
    public void Abort(string requestId)
    {
        if (_output.TryGet(requestId, out OutputStream? stream)) Abort(stream);
    }

    /// <summary>Forgets all cached prompts. False when requests still hold blocks.</summary>
    /// <param name="resetRunning">Preempt what is running, so that no request holds any.</param>
    /// <param name="resetExternal">Forget what the host's memory keeps, too; that succeeds in any case.</param>
    public Task<bool> ResetPrefixCacheAsync(bool resetRunning = false, bool resetExternal = false) =>
        _core.ResetPrefixCacheAsync(resetRunning, resetExternal);

    /// <summary>Ends all requests and the engine, and frees the model.</summary>
    public async ValueTask DisposeAsync()
    {
        _core.Dispose();
        await _outputTask.ConfigureAwait(false);
        _runner.Dispose();
    }

    async IAsyncEnumerable<RequestOutput> SubmitAsync(
        OutputStream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!_output.TryAdd(stream))
            throw new ArgumentException($"a request with id '{stream.RequestId}' is being processed");
        try
        {
            bool isAdded = true;
            foreach (Request request in stream.Requests) isAdded &= _core.TryAdd(request);
            if (_core.Failure is { } failure) throw new EngineDeadException(failure); // died before it heard of the request
            ObjectDisposedException.ThrowIf(!isAdded, this);
            await foreach (RequestOutput output in stream.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return output;
        }
        finally
        {
            _output.Remove(stream);
            Abort(stream); // nothing to do when it has ended
        }
    }

    void Abort(OutputStream stream)
    {
        foreach (Request request in stream.Requests)
            if (request.Output!.FinishReason is null)
                _core.Finish(request, FinishReason.Abort);
        stream.Finish(FinishReason.Abort);
    }
}

/// <summary>What a request may say besides its sampling parameters.</summary>
public sealed record GenerateOptions
{
    /// <summary>Lower is served first, with the priority policy.</summary>
    public int Priority { get; init; }

    /// <summary>Prompts of different salts share no cached blocks.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Called once when the prompt is computed and its first token is there. Must be quick: text of all
    /// requests waits for it.</summary>
    public Action? OnFirstToken { get; init; }
}

/// <summary>The engine loop has died of <see cref="Exception.InnerException"/>; a new engine is needed.</summary>
public sealed class EngineDeadException(Exception cause) : Exception("the engine has died: " + cause.Message, cause);
