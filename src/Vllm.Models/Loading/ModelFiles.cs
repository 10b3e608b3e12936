using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

/// <summary>Opens files of a model; what the system refuses becomes a <see cref="ModelLoadException"/>.</summary>
static class ModelFiles
{
    public static MappedFile Map(string path)
    {
        try
        {
            return new MappedFile(path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException(path, "file", "a readable file", cause.Message, cause);
        }
    }
}
