using Vllm.Cli.CommandLine;
using Vllm.Kernels.Formats;
using Vllm.Models.Synth;

namespace Vllm.Cli;

sealed record ModelSynthArguments : CommandArguments
{
    public ModelShape Like { get; init; } = ModelShape.All.First(shape => shape.Name == "llama-1b");

    /// <summary>Null: Q4_0, or BF16 for safetensors.</summary>
    public QuantizationMix? Type { get; init; }

    public bool IsSafetensors { get; init; }

    public string? Output { get; init; }

    public int Seed { get; init; }
}

/// <summary><c>vllm model synth</c>: a checkpoint of random weights, to measure speed without downloads.</summary>
static class ModelSynthCommand
{
    static readonly Dictionary<string, QuantizationMix> Types = MakeTypes();

    public static Command<ModelSynthArguments> Command { get; } = new(
        "model synth", "Writes a checkpoint of a known shape with random weights, to measure its speed.",
        new ModelSynthArguments(),
        new OptionTable<ModelSynthArguments>()
            .Value("--like", ValueTypes.Choice([.. ModelShape.All.Select(shape => (shape.Name, shape))]),
                args => args.Like, (args, v) => args with { Like = v },
                "The model whose sizes it has.")
            .Value("--type", new ValueType<QuantizationMix?>("TYPE", ParseType, type => type?.Name),
                args => args.Type, (args, v) => args with { Type = v },
                $"Type of the weights: {string.Join(", ", QuantizationMix.All.Select(mix => mix.Name))}; "
                + "mixes such as Q4_K_M as llama.cpp lays them out. Default: Q4_0, for safetensors BF16.")
            .Value("--format", ValueTypes.Choice(("gguf", false), ("safetensors", true)),
                args => args.IsSafetensors, (args, v) => args with { IsSafetensors = v },
                "One GGUF file, or a Hugging Face folder with safetensors (types F32, F16, BF16).")
            .Value("--output", ValueTypes.OptionalText("PATH"),
                args => args.Output, (args, v) => args with { Output = v },
                "The file or folder to write; a file that is there is replaced.", "-o")
            .Value("--seed", ValueTypes.Int, args => args.Seed, (args, v) => args with { Seed = v },
                "Of the random weights.").Options,
        RunAsync);

    static Task<int> RunAsync(ModelSynthArguments arguments)
    {
        if (arguments.Output is not { } output) throw new UsageException("--output is missing: the file to write");
        string tokenizerFile = EmbeddedModel.Resolve(new() { Model = "" }).Model;
        var model = new SyntheticModel(arguments.Like, tokenizerFile, unchecked((uint)arguments.Seed));
        if (arguments.IsSafetensors)
        {
            QuantizationMix type = arguments.Type ?? Types["BF16"];
            if (type.Main is not (GgmlType.F32 or GgmlType.F16 or GgmlType.BF16))
                throw new UsageException($"--type: safetensors hold F32, F16 or BF16 weights, not {type.Name}");
            model.WriteSafetensors(output, type.Main);
            Report(arguments.Like, type, output, Path.Combine(output, "model.safetensors"));
        }
        else
        {
            QuantizationMix type = arguments.Type ?? Types["Q4_0"];
            model.WriteGguf(output, type);
            Report(arguments.Like, type, output, output);
        }
        return Task.FromResult(0);
    }

    static void Report(ModelShape shape, QuantizationMix type, string output, string weights) =>
        Console.WriteLine($"{output}: {shape.Name}, {type.Name}, {new FileInfo(weights).Length / 1e6:F1} MB of weights");

    static QuantizationMix? ParseType(string text) => Types.TryGetValue(text.ToUpperInvariant(), out QuantizationMix? mix)
        ? mix
        : throw new UsageException($"'{text}' is no type{UsageException.DidYouMean(text, Types.Keys)}");

    /// <summary>Also what llama-quantize calls the mixes for short.</summary>
    static Dictionary<string, QuantizationMix> MakeTypes()
    {
        var types = QuantizationMix.All.ToDictionary(mix => mix.Name, StringComparer.Ordinal);
        foreach (string family in (string[])["Q3_K", "Q4_K", "Q5_K"]) types[family] = types[$"{family}_M"];
        return types;
    }
}
