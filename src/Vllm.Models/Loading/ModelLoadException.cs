namespace Vllm.Models.Loading;

/// <summary>A model cannot be loaded: which file, what in it (tensor, key), what was expected and what found.</summary>
public sealed class ModelLoadException(
    string file, string subject, string expected, string found, Exception? cause = null)
    : Exception($"{file}: {subject}: expected {expected}, found {found}", cause)
{
    public string File { get; } = file;

    public string Subject { get; } = subject;

    public string Expected { get; } = expected;

    public string Found { get; } = found;
}
