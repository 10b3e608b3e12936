namespace Vllm.Text.Tokenization.Patterns;

/// <summary>How a repetition gives back what it took.</summary>
enum RepeatMode { Greedy, Lazy, Possessive }

/// <summary>Positions that a pattern can assert.</summary>
enum RegexAnchor { TextStart, TextEnd, TextEndOrLastBreak, LineStart, LineEnd, WordBoundary, NoWordBoundary }

/// <summary>A regular expression as a tree.</summary>
abstract record RegexNode
{
    /// <summary>Smallest and largest number of code points matched; <see cref="int.MaxValue"/> = no bound.</summary>
    public abstract (int Min, int Max) Width { get; }

    public sealed record Set(CodePointSet Members) : RegexNode
    {
        public override (int Min, int Max) Width => (1, 1);
    }

    public sealed record Sequence(IReadOnlyList<RegexNode> Items) : RegexNode
    {
        public override (int Min, int Max) Width
        {
            get
            {
                int min = 0, max = 0;
                foreach (RegexNode item in Items)
                {
                    min += item.Width.Min;
                    max = Saturate((long)max + item.Width.Max);
                }
                return (min, max);
            }
        }
    }

    public sealed record Choice(IReadOnlyList<RegexNode> Options) : RegexNode
    {
        public override (int Min, int Max) Width => (Options.Min(o => o.Width.Min), Options.Max(o => o.Width.Max));
    }

    public sealed record Repeat(RegexNode Body, int Min, int Max, RepeatMode Mode) : RegexNode
    {
        public override (int Min, int Max) Width =>
            (Saturate((long)Body.Width.Min * Min), Saturate((long)Body.Width.Max * Max));
    }

    public sealed record Anchor(RegexAnchor Kind) : RegexNode
    {
        public override (int Min, int Max) Width => (0, 0);
    }

    public sealed record Look(RegexNode Body, bool Behind, bool Negative) : RegexNode
    {
        public override (int Min, int Max) Width => (0, 0);
    }

    public sealed record Atomic(RegexNode Body) : RegexNode
    {
        public override (int Min, int Max) Width => Body.Width;
    }

    /// <summary>What a match can begin with; null when it may be empty or that is not known.</summary>
    public CodePointSet? First() => this switch
    {
        Set set => set.Members,
        Atomic atomic => atomic.Body.First(),
        Repeat { Min: > 0 } repeat => repeat.Body.First(),
        Sequence sequence => FirstOf(sequence.Items),
        Choice choice => choice.Options.Select(o => o.First()).ToArray() is var firsts && firsts.All(f => f is not null)
            ? CodePointSet.Union(firsts!) : null,
        _ => null,
    };

    /// <summary>Of a sequence: optional items may be skipped, assertions only narrow what follows.</summary>
    static CodePointSet? FirstOf(IReadOnlyList<RegexNode> items)
    {
        var firsts = new List<CodePointSet>();
        foreach (RegexNode item in items)
        {
            if (item is Anchor or Look) continue;
            if ((item is Repeat { Min: 0 } optional ? optional.Body : item).First() is not { } first) return null;
            firsts.Add(first);
            if (item is not Repeat { Min: 0 }) return CodePointSet.Union(firsts);
        }
        return null;
    }

    static int Saturate(long value) => (int)Math.Min(value, int.MaxValue);
}
