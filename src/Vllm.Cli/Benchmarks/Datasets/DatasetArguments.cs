using System.Globalization;
using System.Text.Json;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>Which requests a benchmark makes; vLLM's flags and defaults.</summary>
sealed record DatasetArguments
{
    /// <summary>Null = sharegpt when there is a file, else random.</summary>
    public string? Name { get; init; }
    public string? Path { get; init; }
    public int NumPrompts { get; init; } = 1000;
    public bool NoOversample { get; init; }
    public bool DisableShuffle { get; init; }
    public int? InputLen { get; init; }
    public int? OutputLen { get; init; }
    public int RandomInputLen { get; init; } = 1024;
    public int RandomOutputLen { get; init; } = 128;
    public RangeRatio RandomRangeRatio { get; init; } = new(0, 0);
    public int RandomPrefixLen { get; init; }
    public int? ShareGptOutputLen { get; init; }
    public int CustomOutputLen { get; init; } = 256;
    public int PrefixRepetitionPrefixLen { get; init; } = 256;
    public int PrefixRepetitionSuffixLen { get; init; } = 256;
    public int PrefixRepetitionNumPrefixes { get; init; } = 10;
    public int PrefixRepetitionOutputLen { get; init; } = 128;
    public int SonnetInputLen { get; init; } = 550;
    public int SonnetOutputLen { get; init; } = 150;
    public int SonnetPrefixLen { get; init; } = 200;

    public string EffectiveName => Name ?? (Path is null ? "random" : "sharegpt");

    /// <summary>Whether the prompts are token ids and no text.</summary>
    public bool IsSynthetic => EffectiveName is "random" or "prefix_repetition";

    public static OptionTable<DatasetArguments> Table() => new OptionTable<DatasetArguments>()
        .Group("Data set")
        .Value("--dataset-name",
            ValueTypes.Choice<string?>([.. ((string[])["random", "sharegpt", "sonnet", "custom", "prefix_repetition"])
                .Select(name => (name, (string?)name))]),
            args => args.EffectiveName, (args, v) => args with { Name = v },
            "random token ids; conversations of a sharegpt file; prompts of random lines of a file (sonnet); prompts of "
            + "a JSON-lines file (custom); random suffixes behind a few prefixes (prefix_repetition). Default: random, "
            + "or sharegpt when a file is given.")
        .Value("--dataset-path", ValueTypes.OptionalText("FILE"),
            args => args.Path, (args, v) => args with { Path = v }, "The file of sharegpt, sonnet or custom.")
        .Value("--num-prompts", ValueTypes.Int, args => args.NumPrompts, (args, v) => args with { NumPrompts = v },
            "Requests.")
        .Switch("--no-oversample", args => args.NoOversample, (args, v) => args with { NoOversample = v },
            "Do not repeat the requests of a file that has fewer than asked for.")
        .Switch("--disable-shuffle", args => args.DisableShuffle, (args, v) => args with { DisableShuffle = v },
            "Keep the order of the file.")
        .Value("--input-len", ValueTypes.OptionalInt, args => args.InputLen, (args, v) => args with { InputLen = v },
            "Tokens of each random prompt; the same as --random-input-len.")
        .Value("--output-len", ValueTypes.OptionalInt, args => args.OutputLen, (args, v) => args with { OutputLen = v },
            "Tokens to generate per request, whatever the data set says.")
        .Value("--random-input-len", ValueTypes.Int,
            args => args.RandomInputLen, (args, v) => args with { RandomInputLen = v },
            "Tokens of each random prompt.")
        .Value("--random-output-len", ValueTypes.Int,
            args => args.RandomOutputLen, (args, v) => args with { RandomOutputLen = v },
            "Tokens to generate for each random prompt.")
        .Value("--random-range-ratio", RangeRatio.Type,
            args => args.RandomRangeRatio, (args, v) => args with { RandomRangeRatio = v },
            "Random lengths are from (1 - ratio) to (1 + ratio) times the given ones; a number, or "
            + """{"input": 0.5, "output": 0.1}.""")
        .Value("--random-prefix-len", ValueTypes.Int,
            args => args.RandomPrefixLen, (args, v) => args with { RandomPrefixLen = v },
            "Tokens in front of each random prompt that are the same in all.")
        .Value("--sharegpt-output-len", ValueTypes.OptionalInt,
            args => args.ShareGptOutputLen, (args, v) => args with { ShareGptOutputLen = v },
            "Tokens to generate, in place of the length of the file's answers.")
        .Value("--custom-output-len", ValueTypes.Int,
            args => args.CustomOutputLen, (args, v) => args with { CustomOutputLen = v },
            "Tokens to generate; -1 for the output_tokens of each line.")
        .Value("--prefix-repetition-prefix-len", ValueTypes.Int,
            args => args.PrefixRepetitionPrefixLen, (args, v) => args with { PrefixRepetitionPrefixLen = v },
            "Tokens of each prefix.")
        .Value("--prefix-repetition-suffix-len", ValueTypes.Int,
            args => args.PrefixRepetitionSuffixLen, (args, v) => args with { PrefixRepetitionSuffixLen = v },
            "Tokens of each suffix.")
        .Value("--prefix-repetition-num-prefixes", ValueTypes.Int,
            args => args.PrefixRepetitionNumPrefixes, (args, v) => args with { PrefixRepetitionNumPrefixes = v },
            "Prefixes; each gets an equal share of the requests.")
        .Value("--prefix-repetition-output-len", ValueTypes.Int,
            args => args.PrefixRepetitionOutputLen, (args, v) => args with { PrefixRepetitionOutputLen = v },
            "Tokens to generate.")
        .Value("--sonnet-input-len", ValueTypes.Int,
            args => args.SonnetInputLen, (args, v) => args with { SonnetInputLen = v }, "Most tokens of a prompt.")
        .Value("--sonnet-output-len", ValueTypes.Int,
            args => args.SonnetOutputLen, (args, v) => args with { SonnetOutputLen = v }, "Tokens to generate.")
        .Value("--sonnet-prefix-len", ValueTypes.Int,
            args => args.SonnetPrefixLen, (args, v) => args with { SonnetPrefixLen = v },
            "Tokens that all prompts share, about.");

