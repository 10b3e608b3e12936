using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

/// <summary>Opens files of a model; what the system refuses becomes a <see cref="ModelLoadException"/>.</summary>
static class ModelFiles
{
    public static MappedFile Map(string path) => Checked(path, () => new MappedFile(path));

    /// <summary>A small file as a whole; refused above <paramref name="maxSizeBytes"/>.</summary>
    public static byte[] ReadAll(string path, long maxSizeBytes) => Checked(path, () =>
    {
        long sizeBytes = new FileInfo(path).Length;
        if (sizeBytes > maxSizeBytes)
            throw new ModelLoadException(path, "file", $"at most {maxSizeBytes:N0} bytes", $"{sizeBytes:N0}");
        return File.ReadAllBytes(path);
    });

    static T Checked<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException(path, "file", "a readable file", cause.Message, cause);
        }
    }
}
