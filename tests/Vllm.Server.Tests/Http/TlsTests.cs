using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vllm.Server;

namespace Vllm.Tests.Http;

/// <summary>HTTPS with certificates that the test makes.</summary>
public sealed class TlsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("vllm-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string File(string name) => Path.Combine(_folder, name);

    /// <summary>Writes NAME.crt and NAME.key.</summary>
    X509Certificate2 Make(string name, bool isAuthority = false)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        if (isAuthority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        System.IO.File.WriteAllText(File($"{name}.crt"), certificate.ExportCertificatePem());
        System.IO.File.WriteAllText(File($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
        return certificate;
    }

    ServerOptions Options(string name) => new() { SslCertfile = File($"{name}.crt"), SslKeyfile = File($"{name}.key") };

    /// <summary>A client that takes any certificate and tells its name; each request is a connection of its own.</summary>
    static (HttpClient Client, Func<string?> ServerName) Client(X509Certificate2? own = null)
    {
        string? name = null;
        var handler = new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            name = certificate!.Subject;
            return true;
        };
        if (own is not null) handler.SslOptions.ClientCertificates = [own];
        return (new HttpClient(handler), () => name);
    }

    [Fact]
    public async Task Certificate_IsServed()
    {
        Make("one");
        (HttpClient client, Func<string?> serverName) = Client();

        await using TinyServer server = await TinyServer.Start(Options("one"), client: client);

        Assert.StartsWith("https://", server.Server.Address);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health")).StatusCode);
        Assert.Equal("CN=one", serverName());
    }

    [Fact]
    public async Task KeyInTheCertificatesFile_IsFound()
    {
        Make("one");
        System.IO.File.AppendAllText(File("one.crt"), "\n" + System.IO.File.ReadAllText(File("one.key")));
        (HttpClient client, _) = Client();

        await using TinyServer server = await TinyServer.Start(
            new ServerOptions { SslCertfile = File("one.crt") }, client: client);

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health")).StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ChangedFiles_AreReadAnewOnlyWhenAsked(bool refreshes)
    {
        Make("one");
        (HttpClient client, Func<string?> serverName) = Client();
        await using TinyServer server = await TinyServer.Start(
            Options("one") with { EnableSslRefresh = refreshes }, client: client);
        await client.GetAsync("/health");

        Make("two");
        foreach (string kind in new[] { "crt", "key" })
        {
            System.IO.File.Move(File($"two.{kind}"), File($"one.{kind}"), overwrite: true);
            System.IO.File.SetLastWriteTimeUtc(File($"one.{kind}"), DateTime.UtcNow.AddMinutes(1));
        }
        await client.GetAsync("/health");

        Assert.Equal(refreshes ? "CN=two" : "CN=one", serverName());
    }

    [Fact]
    public async Task RequiredClientCertificate_MustComeFromTheAuthority()
    {
        Make("server");
        X509Certificate2 trusted = Make("trusted", isAuthority: true), stranger = Make("stranger");
        ServerOptions options = Options("server") with { SslCertReqs = 2, SslCaCerts = File("trusted.crt") };
        (HttpClient withTrusted, _) = Client(trusted);
        await using TinyServer server = await TinyServer.Start(options, client: withTrusted);
        (HttpClient withStranger, _) = Client(stranger);
        (HttpClient withNone, _) = Client();

        Assert.Equal(HttpStatusCode.OK, (await withTrusted.GetAsync("/health")).StatusCode);
        Uri health = new(server.Address, "/health");
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => withStranger.GetAsync(health));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => withNone.GetAsync(health));
    }

    [Fact]
    public async Task Ciphers_LimitWhatIsOffered()
    {
        Make("one");
        (HttpClient client, _) = Client();
        await using TinyServer server = await TinyServer.Start(
            Options("one") with { SslCiphers = "ECDHE-RSA-AES128-GCM-SHA256" }, client: client);

        Assert.Equal(TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, await Negotiate(server, SslProtocols.Tls12));
        Assert.StartsWith("TLS_AES_256", $"{await Negotiate(server, SslProtocols.Tls13)}");
    }

    static async Task<TlsCipherSuite> Negotiate(TinyServer server, SslProtocols protocol)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await using var tls = new SslStream(connection.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = protocol,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        });
        return tls.NegotiatedCipherSuite;
    }

    [Fact]
    public async Task FilesThatCannotBeUsed_AreNamed()
    {
        Make("one");
        Make("two");
        var missing = await Assert.ThrowsAsync<ArgumentException>(() => TinyServer.Start(Options("none")));
        var mixed = await Assert.ThrowsAsync<ArgumentException>(() =>
            TinyServer.Start(new ServerOptions { SslCertfile = File("one.crt"), SslKeyfile = File("two.key") }));
        var cipher = await Assert.ThrowsAsync<ArgumentException>(() =>
            TinyServer.Start(Options("one") with { SslCiphers = "NO-SUCH" }));
        var noCertificate = await Assert.ThrowsAsync<ArgumentException>(() =>
            TinyServer.Start(new ServerOptions { SslKeyfile = File("one.key") }));

        Assert.Contains("none.crt", missing.Message);
        Assert.Contains("one.crt", mixed.Message);
        Assert.Contains("NO-SUCH", cipher.Message);
        Assert.Contains("need ssl_certfile", noCertificate.Message);
    }
}
