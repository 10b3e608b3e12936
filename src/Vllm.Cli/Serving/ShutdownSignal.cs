using System.Runtime.InteropServices;

namespace Vllm.Cli.Serving;

/// <summary>Ctrl-C or SIGTERM: the first asks the server to end, the second ends the process.</summary>
sealed class ShutdownSignal : IDisposable
{
    /// <summary>What a shell reports for a process that Ctrl-C ended.</summary>
    const int Interrupted = 130;

    readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly PosixSignalRegistration _interrupt;
    readonly PosixSignalRegistration _terminate;

    public ShutdownSignal()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
    }

    public Task Requested => _requested.Task;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
    }

    void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (!_requested.TrySetResult()) Environment.Exit(Interrupted);
    }
}
