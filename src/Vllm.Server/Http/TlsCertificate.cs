using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Vllm.Server.Http;

/// <summary>The server's certificate and what it asks of clients, from PEM files.</summary>
sealed class TlsCertificate
{
    const int Required = 2;

    readonly ServerOptions _options;
    readonly CipherSuitesPolicy? _ciphers;
    readonly X509Certificate2Collection? _authorities;
    readonly Lock _gate = new();
    SslStreamCertificateContext _certificate;
    DateTime _readAt;

    /// <exception cref="ArgumentException">A file is missing or holds no certificate or key, or a cipher suite has an
    /// unknown name.</exception>
    public TlsCertificate(ServerOptions options)
    {
        _options = options;
        _ciphers = options.SslCiphers is { } names ? CipherSuites.Parse(names) : null;
        if (options.SslCaCerts is { } file)
            _authorities = Read("ssl_ca_certs", file, () => Import(file));
        _readAt = LastChange();
        _certificate = ReadCertificate();
    }

    public void Use(ListenOptions listen) => listen.UseHttps(new TlsHandshakeCallbackOptions
    {
        OnConnection = _ => ValueTask.FromResult(Options()),
    });

    SslServerAuthenticationOptions Options() => new()
    {
        ServerCertificateContext = Certificate(),
        CipherSuitesPolicy = _ciphers,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ClientCertificateRequired = _options.SslCertReqs > 0,
        RemoteCertificateValidationCallback = (_, certificate, _, errors) => IsTrusted(certificate, errors),
    };

    SslStreamCertificateContext Certificate()
    {
        if (!_options.EnableSslRefresh) return _certificate;
        lock (_gate)
        {
            DateTime change = LastChange();
            if (change == _readAt) return _certificate;
            try
            {
                _certificate = ReadCertificate();
                _readAt = change;
            }
            catch (ArgumentException)
            {
                // One file is written after the other: until both fit together, the old ones serve on.
            }
            return _certificate;
        }
    }

    DateTime LastChange()
    {
        DateTime certificate = File.GetLastWriteTimeUtc(_options.SslCertfile!);
        DateTime key = File.GetLastWriteTimeUtc(_options.SslKeyfile ?? _options.SslCertfile!);
        return certificate > key ? certificate : key;
    }

    SslStreamCertificateContext ReadCertificate()
    {
        string file = _options.SslCertfile!;
        return Read("ssl_certfile", file, () =>
        {
            X509Certificate2 own = X509Certificate2.CreateFromPemFile(file, _options.SslKeyfile);
            return SslStreamCertificateContext.Create(own, Import(file), offline: true);
        });
    }

    static X509Certificate2Collection Import(string file)
    {
        X509Certificate2Collection certificates = [];
        certificates.ImportFromPemFile(file);
        return certificates.Count > 0 ? certificates : throw new CryptographicException("it holds no certificate");
    }

    static T Read<T>(string option, string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"{option} '{file}' cannot be used: {e.Message}", e);
        }
    }

    bool IsTrusted(X509Certificate? certificate, SslPolicyErrors errors)
    {
        if (certificate is null) return _options.SslCertReqs != Required;
        if (_authorities is null) return errors == SslPolicyErrors.None;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2")); // client authentication
        return chain.Build((X509Certificate2)certificate);
    }
}

/// <summary>OpenSSL's names of cipher suites.</summary>
static class CipherSuites
{
    /// <summary>Always offered: OpenSSL's lists of suites are about earlier versions only.</summary>
    static readonly TlsCipherSuite[] OfTls13 =
    [
        TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
    ];

    /// <exception cref="ArgumentException">A name is unknown, or the system cannot choose suites.</exception>
    public static CipherSuitesPolicy Parse(string names)
    {
        if (!OperatingSystem.IsLinux())
            throw new ArgumentException("ssl_ciphers: this system does not let a program choose cipher suites.");
        return new CipherSuitesPolicy(
            OfTls13.Concat(names.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(Suite)));
    }

    static TlsCipherSuite Suite(string name) => Enum.TryParse(IanaName(name), out TlsCipherSuite suite)
        ? suite
        : throw new ArgumentException($"ssl_ciphers: '{name}' is no suite, such as ECDHE-RSA-AES128-GCM-SHA256.");

    /// <summary><c>ECDHE-RSA-AES128-GCM-SHA256</c> is <c>TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256</c>.</summary>
    static string IanaName(string name)
    {
        string text = name.Replace("AES128", "AES_128").Replace("AES256", "AES_256").Replace('-', '_');
        int cipher = text.IndexOf("AES_", StringComparison.Ordinal);
        if (cipher < 0) cipher = text.IndexOf("CHACHA20", StringComparison.Ordinal);
        if (cipher < 0) return name;
        string keyExchange = cipher == 0 ? "RSA_" : text[..cipher];
        string rest = text[cipher..];
        // OpenSSL leaves out what the suite's name ends with.
        if (rest == "CHACHA20_POLY1305") rest += "_SHA256";
        return $"TLS_{keyExchange}WITH_{rest}";
    }
}
