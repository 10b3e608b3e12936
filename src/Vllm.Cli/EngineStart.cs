using Spectre.Console;

namespace Vllm.Cli;

/// <summary>Loads an engine; on a terminal with a progress bar when it takes longer than a moment.</summary>
static class EngineStart
{
    /// <summary>Small models are there before a bar is worth drawing, and then Spectre is not loaded at all.</summary>
    static readonly TimeSpan Moment = TimeSpan.FromSeconds(0.5);

    static readonly TimeSpan Refresh = TimeSpan.FromSeconds(0.1);

    public static async Task<AsyncLLM> LoadAsync(EngineOptions options)
    {
        var latest = new LatestProgress();
        Task<AsyncLLM> loading = Task.Run(() => AsyncLLM.Create(options, latest));
        if (!Console.IsErrorRedirected && await Task.WhenAny(loading, Task.Delay(Moment)) != loading)
            await ShowBarAsync(loading, latest);
        return await loading;
    }

    static Task ShowBarAsync(Task loading, LatestProgress latest)
    {
        var settings = new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) };
        return AnsiConsole.Create(settings).Progress().AutoClear(true).StartAsync(async context =>
        {
            ProgressTask bar = context.AddTask("Loading", maxValue: 1);
            while (!loading.IsCompleted)
            {
                LoadProgress progress = latest.Value;
                bar.Description = progress.Stage;
                bar.Value = progress.Fraction;
                await Task.WhenAny(loading, Task.Delay(Refresh));
            }
        });
    }

    /// <summary>The loader's last report, to be read when the bar is drawn.</summary>
    sealed class LatestProgress : IProgress<LoadProgress>
    {
        readonly Lock _lock = new();
        LoadProgress _value = new("Loading", 0);

        public LoadProgress Value
        {
            get
            {
                lock (_lock) return _value;
            }
        }

        public void Report(LoadProgress value)
        {
            lock (_lock) _value = value;
        }
    }
}
