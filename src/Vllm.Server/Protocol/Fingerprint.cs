using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Vllm.Server.Protocol;

/// <summary>The server's version and the hash of what it computes with.</summary>
static class Fingerprint
{
    public static string Version { get; } =
        typeof(Fingerprint).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary><c>vllm-VERSION-HASH</c>, eight digits.</summary>
    public static string Of(EngineConfig config)
    {
        string setUp = string.Join('|', config.Options.Model, config.Architecture, config.Dtype, config.DeviceName,
            config.MaxModelLen, config.BlockSize);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(setUp));
        return $"vllm-{Version}-{Convert.ToHexStringLower(hash.AsSpan(0, 4))}";
    }
}
