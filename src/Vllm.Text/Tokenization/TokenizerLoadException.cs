namespace Vllm.Text.Tokenization;

/// <summary>A tokenizer file that cannot be used: says which file, which key in it, and what is wrong.</summary>
public sealed class TokenizerLoadException : Exception
{
    public TokenizerLoadException(string file, string key, string problem, Exception? inner = null)
        : base($"{file}: {key}: {problem}", inner)
    {
        File = file;
        Key = key;
    }

    /// <summary>The file, or <c>GGUF</c> for metadata handed over in memory.</summary>
    public string File { get; }

    /// <summary>The path of the offending key, for example <c>model.merges[12]</c>.</summary>
    public string Key { get; }
}
