using Vllm.Text.ChatTemplates.Nodes;

namespace Vllm.Text.ChatTemplates.Binding;

/// <summary>Finds the names that a scope reads and stores, without entering the scopes inside it.</summary>
static class SymbolCollector
{
    public static void Collect(Scope scope, IEnumerable<Node> nodes)
    {
        foreach (Node node in nodes) Visit(scope, node);
    }

    /// <summary>Targets of loops: the loop itself fills them.</summary>
    public static void CollectParameters(Scope scope, Expression target)
    {
        if (target is Name name) scope.DeclareParameter(name.Id);
        else Collect(scope, target.Children, CollectParameters);
    }

    static void Collect(Scope scope, IEnumerable<Node> nodes, Action<Scope, Expression> visit)
    {
        foreach (Node node in nodes) visit(scope, (Expression)node);
    }

    static void Visit(Scope scope, Node node)
    {
        switch (node)
        {
            case Name { Use: NameUse.Parameter } name: scope.DeclareParameter(name.Id); break;
            case Name { Use: NameUse.Store } name: scope.Store(name.Id); break;
            case Name name: scope.Load(name.Id); break;
            case NamespaceReference reference: scope.Load(reference.Id); break;
            case If node_: VisitIf(scope, node_); break;
            case MacroStatement macro: scope.Store(macro.Name.Id); break;
            case TemplateLoad load:
                Collect(scope, load.Children);
                foreach (string name in load.Names) scope.Store(name);
                break;
            case Set set:
                Visit(scope, set.Value);
                Visit(scope, set.Target);
                break;
            case For loop: Visit(scope, loop.Items); break;
            case CallBlock { Call: { } call }: Visit(scope, call); break;
            case CallBlock: break;
            case FilterBlock block: Visit(scope, block.Filter); break;
            case With with: Collect(scope, with.Values); break;
            case SetBlock block: Visit(scope, block.Target); break;
            case AutoescapeBlock or Block: break;
            default: Collect(scope, node.Children); break;
        }
    }

    static void VisitIf(Scope scope, If statement)
    {
        Visit(scope, statement.Branches[0].Test);
        Scope body = Branch(scope, statement.Branches[0].Body);
        Scope elifs = scope.Copy();
        foreach ((Expression test, Statement[] branch) in statement.Branches.AsSpan(1))
        {
            Visit(elifs, test);
            elifs.Join(Branch(elifs, branch));
        }
        scope.Join(body, elifs, Branch(scope, statement.Otherwise));
    }

    static Scope Branch(Scope scope, Statement[] body)
    {
        Scope branch = scope.Copy();
        Collect(branch, body);
        return branch;
    }

    /// <summary>Which of the names are read in the nodes before anything there stores them; does not enter blocks, but
    /// all other scopes.</summary>
    public static HashSet<string> FindUndeclared(IEnumerable<Node> nodes, params string[] names)
    {
        var pending = new HashSet<string>(names);
        var undeclared = new HashSet<string>();
        foreach (Node node in nodes) FindUndeclared(node, pending, undeclared);
        return undeclared;
    }

    static void FindUndeclared(Node node, HashSet<string> pending, HashSet<string> undeclared)
    {
        if (node is Block) return;
        if (node is Name name)
        {
            if (name.Use != NameUse.Load) pending.Remove(name.Id);
            else if (pending.Contains(name.Id)) undeclared.Add(name.Id);
            return;
        }
        foreach (Node child in node.Children) FindUndeclared(child, pending, undeclared);
    }
}
