using System.Runtime.CompilerServices;
using Vllm.Text.ChatTemplates.Nodes;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>What one rendering shares: limits, clock, the line being executed.</summary>
sealed class RenderState(TimeProvider clock, IReadOnlyDictionary<string, Block> blocks)
{
    int _depth;

    public Budget Budget { get; } = new();

    public TimeProvider Clock => clock;

    public IReadOnlyDictionary<string, Block> Blocks => blocks;

    public int Line { get; private set; }

    public void Step(int line)
    {
        Budget.Step();
        Line = line;
        CheckStack();
    }

    /// <summary>The stack that is left may be less than the limits assume: a caller may have used most of it.</summary>
    public static void CheckStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw Error.Recursion();
    }

    /// <summary>One call of a macro, block or recursive loop, until it is disposed.</summary>
    public CallScope EnterCall()
    {
        Budget.Step();
        CheckStack();
        if (++_depth > RenderLimits.MaxCallDepth) throw Error.Recursion();
        return new CallScope(this);
    }

    public readonly struct CallScope(RenderState state) : IDisposable
    {
        public void Dispose() => state._depth--;
    }
}
