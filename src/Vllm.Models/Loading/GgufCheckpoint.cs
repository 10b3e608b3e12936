namespace Vllm.Models.Loading;

/// <summary>
/// A GGUF file as a <see cref="Checkpoint"/>: tensors renamed, rows of q and k in Hugging Face's order.
/// </summary>
sealed class GgufCheckpoint : Checkpoint
{
    readonly GgufFile _file;

    public GgufCheckpoint(string path)
    {
        _file = GgufFile.Open(path);
        try
        {
            GgufArchitecture architecture = GgufArchitectures.Of(new GgufKeys(_file));
            Config = GgufModelConfig.Read(_file, architecture);
            TokenizerConfig = GgufTokenizerConfig.Read(_file);
            GenerationConfig = new() { EosTokenIds = Config.EosTokenIds };
            foreach (CheckpointTensor stored in _file.Tensors.Values) Add(stored, architecture);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public override string Path => _file.Path;

    public override ModelConfig Config { get; }

    public override GenerationConfig GenerationConfig { get; }

    public override TokenizerConfig TokenizerConfig { get; }

    public override IReadOnlyDictionary<string, object> GgufMetadata => _file.Metadata;

    /// <summary>The GGUF model of a folder, the first part if it is split; null when there is none.</summary>
    public static string? FindFile(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder, "*.gguf").Where(GgufSplit.IsFirstOrWhole)];
        return files.Length <= 1
            ? files.FirstOrDefault()
            : throw new ModelLoadException(folder, "model", "one GGUF model", $"{files.Length}; name the file to open");
    }

    public override void Dispose() => _file.Dispose();

    void Add(CheckpointTensor stored, GgufArchitecture architecture)
    {
        string name = GgufArchitectures.HfName(stored.Name);
        CheckpointTensor tensor = stored with { Name = name, Rows = Rows(stored, name, architecture) };
        if (!_tensors.TryAdd(name, tensor)) throw stored.Defect("one tensor for each name", $"a second for {name}");
    }

    RowMap Rows(CheckpointTensor stored, string name, GgufArchitecture architecture)
    {
        if (!architecture.InterleavesQk) return default;
        int numHeads = name.Contains(".q_proj.", StringComparison.Ordinal) ? Config.NumAttentionHeads
            : name.Contains(".k_proj.", StringComparison.Ordinal) ? Config.NumKvHeads
            : 0;
        if (numHeads == 0) return default;
        if (stored.Shape.Count == 0 || stored.Shape[0] != (long)numHeads * Config.HeadDim)
            throw stored.Defect($"rows for {numHeads} heads of {Config.HeadDim}", stored.ShapeText);
        return new RowMap(Config.HeadDim);
    }
}
