using System.Text;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Completion;

/// <summary>Completion for PowerShell.</summary>
static class PowerShellScript
{
    const string Completer = """
        Register-ArgumentCompleter -Native -CommandName vllm -ScriptBlock {
          param($word, $ast, $position)
          $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
          if ($word -ne '') { $words = @($words | Select-Object -SkipLast 1) }
          $found = if ($words.Count -eq 0) { $vllmCommands }
            elseif ($vllmFamilies.ContainsKey($words[0]) -and $words.Count -eq 1) { $vllmFamilies[$words[0]] }
            elseif ($vllmValues.ContainsKey($words[-1])) { $vllmValues[$words[-1]] }
            elseif ($vllmFamilies.ContainsKey($words[0])) { $vllmOptions["$($words[0]) $($words[1])"] }
            else { $vllmOptions[$words[0]] }
          $found | Where-Object { $_ -like "$word*" } | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
          }
        }

        """;

    public static string Write(IReadOnlyList<Command> commands)
    {
        var text = new StringBuilder("# PowerShell completion for vllm\n");
        text.Append($"$vllmCommands = {List(ShellWords.Commands(commands))}\n");
        text.Append("$vllmFamilies = @{\n");
        foreach (IGrouping<string, string> family in ShellWords.Families(commands))
            text.Append($"  '{family.Key}' = {List(family)}\n");
        text.Append("}\n$vllmValues = @{\n");
        foreach ((string name, string values) in ShellWords.Choices(commands))
            text.Append($"  '{name}' = {List(values.Split(' '))}\n");
        text.Append("}\n$vllmOptions = @{\n");
        foreach (Command command in commands)
            text.Append($"  '{command.Name}' = {List(ShellWords.Options(command))}\n");
        return text.Append("}\n").Append(Completer).ToString().ReplaceLineEndings("\n");
    }

    static string List(IEnumerable<string> words) => $"@({string.Join(", ", words.Select(word => $"'{word}'"))})";
}
