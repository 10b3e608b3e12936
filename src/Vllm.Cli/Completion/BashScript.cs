using System.Text;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Completion;

/// <summary>Completion for bash, and for zsh, which runs bash's scripts.</summary>
static class BashScript
{
    const string Function = """
        _vllm() {
          local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}" words=""
          if [[ COMP_CWORD -gt 1 ]]; then words="$(_vllm_words "$command")"; fi
          if [[ COMP_CWORD -eq 1 || ( COMP_CWORD -eq 2 && -n $words ) ]]; then
            COMPREPLY=($(compgen -W "${words:-$(_vllm_words)}" -- "$cur"))
            return
          fi
          if [[ -n $words ]]; then command="$command ${COMP_WORDS[2]}"; fi
          local values; values="$(_vllm_values "$prev")"
          if [[ -n $values ]]; then
            COMPREPLY=($(compgen -W "$values" -- "$cur"))
          elif [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "$(_vllm_options "$command")" -- "$cur"))
          else
            COMPREPLY=($(compgen -f -- "$cur"))
          fi
        }

        """;

    public static string Write(IReadOnlyList<Command> commands)
    {
        var text = new StringBuilder("# bash completion for vllm\n");
        WriteWords(text, commands);
        WriteValues(text, commands);
        WriteOptions(text, commands);
        text.Append(Function).Append("complete -o filenames -F _vllm vllm\n");
        return text.ToString().ReplaceLineEndings("\n");
    }

    public static string WriteForZsh(IReadOnlyList<Command> commands) =>
        "autoload -Uz bashcompinit && bashcompinit\n" + Write(commands);

    static void WriteWords(StringBuilder text, IReadOnlyList<Command> commands)
    {
        text.Append("_vllm_words() {\n  case $1 in\n");
        text.Append($"    \"\") echo \"{string.Join(' ', ShellWords.Commands(commands))}\" ;;\n");
        foreach (IGrouping<string, string> family in ShellWords.Families(commands))
            text.Append($"    {family.Key}) echo \"{string.Join(' ', family)}\" ;;\n");
        text.Append("  esac\n}\n");
    }

    static void WriteValues(StringBuilder text, IReadOnlyList<Command> commands)
    {
        text.Append("_vllm_values() {\n  case $1 in\n");
        foreach ((string name, string choices) in ShellWords.Choices(commands))
            text.Append($"    {name}) echo \"{choices}\" ;;\n");
        text.Append("  esac\n}\n");
    }

    static void WriteOptions(StringBuilder text, IReadOnlyList<Command> commands)
    {
        text.Append("_vllm_options() {\n  case $1 in\n");
        foreach (Command command in commands)
            text.Append($"    \"{command.Name}\") echo \"{string.Join(' ', ShellWords.Options(command))}\" ;;\n");
        text.Append("  esac\n}\n");
    }
}

/// <summary>The words of all scripts.</summary>
static class ShellWords
{
    public static IEnumerable<string> Commands(IReadOnlyList<Command> commands) =>
        commands.Select(command => command.Name.Split(' ')[0]).Append("completion").Distinct();

    /// <summary>The second words of commands that have two, by the first; and the shells.</summary>
    public static IEnumerable<IGrouping<string, string>> Families(IReadOnlyList<Command> commands) => commands
        .Select(command => command.Name.Split(' '))
        .Where(words => words.Length > 1)
        .Select(words => (First: words[0], Second: words[1]))
        .Concat(new[] { "bash", "zsh", "fish", "powershell" }.Select(shell => (First: "completion", Second: shell)))
        .GroupBy(words => words.First, words => words.Second);

    public static IEnumerable<string> Options(Command command) =>
        command.Outline.SelectMany(option => option.Names).Append("--help").Distinct();

    /// <summary>Options with few values, and the values.</summary>
    public static IEnumerable<(string Name, string Values)> Choices(IReadOnlyList<Command> commands) => commands
        .SelectMany(command => command.Outline)
        .Where(option => option.Choices.Count > 0)
        .SelectMany(option => option.Names.Select(name => (name, string.Join(' ', option.Choices))))
        .DistinctBy(pair => pair.name);
}
