using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Binding;

/// <summary>A template ready to be rendered.</summary>
sealed record BoundTemplate(
    Statement[] Body, FunctionSlots Slots, ScopeEntry Entry, VariableAddress? Self,
    IReadOnlyDictionary<string, Block> Blocks, IReadOnlySet<string> Variables);

/// <summary>
/// Completes the tree: gives every name its slot, every filter and test its function, and refuses what Jinja's compiler
/// refuses (unknown filters outside of conditions, loop controls outside of loops, …).
/// </summary>
sealed class Binder
{
    /// <summary>Names that Jinja itself defines; vLLM does not count these as variables of the template, but does count
    /// the two that transformers adds.</summary>
    static readonly HashSet<string> OwnGlobals = ["range", "dict", "lipsum", "cycler", "joiner", "namespace"];

    readonly Dictionary<string, Block> _blocks = [];
    readonly HashSet<string> _variables = [];

    /// <param name="Scope">The names.</param>
    /// <param name="IsTopLevel">Whether what is set here is seen by blocks.</param>
    /// <param name="IsSoft">Inside a condition: unknown filters are an error only when they are reached.</param>
    /// <param name="InLoop">Whether <c>break</c> has a loop to leave.</param>
    readonly record struct Place(Scope Scope, bool IsTopLevel, bool IsSoft, bool InLoop)
    {
        public Place Soft => this with { IsSoft = true };

        public Place Inner(Scope scope) => new(scope, IsTopLevel: false, IsSoft: false, InLoop);
    }

    public static BoundTemplate Bind(Statement[] body) => new Binder().BindTemplate(body);

    BoundTemplate BindTemplate(Statement[] body)
    {
        foreach (Block block in body.SelectMany(node => node.Descendants().Prepend(node)).OfType<Block>())
            if (!_blocks.TryAdd(block.Name, block))
                throw Error.Syntax($"block '{block.Name}' defined twice", block.Line);

        var function = new Function(null);
        var scope = new Scope(null, function);
        VariableAddress? self = Declare(scope, SymbolCollector.FindUndeclared(body, "self"), "self");
        SymbolCollector.Collect(scope, body);
        ScopeEntry entry = Enter(scope);
        BindAll(body, new Place(scope, IsTopLevel: true, IsSoft: false, InLoop: false));
        foreach (Block block in _blocks.Values) BindBlockBody(block);
        return new BoundTemplate(body, function.Slots, entry, self, _blocks, _variables);
    }

    void BindBlockBody(Block block)
    {
        var function = new Function(null);
        var scope = new Scope(null, function);
        HashSet<string> undeclared = SymbolCollector.FindUndeclared(block.Body, "self", "super");
        block.Self = Declare(scope, undeclared, "self");
        block.Super = Declare(scope, undeclared, "super");
        SymbolCollector.Collect(scope, block.Body);
        block.Slots = function.Slots;
        block.Entry = Enter(scope);
        BindAll(block.Body, new Place(scope, IsTopLevel: false, IsSoft: false, InLoop: false));
    }

    static VariableAddress? Declare(Scope scope, HashSet<string> undeclared, string name) =>
        undeclared.Contains(name) ? scope.Function.Address(scope.DeclareParameter(name)) : null;

    ScopeEntry Enter(Scope scope)
    {
        var resolves = new List<(int, string)>();
        var aliases = new List<(int, VariableAddress)>();
        var undefined = new List<int>();
        foreach ((Variable variable, Load load) in scope.Loads)
        {
            switch (load.Kind)
            {
                case LoadKind.Resolve:
                    resolves.Add((variable.Slot, variable.Name));
                    if (!OwnGlobals.Contains(variable.Name)) _variables.Add(variable.Name);
                    break;
                case LoadKind.Alias: aliases.Add((variable.Slot, scope.Function.Address(load.Outer!))); break;
                case LoadKind.Undefined: undefined.Add(variable.Slot); break;
            }
        }
        return new ScopeEntry([.. resolves], [.. aliases], [.. undefined]);
    }

    void BindAll(IEnumerable<Node> nodes, Place place)
    {
        foreach (Node node in nodes) Bind(node, place);
    }

    void Bind(Node node, Place place)
    {
        if (node is Expression { IsConstant: true } and not GetItem) MarkFolded(node.Descendants());
        switch (node)
        {
            case Print print:
                if (print.Value.IsConstant) MarkFolded(print.Value.Descendants().Prepend(print.Value));
                Bind(print.Value, place);
                break;
            case Name name: BindName(name, place); break;
            case NamespaceReference reference:
                reference.Address = AddressOf(reference.Id, place);
                break;
            case FilterCall filter: BindFilter(filter, place); break;
            case TestCall test: BindTest(test, place); break;
            case If or Conditional: BindAll(node.Children, place.Soft); break;
            case For loop: BindFor(loop, place); break;
            case MacroStatement macro:
                BindMacro(macro.Definition, macro.Line, place);
                BindName(macro.Name, place);
                break;
            case CallBlock block:
                BindMacro(block.Definition, block.Line, place);
                if (block.Call is not null) Bind(block.Call, place);
                break;
            case FilterBlock block:
                block.Entry = BindInner(block.Body, block.Children, place, out Place filterPlace);
                Bind(block.Filter, filterPlace);
                break;
            case SetBlock block:
                block.Entry = BindInner(block.Body, block.Body, place, out Place setPlace);
                Bind(block.Target, place);
                if (block.Filter is not null) Bind(block.Filter, setPlace);
                break;
            case With with:
                with.Entry = BindInner(with.Body, [.. with.Targets, .. with.Body], place, out Place withPlace);
                BindAll(with.Targets, withPlace);
                BindAll(with.Values, place);
                break;
            case AutoescapeBlock block:
                block.Entry = BindInner(block.Body, block.Children, place, out Place escapePlace);
                Bind(block.Option, escapePlace);
                break;
            case Block { IsScoped: true } block:
                block.Surrounding = [.. place.Scope.VisibleStores()
                    .Select(pair => (pair.Name, place.Scope.Function.Address(pair.Variable)))];
                break;
            case Block: break;
            case LoopControl control:
                if (!place.InLoop)
                    throw Error.Syntax(control.Flow == Flow.Break
                        ? "'break' outside loop" : "'continue' not properly in loop", control.Line);
                break;
            default: BindAll(node.Children, place); break;
        }
    }

