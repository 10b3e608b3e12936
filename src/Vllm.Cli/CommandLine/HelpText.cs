using System.Text;

namespace Vllm.Cli.CommandLine;

/// <summary>Help of a command, made of its options. <c>--help</c> shows the command's own options and names the other
/// groups; <c>--help=all</c>, <c>--help=</c>group and <c>--help=</c>part of a flag show more.</summary>
static class HelpText
{
    const int Width = 100;
    const int HelpColumn = 36;

    public static string Write<TArgs>(Command<TArgs> command, string? topic) where TArgs : CommandArguments
    {
        var text = new StringBuilder();
        ILookup<string, Option<TArgs>> groups = command.Options.ToLookup(option => option.Group);
        if (topic is null) WriteOverview(text, command, groups);
        else WriteTopic(text, command, groups, topic);
        return text.ToString();
    }

    static void WriteOverview<TArgs>(StringBuilder text, Command<TArgs> command, ILookup<string, Option<TArgs>> groups)
        where TArgs : CommandArguments
    {
        string positional = command.Positional is { } first ? $" [{first.Name}]" : "";
        text.AppendLine($"Usage: vllm {command.Name}{positional} [options]").AppendLine().AppendLine(command.Summary);
        if (command.Positional is not null)
        {
            text.AppendLine();
            WriteEntry(text, command.Positional.Name, command.Positional.Help);
        }
        IGrouping<string, Option<TArgs>>? own = groups.FirstOrDefault();
        if (own is null) return;
        WriteGroup(text, command, own);
        if (groups.Count == 1) return;
        text.AppendLine().AppendLine("More options:");
        foreach (IGrouping<string, Option<TArgs>> group in groups.Skip(1))
            WriteEntry(text, group.Key, string.Join(' ', group.Select(option => option.Name)));
        text.AppendLine().AppendLine(
            $"vllm {command.Name} --help=all shows all, --help={groups.Skip(1).First().Key} a group, "
            + "--help=max-num-seqs an option.");
    }

    static void WriteTopic<TArgs>(
        StringBuilder text, Command<TArgs> command, ILookup<string, Option<TArgs>> groups, string topic)
        where TArgs : CommandArguments
    {
        bool isAll = topic.Equals("all", StringComparison.OrdinalIgnoreCase);
        foreach (IGrouping<string, Option<TArgs>> group in groups)
            if (isAll || group.Key.Equals(topic, StringComparison.OrdinalIgnoreCase))
                WriteGroup(text, command, group);
        string part = topic.TrimStart('-').Replace('_', '-');
        bool isGroup = text.Length > 0;
        if (!isGroup)
            foreach (Option<TArgs> option in command.Options)
                if (option.Name.Contains(part, StringComparison.OrdinalIgnoreCase))
                    WriteOption(text, command, option);
        WriteOthers(text, command, flag => isAll
            || flag.Group.Equals(topic, StringComparison.OrdinalIgnoreCase)
            || (!isGroup && flag.Names.Any(name => name.Contains(part, StringComparison.OrdinalIgnoreCase))));
        if (text.Length == 0)
        {
            string known = string.Join(", ", groups.Select(group => group.Key));
            throw new UsageException(
                $"no help on '{topic}': it is neither all, nor a group ({known}), nor part of an option's name");
        }
    }

    /// <summary>The flags of vLLM's that are no options here, and what becomes of them.</summary>
    static void WriteOthers<TArgs>(StringBuilder text, Command<TArgs> command, Func<VllmFlag, bool> isWanted)
        where TArgs : CommandArguments
    {
        HashSet<string> own = [.. command.Options.Select(option => option.Name)];
        VllmFlag[] wanted = [.. VllmFlags.Of(command.Name, command.Options).Where(flag => isWanted(flag) && !own.Contains(flag.Name))];
        if (wanted.Length == 0) return;
        text.AppendLine().AppendLine("Other flags of vLLM's:");
        foreach (VllmFlag flag in wanted) WriteEntry(text, string.Join(", ", flag.Names), flag.Explanation);
    }

    static void WriteGroup<TArgs>(StringBuilder text, Command<TArgs> command, IGrouping<string, Option<TArgs>> group)
        where TArgs : CommandArguments
    {
        text.AppendLine().AppendLine($"{group.Key}:");
        foreach (Option<TArgs> option in group) WriteOption(text, command, option);
    }

    static void WriteOption<TArgs>(StringBuilder text, Command<TArgs> command, Option<TArgs> option)
        where TArgs : CommandArguments
    {
        string name = option.Kind == OptionKind.Pair ? "--[no-]" + option.Name[2..] : option.Name;
        string metavar = option.Metavar.Length > 0 ? " " + option.Metavar : "";
        string head = string.Join(", ", [name, .. option.Aliases]) + metavar;
        string? value = option.Kind == OptionKind.Switch ? null : option.Show(command.Defaults);
        WriteEntry(text, head, string.IsNullOrEmpty(value) ? option.Help : $"{option.Help} (default: {value})");
    }

    /// <summary>Two columns, the second wrapped; it starts on a line of its own behind a long first one.</summary>
    static void WriteEntry(StringBuilder text, string head, string help)
    {
        string indent = "  " + head;
        text.Append(indent);
        int column = indent.Length;
        if (column > HelpColumn - 2)
        {
            text.AppendLine();
            column = 0;
        }
        text.Append(' ', HelpColumn - column);
        column = HelpColumn;
        foreach (string word in help.Split(' '))
        {
            if (column > HelpColumn && column + 1 + word.Length > Width)
            {
                text.AppendLine().Append(' ', HelpColumn);
                column = HelpColumn;
            }
            if (column > HelpColumn)
            {
                text.Append(' ');
                column++;
            }
            text.Append(word);
            column += word.Length;
        }
        text.AppendLine();
    }
}
