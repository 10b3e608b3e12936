using System.Collections;
using System.Reflection;
using Vllm.Cli.CommandLine;
using Vllm.Server;

namespace Vllm.Tests.CommandLine;

/// <summary>Every property of the options records has one flag, which sets it and nothing else.</summary>
public sealed class FlagTests
{
    [Fact]
    public void EngineFlags_SetEveryProperty() => CheckAll(EngineFlags.Table.Options, new EngineOptions { Model = "" });

    [Fact]
    public void ServerFlags_SetEveryProperty() => CheckAll(ServerFlags.Table.Options, new ServerOptions());

    static void CheckAll<T>(IReadOnlyList<Option<T>> options, T defaults)
    {
        var reader = new OptionReader<T>(options, null);
        List<string> seen = [];
        foreach (Option<T> option in options)
        {
            string[] arguments = Example(option, option.Show(defaults));

            T record = reader.Read(arguments, defaults);

            List<string> changed = Differences(defaults, record);
            Assert.True(changed.Count == 1, $"{string.Join(' ', arguments)} changed {string.Join(", ", changed)}");
            seen.AddRange(changed);
            if (option.Kind == OptionKind.Value)
                Assert.Empty(Differences(record, reader.Read([option.Name, option.Show(record)!], defaults)));
        }
        Assert.Equal(typeof(T).GetProperties().Select(property => property.Name).Order(), seen.Order());
    }

    /// <summary>Arguments that change the default.</summary>
    static string[] Example<T>(Option<T> option, string? current) => option.Kind switch
    {
        OptionKind.Pair when current == "on" => [option.OffNames.First()],
        OptionKind.Pair or OptionKind.Switch => [option.Name],
        OptionKind.List when option.Metavar.StartsWith("TYPE", StringComparison.Ordinal) =>
            [option.Name, $"{typeof(Idle).FullName}, {typeof(Idle).Assembly.Location}"],
        OptionKind.List => [option.Name, "a", "b"],
        _ => [option.Name, option.Metavar switch
        {
            "N" or "PORT" or "SECONDS" => "7",
            "BYTES" => "3M",
            "X" => "0.5",
            "JSON_LIST" => """["x"]""",
            "JSON" => """{"temperature":0.5,"top_k":3}""",
            ['{', ..] choices => choices.Trim('{', '}').Split(',').First(choice => choice != current),
            _ => "text",
        }],
    };

    static List<string> Differences<T>(T a, T b) =>
        [.. typeof(T).GetProperties().Where(property => !Same(property, a, b)).Select(property => property.Name)];

    static bool Same<T>(PropertyInfo property, T a, T b) => (property.GetValue(a), property.GetValue(b)) switch
    {
        (IEnumerable x and not string, IEnumerable y) => x.Cast<object>().SequenceEqual(y.Cast<object>()),
        (var x, var y) => Equals(x, y),
    };
}

/// <summary>Something to load.</summary>
sealed class Idle : LogitsProcessor
{
    public override void Process(in LogitsContext row, Span<float> logits) { }
}
