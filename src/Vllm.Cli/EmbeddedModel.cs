namespace Vllm.Cli;

/// <summary>The model that comes with the program.</summary>
static class EmbeddedModel
{
    public const string Name = "SmolLM2-135M-Instruct";

    static readonly string File = Path.Combine("models", $"{Name}.Q4_1.gguf");

    /// <summary>Fills in the embedded model and its name where no model is given.</summary>
    /// <exception cref="FileNotFoundException">It is not beside the program.</exception>
    public static EngineOptions Resolve(EngineOptions options) => options.Model.Length > 0
        ? options
        : options with
        {
            Model = Find(),
            ServedModelName = options.ServedModelName.Count > 0 ? options.ServedModelName : [Name],
        };

    /// <summary>Beside the executable or in a folder above: in a source tree the program lies below the root.</summary>
    static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string path = Path.Combine(folder.FullName, File);
            if (System.IO.File.Exists(path)) return path;
        }
        throw new FileNotFoundException(
            $"the embedded model {File} is not beside the program; give a model: a GGUF file or a Hugging Face folder");
    }
}
