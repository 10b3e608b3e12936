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
        foreach (Node child in Children)
        {
            yield return child;
            foreach (Node node in child.Descendants()) yield return node;
        }
    }
}

abstract class Expression : Node
{
    /// <summary>Height of the tree below: bounds the recursion of everything that walks it.</summary>
    public int Height { get; set; }

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
