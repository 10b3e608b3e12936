namespace Vllm.Models.Loading;

/// <summary>A Hugging Face folder as a <see cref="Checkpoint"/>: config.json and safetensors files.</summary>
sealed class SafetensorsCheckpoint : Checkpoint
{
    const string SingleFile = "model.safetensors";
    const string IndexFile = "model.safetensors.index.json";

    readonly Dictionary<string, SafetensorsFile> _files = new(StringComparer.Ordinal);

    public SafetensorsCheckpoint(string folder)
    {
        Path = folder;
        ConfigObject config = ConfigObject.Read(System.IO.Path.Combine(folder, HfModelConfig.FileName));
        // First: what an unknown architecture calls its sizes would only confuse.
        if (!ModelRegistry.Architectures.Contains(HfModelConfig.Architecture(config)))
            throw config.Defect("architectures", "one of " + string.Join(", ", ModelRegistry.Architectures));
        Config = HfModelConfig.Read(config);
        GenerationConfig = GenerationConfig.Read(folder);
        TokenizerConfig = HfTokenizerConfig.Read(folder);
        try
        {
            if (File.Exists(System.IO.Path.Combine(folder, IndexFile))) OpenIndexed();
            else OpenWhole(FindFile());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Path { get; }

    public override ModelConfig Config { get; }

    public override GenerationConfig GenerationConfig { get; }

    public override TokenizerConfig TokenizerConfig { get; }

    public override void Dispose()
    {
        foreach (SafetensorsFile file in _files.Values) file.Dispose();
    }

    /// <summary>Takes every tensor from the file that the index names for it.</summary>
    void OpenIndexed()
    {
        string indexPath = System.IO.Path.Combine(Path, IndexFile);
        ConfigObject index = ConfigObject.Read(indexPath);
        ConfigObject weightMap = index.Object("weight_map") ?? throw index.Defect("weight_map", "an object");
        foreach ((string name, string fileName) in weightMap.StringEntries())
        {
            if (fileName != System.IO.Path.GetFileName(fileName) || fileName is "" or "." or "..")
                throw weightMap.Defect(name, "the name of a file in the folder");
            SafetensorsFile file = Shard(fileName);
            if (!file.Tensors.TryGetValue(name, out CheckpointTensor? tensor))
                throw new ModelLoadException(file.Path, name, $"a tensor, as {IndexFile} says", "none of that name");
            if (!_tensors.TryAdd(name, tensor)) throw weightMap.Defect(name, "every tensor once", "the name twice");
        }
    }

    void OpenWhole(string fileName)
    {
        foreach ((string name, CheckpointTensor tensor) in Shard(fileName).Tensors) _tensors.Add(name, tensor);
    }

    SafetensorsFile Shard(string fileName)
    {
        if (!_files.TryGetValue(fileName, out SafetensorsFile? file))
            _files.Add(fileName, file = SafetensorsFile.Open(System.IO.Path.Combine(Path, fileName)));
        return file;
    }

    string FindFile()
    {
        if (File.Exists(System.IO.Path.Combine(Path, SingleFile))) return SingleFile;
        string[] files = [.. Directory.EnumerateFiles(Path, "*.safetensors")];
        if (files is [string only]) return System.IO.Path.GetFileName(only);
        bool hasPickle = Directory.EnumerateFiles(Path, "*.bin").Any() || Directory.EnumerateFiles(Path, "*.pt*").Any();
        throw new ModelLoadException(Path, "weights", $"{SingleFile} or {IndexFile}",
            files.Length > 0 ? $"{files.Length} safetensors files without an index"
            : hasPickle ? "PyTorch's format only; convert it, for example with save_pretrained of transformers"
            : "no safetensors files");
    }
}
