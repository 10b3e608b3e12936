using Vllm.Cli;
using Vllm.Cli.CommandLine;

Command[] commands =
[
    ServeCommand.Command,
    ChatCommand.Command,
    CompleteCommand.Command,
    BenchLatencyCommand.Command,
    BenchThroughputCommand.Command,
    BenchServeCommand.Command,
    ModelSynthCommand.Command,
    CollectEnvCommand.Command,
];

switch (args)
{
    case [] or ["-h" or "--help" or "help"]:
        Console.WriteLine("Usage: vllm COMMAND [options]\n");
        PrintCommands(commands);
        Console.WriteLine($"  {"completion",-18}{CompletionCommand.Summary}");
        Console.WriteLine("\nvllm COMMAND --help tells more. vllm --version prints the version.");
        return 0;
    case ["-v" or "--version"]:
        Console.WriteLine(ProgramVersion.Text);
        return 0;
    case ["env", .. string[] rest]: // an old name of vLLM's
        return await CollectEnvCommand.Command.RunAsync(rest);
    case ["bench" or "model"] or ["bench" or "model", "-h" or "--help"]:
        PrintCommands(commands.Where(command => command.Name.StartsWith($"{args[0]} ", StringComparison.Ordinal)));
        return 0;
    case ["completion", .. string[] rest]:
        return CompletionCommand.Run(rest, commands);
}

int numWords = args[0] is "bench" or "model" && args.Length > 1 ? 2 : 1;
string name = string.Join(' ', args[..numWords]);
Command? chosen = commands.FirstOrDefault(command => command.Name == name);
if (chosen is not null) return await chosen.RunAsync(args[numWords..]);
if (VllmCommands.Contains(name) || VllmCommands.Contains(args[0]))
{
    Console.Error.WriteLine($"vllm: not supported yet: {name}");
    return 2;
}
string hint = UsageException.DidYouMean(name, commands.Select(command => command.Name));
Console.Error.WriteLine($"vllm: unknown command: {name}{hint}");
return 2;

static void PrintCommands(IEnumerable<Command> commands)
{
    foreach (Command command in commands) Console.WriteLine($"  {command.Name,-18}{command.Summary}");
}
