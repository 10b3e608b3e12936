using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Binding;

/// <summary>A variable: a slot of the function that it belongs to.</summary>
sealed record Variable(string Name, Function Function, int Slot);

/// <summary>What the generated code of Jinja would make a Python function: the template itself, a macro, a block, a
/// recursive loop, the test of a loop. Has the slots of all scopes inside it.</summary>
sealed class Function(Function? parent)
{
    public Function? Parent => parent;

    public FunctionSlots Slots { get; } = new();

    public VariableAddress Address(Variable variable)
    {
        int hops = 0;
        for (Function? function = this; function != variable.Function; function = function.Parent)
        {
            hops++;
            if (function.Parent is null) throw new InvalidOperationException($"{variable.Name} is not in scope");
        }
        return new VariableAddress(hops, variable.Slot);
    }
}

/// <summary>What a variable holds when its scope is entered.</summary>
enum LoadKind
{
    /// <summary>Whatever the code that enters the scope puts there.</summary>
    Parameter,
    /// <summary>The context's variable of that name.</summary>
    Resolve,
    /// <summary>The value of the same name outside.</summary>
    Alias,
    /// <summary>Nothing.</summary>
    Undefined,
}

readonly record struct Load(LoadKind Kind, Variable? Outer = null);

/// <summary>
/// The names of one scope, as Jinja's <c>idtracking</c> finds them: a name that a scope stores is the scope's own, even
/// where it is read before, and starts with the outer value. Rules that surprise (a loop body reads a name of the
/// context that the template sets only after the loop as undefined) are kept: templates depend on them.
/// </summary>
sealed class Scope
{
    readonly Scope? _parent;
    readonly Function _function;
    readonly Dictionary<string, Variable> _variables; // shared by the copies made for branches
    readonly Dictionary<string, Variable> _refs = [];
    readonly Dictionary<Variable, Load> _loads = [];
    readonly HashSet<string> _stores = [];

    public Scope(Scope? parent, Function function)
    {
        _parent = parent;
        _function = function;
        _variables = [];
    }

    Scope(Scope original)
    {
        _parent = original._parent;
        _function = original._function;
        _variables = original._variables;
        _refs = new(original._refs);
        _loads = new(original._loads);
        _stores = [.. original._stores];
    }

    public Function Function => _function;

    public IReadOnlyDictionary<Variable, Load> Loads => _loads;

    public Scope Copy() => new(this);

    public Variable? Find(string name) =>
        _refs.TryGetValue(name, out Variable? variable) ? variable : _parent?.Find(name);

    public void Load(string name)
    {
        if (Find(name) is null) Define(name, new Load(LoadKind.Resolve));
    }

    public void Store(string name)
    {
        _stores.Add(name);
        if (_refs.ContainsKey(name)) return;
        Variable? outer = _parent?.Find(name);
        Define(name, outer is null ? new Load(LoadKind.Undefined) : new Load(LoadKind.Alias, outer));
    }

    public Variable DeclareParameter(string name)
    {
        _stores.Add(name);
        return Define(name, new Load(LoadKind.Parameter));
    }

    Variable Define(string name, Load load)
    {
        if (!_variables.TryGetValue(name, out Variable? variable))
            _variables[name] = variable = new Variable(name, _function, _function.Slots.Add());
        _refs[name] = variable;
        _loads[variable] = load;
        return variable;
    }

    /// <summary>Joins the branches of an <c>if</c>: a name stored in one of them may keep its outer value.</summary>
    public void Join(params Scope[] branches)
    {
        var stores = new HashSet<string>(branches.SelectMany(branch => branch._stores));
        stores.ExceptWith(_stores);
        foreach (Scope branch in branches)
        {
            foreach ((string name, Variable variable) in branch._refs) _refs[name] = variable;
            foreach ((Variable variable, Load load) in branch._loads) _loads[variable] = load;
            _stores.UnionWith(branch._stores);
        }
        foreach (string name in stores)
            _loads[Find(name)!] = _parent?.Find(name) is { } outer
                ? new Load(LoadKind.Alias, outer)
                : new Load(LoadKind.Resolve);
    }

    /// <summary>All names stored here or further out, for a scoped block.</summary>
    public IEnumerable<(string Name, Variable Variable)> VisibleStores()
    {
        var seen = new HashSet<string>();
        for (Scope? scope = this; scope is not null; scope = scope._parent)
            foreach (string name in scope._stores)
                if (seen.Add(name))
                    yield return (name, Find(name)!);
    }
}
