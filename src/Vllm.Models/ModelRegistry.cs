using Vllm.Models.Architectures;

namespace Vllm.Models;

/// <summary>Architecture name, as in config.json's <c>architectures</c>, to the class that runs it.</summary>
public static class ModelRegistry
{
    static readonly Dictionary<string, Func<ModelContext, LanguageModel>> Constructors = new(StringComparer.Ordinal)
    {
        ["LlamaForCausalLM"] = context => new Llama(context),
        ["LLaMAForCausalLM"] = context => new Llama(context),
        ["MistralForCausalLM"] = context => new Llama(context),
    };

    /// <summary>Names that can be run, sorted.</summary>
    public static IEnumerable<string> Architectures => Constructors.Keys.Order(StringComparer.Ordinal);

    /// <summary>Builds the model, packing its weights.</summary>
    /// <exception cref="Loading.ModelLoadException">The architecture is unknown or a tensor is missing or wrong.</exception>
    public static LanguageModel Create(ModelContext context)
    {
        string architecture = context.Config.Architecture;
        if (!Constructors.TryGetValue(architecture, out Func<ModelContext, LanguageModel>? construct))
        {
            throw context.Weights.Defect("architecture", "one of " + string.Join(", ", Architectures), architecture);
        }
        return construct(context);
    }
}