    static void MarkFolded(IEnumerable<Node> nodes)
    {
        foreach (GetItem item in nodes.OfType<GetItem>()) item.IsFolded = true;
    }

    /// <summary>A scope inside the same function.</summary>
    ScopeEntry BindInner(Statement[] body, IEnumerable<Node> symbols, Place place, out Place inner)
    {
        var scope = new Scope(place.Scope, place.Scope.Function);
        SymbolCollector.Collect(scope, symbols);
        inner = place.Inner(scope);
        ScopeEntry entry = Enter(scope);
        BindAll(body, inner);
        return entry;
    }

    static VariableAddress AddressOf(string name, Place place) =>
        place.Scope.Function.Address(place.Scope.Find(name)
            ?? throw new InvalidOperationException($"{name} has no slot"));

    void BindName(Name name, Place place)
    {
        name.Address = AddressOf(name.Id, place);
        name.IsExported = name.Use == NameUse.Store && place.IsTopLevel && _blocks.Count > 0;
    }

    void BindFilter(FilterCall filter, Place place)
    {
        filter.Function = Filters.Find(filter.FilterName);
        if (filter.Function is null && !place.IsSoft)
            throw Error.Syntax($"No filter named '{filter.FilterName}'.", filter.Line);
        BindAll(filter.Children, place);
    }

    void BindTest(TestCall test, Place place)
    {
        test.Function = Tests.Find(test.TestName);
        if (test.Function is null && !place.IsSoft)
            throw Error.Syntax($"No test named '{test.TestName}'.", test.Line);
        BindAll(test.Children, place);
    }

    void BindFor(For loop, Place place)
    {
        Name? bad = loop.Descendants().OfType<Name>()
            .FirstOrDefault(name => name is { Use: NameUse.Store, Id: "loop" });
        if (bad is not null)
            throw Error.Syntax("Can't assign to special loop variable in for-loop target", bad.Line);
        Bind(loop.Items, place);
        Function function = loop.IsRecursive ? new Function(place.Scope.Function) : place.Scope.Function;
        loop.RecursionSlots = loop.IsRecursive ? function.Slots : null;
        if (loop.Test is not null) BindLoopTest(loop, place, function);

        var scope = new Scope(place.Scope, function);
        loop.Loop = function.Address(scope.DeclareParameter("loop"));
        SymbolCollector.CollectParameters(scope, loop.Target);
        SymbolCollector.Collect(scope, loop.Body);
        loop.BodyEntry = Enter(scope);
        Place body = place.Inner(scope) with { InLoop = true };
        Bind(loop.Target, body);
        BindAll(loop.Body, body);

        var otherwise = new Scope(place.Scope, function);
        SymbolCollector.Collect(otherwise, loop.Otherwise);
        loop.OtherwiseEntry = Enter(otherwise);
        BindAll(loop.Otherwise, place.Inner(otherwise) with { InLoop = place.InLoop && !loop.IsRecursive });
    }

    void BindLoopTest(For loop, Place place, Function outer)
    {
        var function = new Function(outer);
        var scope = new Scope(place.Scope, function);
        SymbolCollector.CollectParameters(scope, loop.TestTarget!);
        SymbolCollector.Collect(scope, [loop.Test!]);
        loop.TestSlots = function.Slots;
        loop.TestEntry = Enter(scope);
        Bind(loop.TestTarget!, place.Inner(scope));
        Bind(loop.Test!, place.Inner(scope));
    }

    void BindMacro(MacroDefinition macro, int line, Place place)
    {
        var function = new Function(place.Scope.Function);
        var scope = new Scope(place.Scope, function);
        SymbolCollector.Collect(scope, macro.Children);
        HashSet<string> used = SymbolCollector.FindUndeclared(macro.Body, "caller", "kwargs", "varargs");
        int callerParameter = Array.FindIndex(macro.Parameters, name => name.Id == "caller");
        macro.UsesCaller = used.Contains("caller");
        if (macro.UsesCaller && callerParameter >= 0 && macro.DefaultOf(callerParameter) is null)
            throw Error.Syntax("When defining macros or call blocks the special \"caller\" argument must be omitted " +
                "or be given a default.", line);
        if (callerParameter < 0) macro.Caller = Declare(scope, used, "caller");
        if (!macro.Parameters.Any(name => name.Id == "kwargs")) macro.KeywordArguments = Declare(scope, used, "kwargs");
        if (!macro.Parameters.Any(name => name.Id == "varargs"))
            macro.PositionalArguments = Declare(scope, used, "varargs");
        macro.Slots = function.Slots;
        macro.Entry = Enter(scope);
        BindAll(macro.Children, new Place(scope, IsTopLevel: false, IsSoft: false, InLoop: false));
    }
}
