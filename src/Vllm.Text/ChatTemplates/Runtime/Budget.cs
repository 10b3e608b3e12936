namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>What a rendering has left of <see cref="RenderLimits"/>.</summary>
sealed class Budget
{
    /// <summary>Text that takes about as long to search or copy as one step of the evaluator.</summary>
    const int UnitsPerStep = 256;

    long _steps = RenderLimits.MaxSteps;
    long _units = RenderLimits.MaxAllocatedUnits;

    public void Step(long count = 1)
    {
        if ((_steps -= count) < 0)
            throw Error.Limit($"the template takes more than {RenderLimits.MaxSteps} steps");
    }

    /// <summary>To be called before a string is searched.</summary>
    public void Scan(long units) => Step(1 + units / UnitsPerStep);

    /// <summary>To be called before a pattern that looks ahead is applied: its time may grow with the square of the
    /// length of a word.</summary>
    public void ScanWords(string text)
    {
        foreach (Range word in text.AsSpan().SplitAny(' ', '\n', '\t', '\r'))
        {
            (_, long length) = word.GetOffsetAndLength(text.Length);
            Step(length * length / UnitsPerStep);
        }
    }

    /// <summary>To be called before a string of that length is built.</summary>
    public void AllocateString(long units)
    {
        if (units > RenderLimits.MaxStringUnits)
            throw Error.Limit($"the template builds a text of more than {RenderLimits.MaxStringUnits} characters");
        Allocate(units);
    }

    /// <summary>To be called before a list of that length is built.</summary>
    public void AllocateItems(long count) => Allocate(count * 4);

    void Allocate(long units)
    {
        Step(units / UnitsPerStep);
        if ((_units -= units) < 0)
            throw Error.Limit($"the template builds more than {RenderLimits.MaxAllocatedUnits} characters in all");
    }
}
