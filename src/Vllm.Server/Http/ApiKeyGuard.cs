using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Http;

/// <summary>Lets only clients with a key in. Stands before everything else, so that strangers learn nothing: not whether a
/// route exists, nor whether their body would be valid.</summary>
sealed class ApiKeyGuard(ServerOptions options)
{
    static readonly string[] V1Prefixes = ["/v1", "/v2", "/inference", "/cohere"];

    /// <summary>Probes of load balancers carry no key.</summary>
    static readonly string[] OpenPaths = ["/health", "/ping"];

    // Hashes have one length, so that the comparison takes one time whatever the client sends.
    readonly byte[][] _keyHashes = [.. options.ApiKey.Select(key => SHA256.HashData(Encoding.UTF8.GetBytes(key)))];

    public Task Invoke(HttpContext context, RequestDelegate next) =>
        _keyHashes.Length == 0 || !IsGuarded(context.Request) || HasKey(context.Request)
            ? next(context)
            : Refuse(context);

    bool IsGuarded(HttpRequest request)
    {
        // Browsers ask for permission (CORS preflight) without credentials.
        if (HttpMethods.IsOptions(request.Method)) return false;
        string path = request.Path.Value ?? "";
        return options.ApiKeyScope == ApiKeyScope.V1
            ? V1Prefixes.Any(prefix => path.StartsWith(prefix, StringComparison.Ordinal))
            : !OpenPaths.Contains(path);
    }

    bool HasKey(HttpRequest request)
    {
        string header = request.Headers.Authorization.ToString();
        int space = header.IndexOf(' ');
        if (space < 0 || !header.AsSpan(0, space).Equals("Bearer", StringComparison.OrdinalIgnoreCase)) return false;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(header[(space + 1)..]));
        bool matches = false;
        foreach (byte[] key in _keyHashes) matches |= CryptographicOperations.FixedTimeEquals(key, hash);
        return matches;
    }

    static Task Refuse(HttpContext context) => JsonText.Respond(context, "Unauthorized", static (json, text) =>
    {
        json.WriteStartObject();
        json.WriteString("error", text);
        json.WriteEndObject();
    }, StatusCodes.Status401Unauthorized);
}
