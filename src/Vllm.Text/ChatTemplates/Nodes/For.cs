using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

/// <summary><c>{% for target in items if test recursive %}…{% else %}…{% endfor %}</c>.</summary>
sealed class For(
    Expression target, Expression items, Statement[] body, Statement[] otherwise, Expression? test, bool isRecursive)
    : Statement
{
    public Expression Target => target;

    public Expression Items => items;

    public Statement[] Body => body;

    public Statement[] Otherwise => otherwise;

    public Expression? Test => test;

    public bool IsRecursive => isRecursive;

    /// <summary>The target as the test sees it: items are tested ahead of the loop, which still has its own.</summary>
    public Expression? TestTarget { get; } = test is null ? null : Assignment.Clone(target);

    public ScopeEntry BodyEntry { get; set; } = ScopeEntry.Empty;

    public ScopeEntry OtherwiseEntry { get; set; } = ScopeEntry.Empty;

    public ScopeEntry TestEntry { get; set; } = ScopeEntry.Empty;

    /// <summary>Slots of the function that a test is.</summary>
    public FunctionSlots? TestSlots { get; set; }

    /// <summary>Slots of the function that a recursive loop is.</summary>
    public FunctionSlots? RecursionSlots { get; set; }

    public VariableAddress Loop { get; set; }

    public override IEnumerable<Node> Children =>
        [target, items, .. body, .. otherwise, .. test is null ? Array.Empty<Node>() : [test]];

    public override Flow Execute(Frame frame)
    {
        object? value = items.Evaluate(frame);
        if (!isRecursive) return Run(value, frame, depth: 0, recurse: null);
        frame.Output.Append(RunRecursive(value, frame, depth: 0));
        return Flow.Next;
    }

    string RunRecursive(object? value, Frame outer, int depth)
    {
        using RenderState.CallScope scope = outer.State.EnterCall();
        Frame frame = outer.NewFunction(RecursionSlots!);
        Run(value, frame, depth, inner => RunRecursive(inner, outer, depth + 1));
        return frame.Output.Take();
    }

    Flow Run(object? value, Frame frame, int depth, Func<object?, string>? recurse)
    {
        var loop = new LoopContext(frame.State, test is null ? value : Selected(value, frame), depth, recurse);
        Loop.Write(frame, Missing.Value);
        bool completed = false;
        while (loop.MoveNext())
        {
            frame.State.Budget.Step();
            Assignment.Store(target, loop.Current, frame);
            Loop.Write(frame, loop);
            BodyEntry.Enter(frame);
            Flow flow = ExecuteAll(body, frame);
            if (flow == Flow.Break) break;
            if (flow == Flow.Next) completed = true;
        }
        if (completed || otherwise.Length == 0) return Flow.Next;
        OtherwiseEntry.Enter(frame);
        return ExecuteAll(otherwise, frame);
    }

    /// <summary>The items that pass the test, found while the loop asks for them.</summary>
    PyIterator Selected(object? value, Frame frame)
    {
        IEnumerable<object?> source = Iteration.Enumerate(frame.State, value);
        return new PyIterator(Select(), "generator");

        IEnumerable<object?> Select()
        {
            Frame inner = frame.NewFunction(TestSlots!);
            TestEntry.Enter(inner);
            foreach (object? item in source)
            {
                frame.State.Budget.Step();
                Assignment.Store(TestTarget!, item, inner);
                if (Truth.Of(test!.Evaluate(inner))) yield return item;
            }
        }
    }
}
