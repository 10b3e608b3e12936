using System.Net;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Vllm.Server.Http;

/// <summary>Where Kestrel listens and what it takes from a connection.</summary>
static class Listening
{
    /// <summary>Time that a client may take less than its rate, Kestrel's own default.</summary>
    static readonly TimeSpan SlowReaderGrace = TimeSpan.FromSeconds(5);

    public static void Configure(KestrelServerOptions kestrel, ServerOptions options, ServerEnvironment environment)
    {
        kestrel.AddServerHeader = false;
        SetLimits(kestrel.Limits, options, environment);
        Action<ListenOptions> protocol = _ => { };
        if (options.SslCertfile is not null)
        {
            var tls = new TlsCertificate(options);
            protocol = listen => tls.Use(listen);
        }
        Listen(kestrel, options, protocol);
    }

    static void SetLimits(KestrelServerLimits limits, ServerOptions options, ServerEnvironment environment)
    {
        limits.MaxRequestBodySize = options.MaxRequestBodySizeBytes;
        limits.KeepAliveTimeout = environment.KeepAliveTimeout;
        int headBytes = options.H11MaxIncompleteEventSize;
        // The buffer must hold what the other two allow.
        limits.MaxRequestBufferSize = Math.Max(limits.MaxRequestBufferSize ?? 0, headBytes);
        limits.MaxRequestLineSize = headBytes;
        limits.MaxRequestHeadersTotalSize = headBytes;
        limits.MaxRequestHeaderCount = options.H11MaxHeaderCount;
        limits.MinResponseDataRate =
            options.MinResponseDataRate > 0 ? new MinDataRate(options.MinResponseDataRate, SlowReaderGrace) : null;
    }

    static void Listen(KestrelServerOptions kestrel, ServerOptions options, Action<ListenOptions> protocol)
    {
        if (options.Uds is { } path)
        {
            // Left behind by a process that was killed. (A socket has no length; a file that has one is not ours.)
            if (File.Exists(path) && new FileInfo(path).Length == 0) File.Delete(path);
            kestrel.ListenUnixSocket(path, protocol);
        }
        else if (options.Host is null)
        {
            kestrel.ListenAnyIP(options.Port, protocol);
        }
        else
        {
            bool isAddress = IPAddress.TryParse(options.Host, out IPAddress? address);
            kestrel.Listen(isAddress ? address! : Dns.GetHostAddresses(options.Host)[0], options.Port, protocol);
        }
    }
}
