using System.Diagnostics;
using System.Text;

namespace Vllm.Tests;

/// <summary>The built program as a process of its own, ended at the latest when disposed.</summary>
sealed class StartedProgram : IDisposable
{
    /// <summary>Far more than needed: build machines are busy.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    readonly StringBuilder _output = new();
    readonly StringBuilder _errors = new();

    public StartedProgram(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "vllm.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The program would warn of the test run's own variables.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("VLLM_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["VLLM_LOG_STATS_INTERVAL"] = "1"; // so that a test of seconds sees the statistics line
        Process = new Process { StartInfo = start };
        Process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        Process.ErrorDataReceived += (_, line) => Append(_errors, line.Data);
        Process.Start();
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    public Process Process { get; }

    public string Output => Text(_output);

    public string Errors => Text(_errors);

    /// <summary>Runs to the end and returns the exit code.</summary>
    public async Task<int> RunAsync(string input = "")
    {
        await Process.StandardInput.WriteAsync(input);
        Process.StandardInput.Close();
        return await ExitAsync();
    }

    public async Task<int> ExitAsync()
    {
        using var timeout = new CancellationTokenSource(Patience);
        await Process.WaitForExitAsync(timeout.Token);
        return Process.ExitCode;
    }

    /// <summary>Asks the process to end, as a service manager does.</summary>
    public void SendTerminate() => System.Diagnostics.Process.Start("kill", ["-TERM", $"{Process.Id}"]).WaitForExit();

    /// <summary>Waits until the program has written a file, and returns what is in it.</summary>
    public async Task<string> FileAsync(string path)
    {
        await UntilAsync(() => File.Exists(path));
        return await File.ReadAllTextAsync(path);
    }

    /// <summary>Waits until the program has printed a text.</summary>
    public Task OutputAsync(string text) => UntilAsync(() => Output.Contains(text, StringComparison.Ordinal));

    public void Dispose()
    {
        if (!Process.HasExited) Process.Kill();
        Process.Dispose();
    }

    async Task UntilAsync(Func<bool> condition)
    {
        for (long start = Stopwatch.GetTimestamp(); !condition(); await Task.Delay(20))
        {
            Assert.False(Process.HasExited, $"ended early: {Output}{Errors}");
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"nothing after {Patience}: {Output}{Errors}");
        }
    }

    static void Append(StringBuilder text, string? line)
    {
        lock (text) text.AppendLine(line);
    }

    static string Text(StringBuilder text)
    {
        lock (text) return text.ToString();
    }
}
