using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Text;

/// <summary>The arguments of chat and complete.</summary>
sealed record ClientArguments : CommandArguments
{
    /// <summary>One request at a time needs buffers for one.</summary>
    public static ClientArguments Default { get; } = new() { Engine = new() { Model = "", MaxNumSeqs = 1 } };

    /// <summary>Base of a server's API; null = an engine in this process.</summary>
    public string? Url { get; init; }

    /// <summary>Name of the server's model; null = its first.</summary>
    public string? ModelName { get; init; }

    public string? ApiKey { get; init; }

    public string? SystemPrompt { get; init; }

    /// <summary>One text to answer in place of a session.</summary>
    public string? Quick { get; init; }

    public bool Stats { get; init; }

    public int? MaxTokens { get; init; }

    public double? Temperature { get; init; }

    /// <summary>The flags that both commands have.</summary>
    public static OptionTable<ClientArguments> Table() => new OptionTable<ClientArguments>()
        .Value("--quick", ValueTypes.OptionalText("TEXT"), args => args.Quick, (args, v) => args with { Quick = v },
            "Answer this text and end.", "-q")
        .Value("--max-tokens", ValueTypes.OptionalInt, args => args.MaxTokens, (args, v) => args with { MaxTokens = v },
            "Most tokens to generate.")
        .Value("--temperature", ValueTypes.OptionalDouble,
            args => args.Temperature, (args, v) => args with { Temperature = v },
            "0 = always the most likely token. The model's own default when it is not given.")
        .Switch("--stats", args => args.Stats, (args, v) => args with { Stats = v },
            "Tell after each answer how fast it came.")
        .Value("--url", ValueTypes.OptionalText("URL"), args => args.Url, (args, v) => args with { Url = v },
            "Ask a running server, such as http://localhost:8000/v1, and load no model.")
        .Value("--model-name", ValueTypes.OptionalText("NAME"),
            args => args.ModelName, (args, v) => args with { ModelName = v },
            "The server's model; its first by default.")
        .Value("--api-key", ValueTypes.OptionalText("KEY"), args => args.ApiKey, (args, v) => args with { ApiKey = v },
            "The server's key; also OPENAI_API_KEY.");

    /// <summary>Opens the server, or loads the model.</summary>
    public async Task<ITextSource> OpenAsync() => Url is { } url
        ? await RemoteServer.OpenAsync(url, this)
        : new LocalModel(await EngineStart.LoadAsync(EmbeddedModel.Resolve(Engine)), this);
}
