using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Nodes;

/// <summary>
/// A node of the syntax tree. The tree is built by the parser, completed once by the binder (slots of names) and never
/// changed after that, so that any number of threads may render it.
/// </summary>
abstract class Node
{
    public int Line { get; init; }

    /// <summary>In Jinja's field order: which names count as undeclared depends on it.</summary>
    public abstract IEnumerable<Node> Children { get; }

    /// <summary>All nodes below this one, parents before their children.</summary>
    public IEnumerable<Node> Descendants()
    {
        var pending = new Stack<Node>(Children.Reverse());
        while (pending.TryPop(out Node? node))
        {
            yield return node;
            foreach (Node child in node.Children.Reverse()) pending.Push(child);
        }
    }
}

abstract class Expression : Node
{
    /// <summary>Height of the tree below: bounds the recursion of everything that walks it.</summary>
    public int Height { get; set; }

    /// <summary>Whether Jinja can evaluate it while compiling: there are no names and no calls in it.</summary>
    public virtual bool IsConstant { get; set; }

    public abstract object? Evaluate(Frame frame);
}

abstract class Statement : Node
{
    public abstract Flow Execute(Frame frame);

    public static Flow ExecuteAll(Statement[] statements, Frame frame)
    {
        foreach (Statement statement in statements)
        {
            frame.State.Step(statement.Line);
            Flow flow = statement.Execute(frame);
            if (flow != Flow.Next) return flow;
        }
        return Flow.Next;
    }
}

/// <summary>How execution goes on after a statement.</summary>
enum Flow { Next, Break, Continue }