    /// <exception cref="UsageException">A value is out of its range, or values do not go together.</exception>
    public void Check()
    {
        if (IsSynthetic && Path is not null)
            throw new UsageException($"--dataset-name {EffectiveName} takes no --dataset-path");
        if (!IsSynthetic && Path is null)
            throw new UsageException($"--dataset-name {EffectiveName} needs --dataset-path");
        if (this is { InputLen: <= 0 } or { OutputLen: <= 0 } or { ShareGptOutputLen: <= 0 }
            or not
            {
                NumPrompts: > 0, RandomInputLen: > 0, RandomOutputLen: > 0, RandomPrefixLen: >= 0,
                PrefixRepetitionPrefixLen: > 0, PrefixRepetitionSuffixLen: > 0, PrefixRepetitionNumPrefixes: > 0,
                PrefixRepetitionOutputLen: > 0, SonnetInputLen: > 0, SonnetOutputLen: > 0, SonnetPrefixLen: >= 0,
                CustomOutputLen: > 0 or -1,
            })
        {
            throw new UsageException("lengths and counts must be positive");
        }
        if (EffectiveName == "prefix_repetition" && NumPrompts < PrefixRepetitionNumPrefixes)
            throw new UsageException("--num-prompts must be at least --prefix-repetition-num-prefixes");
    }

    /// <summary>The requests, the same ones for the same seed.</summary>
    /// <param name="tokens">Null where there is no tokenizer: random ids and custom prompts need none.</param>
    /// <param name="random">Draws them.</param>
    /// <param name="vocabSize">Bound of the ids.</param>
    public async Task<IReadOnlyList<BenchRequest>> SampleAsync(
        PromptTokens? tokens, Random random, int vocabSize = int.MaxValue)
    {
        Random? order = DisableShuffle ? null : random;
        switch (EffectiveName)
        {
            case "random":
                return Random().Sample(NumPrompts, random, vocabSize);
            case "prefix_repetition":
                BenchRequest[] repeated = Prefixes().Sample(NumPrompts, random, vocabSize);
                order?.Shuffle(repeated);
                return repeated;
            case "sonnet":
                return await Sonnet().SampleAsync(Path!, Needed(tokens), NumPrompts, random);
            case "custom":
                return Repeat(await CustomFile.SampleAsync(Path!, tokens, NumPrompts, OutputLen ?? CustomOutputLen, order));
            default:
                return Repeat(await ShareGptFile.SampleAsync(
                    Path!, Needed(tokens), NumPrompts, OutputLen ?? ShareGptOutputLen, order));
        }
    }

    RandomDataset Random() => new(
        InputLen ?? RandomInputLen, OutputLen ?? RandomOutputLen, RandomPrefixLen,
        RandomRangeRatio.Input, RandomRangeRatio.Output);

    PrefixRepetition Prefixes() => new(
        PrefixRepetitionPrefixLen, PrefixRepetitionSuffixLen, PrefixRepetitionNumPrefixes,
        OutputLen ?? PrefixRepetitionOutputLen);

    SonnetFile Sonnet() => new(InputLen ?? SonnetInputLen, OutputLen ?? SonnetOutputLen, SonnetPrefixLen);

    PromptTokens Needed(PromptTokens? tokens) =>
        tokens ?? throw new UsageException($"--dataset-name {EffectiveName} needs a tokenizer");

    IReadOnlyList<BenchRequest> Repeat(IReadOnlyList<BenchRequest> requests) => NoOversample
        ? requests
        : [.. Enumerable.Range(0, NumPrompts).Select(i => requests[i % requests.Count])];
}

/// <summary>How far random lengths are from their mean, as a share of it.</summary>
readonly record struct RangeRatio(double Input, double Output)
{
    public static ValueType<RangeRatio> Type { get; } = new("X", Parse, Format);

    static RangeRatio Parse(string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double both))
            return Checked(text, both, both);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            return Checked(text, root.GetProperty("input").GetDouble(), root.GetProperty("output").GetDouble());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new UsageException($$"""'{{text}}' is neither a number nor {"input": X, "output": X}""");
        }
    }

    static RangeRatio Checked(string text, double input, double output) =>
        input is >= 0 and < 1 && output is >= 0 and < 1
            ? new(input, output)
            : throw new UsageException($"'{text}' is not from 0 to below 1");

    static string Format(RangeRatio ratio) => ratio.Input == ratio.Output
        ? ratio.Input.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $$"""{"input": {{ratio.Input}}, "output": {{ratio.Output}}}""");
}
