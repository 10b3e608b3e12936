using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Vllm.Server.Protocol;

/// <summary>The server's version and the hash of what it computes with.</summary>
static class Fingerprint
{
    public static string Version { get; } =
        typeof(Fingerprint).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];

    /// <summary>In the form that the operator chose; null for none.</summary>
    public static string? Of(EngineConfig config, ServerOptions options) => options.FingerprintMode switch
    {
        FingerprintMode.Full => $"vllm-{Version}-{Hash(config)}",
        FingerprintMode.Hash => Hash(config),
        FingerprintMode.Custom => options.FingerprintValue,
        _ => null,
    };

    /// <summary>Eight digits.</summary>
    static string Hash(EngineConfig config)
    {
        string setUp = string.Join('|', config.Options.Model, config.Architecture, config.Dtype, config.DeviceName,
            config.MaxModelLen, config.BlockSize);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(setUp));
        return Convert.ToHexStringLower(hash.AsSpan(0, 4));
    }
}
