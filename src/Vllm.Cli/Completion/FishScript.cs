using System.Text;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Completion;

/// <summary>Completion for fish.</summary>
static class FishScript
{
    public static string Write(IReadOnlyList<Command> commands)
    {
        var text = new StringBuilder("# fish completion for vllm\n");
        const string First = "complete -c vllm -n __fish_use_subcommand -f";
        foreach (Command command in commands.Where(command => !command.Name.Contains(' ', StringComparison.Ordinal)))
            text.Append($"{First} -a {command.Name} -d {Quoted(command.Summary)}\n");
        foreach (IGrouping<string, string> family in ShellWords.Families(commands))
        {
            text.Append($"{First} -a {family.Key}\n");
            text.Append($"complete -c vllm -n '__fish_seen_subcommand_from {family.Key}' -f");
            text.Append($" -a {Quoted(string.Join(' ', family))}\n");
        }
        foreach (Command command in commands)
            foreach (OptionOutline option in command.Outline)
                WriteOption(text, command, option);
        return text.ToString();
    }

    static void WriteOption(StringBuilder text, Command command, OptionOutline option)
    {
        string condition = string.Join("; and ",
            command.Name.Split(' ').Select(word => $"__fish_seen_subcommand_from {word}"));
        text.Append($"complete -c vllm -n '{condition}'");
        // A long name is -l; a name of one dash is fish's "old style".
        foreach (string name in option.Names)
            text.Append(name.StartsWith("--", StringComparison.Ordinal) ? $" -l {name[2..]}" : $" -o {name[1..]}");
        if (option.Choices.Count > 0) text.Append($" -x -a {Quoted(string.Join(' ', option.Choices))}");
        else if (option.Metavar.Length > 0) text.Append(" -r");
        text.Append($" -d {Quoted(option.Help)}\n");
    }

    static string Quoted(string text) =>
        $"'{text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal)}'";
}
