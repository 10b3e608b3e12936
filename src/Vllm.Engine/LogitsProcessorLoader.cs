using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Loader;

namespace Vllm.Engine;

/// <summary>Makes a <see cref="LogitsProcessor"/> by name: <c>Namespace.Type, path/to/assembly.dll</c>. The assembly's
/// own dependencies are found beside it.</summary>
[UnconditionalSuppressMessage("Trimming", "IL2026", Justification = NotTrimmed)]
[UnconditionalSuppressMessage("Trimming", "IL2067", Justification = NotTrimmed)]
[UnconditionalSuppressMessage("Trimming", "IL2070", Justification = NotTrimmed)]
public static class LogitsProcessorLoader
{
    /// <summary>A trimmed program lacks what only the user's code calls: such a call ends its request with the missing
    /// member's name, as docs/logits-processors.md says.</summary>
    const string NotTrimmed = "The user's assembly was not trimmed; what it misses in a trimmed program is named at the call.";

    /// <exception cref="ArgumentException">There is no such processor; says what was found.</exception>
    public static LogitsProcessor Load(string name)
    {
        int comma = name.IndexOf(',');
        string typeName = comma < 0 ? "" : name[..comma].Trim();
        string path = name[(comma + 1)..].Trim();
        if (typeName is "" || path is "")
            throw new ArgumentException($"'{name}' is no logits processor; write Namespace.Type, path/to/assembly.dll");

        Type type = LoadAssembly(path).GetType(typeName)
            ?? throw new ArgumentException($"{path} has no type {typeName}; name it with its namespace");
        if (!type.IsSubclassOf(typeof(LogitsProcessor)) || type.IsAbstract)
            throw new ArgumentException($"{typeName} is no class derived from {typeof(LogitsProcessor).FullName}");
        return Create(type);
    }

    static Assembly LoadAssembly(string path)
    {
        string full = Path.GetFullPath(path);
        if (!File.Exists(full)) throw new ArgumentException($"there is no file {path}");
        try
        {
            return new PluginContext(full).LoadFromAssemblyPath(full);
        }
        catch (Exception e) when (e is BadImageFormatException or FileLoadException)
        {
            throw new ArgumentException($"{path} is no .NET assembly that can be loaded: {e.Message}", e);
        }
    }

    static LogitsProcessor Create(Type type)
    {
        if (type.GetConstructor([]) is null)
            throw new ArgumentException($"{type.FullName} needs a public constructor without parameters");
        try
        {
            return (LogitsProcessor)Activator.CreateInstance(type)!;
        }
        catch (TargetInvocationException e)
        {
            throw new ArgumentException($"making a {type.FullName} failed: {e.InnerException!.Message}", e.InnerException);
        }
    }

    /// <summary>What the program has itself comes from there, so that both sides mean the same types.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = NotTrimmed)]
    sealed class PluginContext(string path) : AssemblyLoadContext(name: path)
    {
        readonly AssemblyDependencyResolver _resolver = new(path);

        protected override Assembly? Load(AssemblyName assemblyName)
        {
            bool isOurs = Default.Assemblies.Any(loaded => loaded.GetName().Name == assemblyName.Name);
            return !isOurs && _resolver.ResolveAssemblyToPath(assemblyName) is { } file ? LoadFromAssemblyPath(file) : null;
        }
    }
}
