using System.Diagnostics.CodeAnalysis;

namespace Vllm.Models.Loading;

/// <summary>
/// A model on disk, whatever its format: its configuration, and its tensors under the names that Hugging Face's class
/// of the architecture gives them. Files are mapped, so that opening reads headers only; a tensor's data is valid until
/// <see cref="Dispose"/>. After opening, reading is safe on many threads.
/// </summary>
public abstract class Checkpoint : IDisposable
{
    private protected readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);

    /// <summary>The file or folder that was opened.</summary>
    public abstract string Path { get; }

    public abstract ModelConfig Config { get; }

    public abstract GenerationConfig GenerationConfig { get; }

    public abstract TokenizerConfig TokenizerConfig { get; }

    /// <summary>
    /// Metadata with the vocabulary when the model is a GGUF file; null for a folder with tokenizer files.
    /// </summary>
    public virtual IReadOnlyDictionary<string, object>? GgufMetadata => null;

    public IReadOnlyCollection<CheckpointTensor> Tensors => _tensors.Values;

    /// <summary>
    /// Opens a .gguf file (the first of a split model), a folder with config.json and safetensors, or a folder with one
    /// GGUF model.
    /// </summary>
    /// <exception cref="ModelLoadException">There is no model, or it is damaged, or of an unknown kind.</exception>
    public static Checkpoint Open(string path)
    {
        if (File.Exists(path)) return new GgufCheckpoint(path);
        if (!Directory.Exists(path)) throw new ModelLoadException(path, "model", "a file or folder", "nothing there");
        // Folders of GGUF files often hold a config.json too: the weights decide.
        bool hasSafetensors = Directory.EnumerateFiles(path, "*.safetensors").Any();
        if (!hasSafetensors && GgufCheckpoint.FindFile(path) is string file) return new GgufCheckpoint(file);
        if (File.Exists(System.IO.Path.Combine(path, HfModelConfig.FileName))) return new SafetensorsCheckpoint(path);
        throw new ModelLoadException(
            path, "model", $"{HfModelConfig.FileName} with safetensors, or a GGUF file", "neither");
    }

    public bool TryGet(string name, [MaybeNullWhen(false)] out CheckpointTensor tensor) =>
        _tensors.TryGetValue(name, out tensor);

    /// <summary>The tensor of a name, which must be there and have the shape.</summary>
    /// <exception cref="ModelLoadException">It is missing or has another shape.</exception>
    public CheckpointTensor Get(string name, params ReadOnlySpan<int> shape)
    {
        if (!TryGet(name, out CheckpointTensor? tensor))
            throw new ModelLoadException(Path, name, $"a tensor [{Join(shape)}]", "none of that name");
        return tensor.Shape.SequenceEqual(shape.ToArray())
            ? tensor
            : throw tensor.Defect($"shape [{Join(shape)}]", tensor.ShapeText);

        static string Join(ReadOnlySpan<int> sizes) => string.Join(", ", sizes.ToArray());
    }

    public abstract void Dispose();
}
