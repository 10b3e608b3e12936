namespace Vllm.Text.Tokenization.Patterns;

enum RegexOp
{
    /// <summary>Consume one code point of set A.</summary>
    Set,

    /// <summary>Consume B to C code points of set A, greedily; may give them back one by one.</summary>
    SetGreedy,

    /// <summary>As <see cref="SetGreedy"/>, but gives nothing back.</summary>
    SetPossessive,

    /// <summary>Continue at A; on failure at B.</summary>
    Split,

    /// <summary>Continue at A.</summary>
    Jump,

    /// <summary>Assert anchor A.</summary>
    Anchor,

    /// <summary>Look ahead (to the sub-program that follows); continue at A; B = 1: negative.</summary>
    LookAhead,

    /// <summary>Look behind; continue at A; B = 1: negative; widths in the next instruction.</summary>
    LookBehind,

    /// <summary>Smallest (A) and largest (B) width of a look-behind.</summary>
    Widths,

    /// <summary>Match the sub-program that follows without backtracking into it; continue at A.</summary>
    Atomic,

    /// <summary>Remember the position in register A.</summary>
    MarkPosition,

    /// <summary>Leave a loop (to B) whose body consumed nothing since register A was marked.</summary>
    CheckProgress,

    /// <summary>End of the program or of a sub-program.</summary>
    Match,
}

readonly record struct RegexInstruction(RegexOp Op, int A = 0, int B = 0, int C = 0);

/// <summary>A compiled regular expression.</summary>
sealed class RegexProgram
{
    /// <summary>A repeated group is copied for each required turn: the bound keeps a hostile pattern small.</summary>
    const int MaxInstructions = 100_000;

    readonly List<RegexInstruction> _code = [];
    readonly List<CodePointSet> _sets = [];

    RegexProgram(RegexNode root, RegexFlavor flavor)
    {
        Emit(root);
        Add(RegexOp.Match);
        Code = [.. _code];
        Sets = [.. _sets];
        Word = flavor.Word;
        First = root.First();
    }

    /// <summary>What a match can begin with; null = anything, or nothing.</summary>
    public CodePointSet? First { get; }

    public RegexInstruction[] Code { get; }

    public CodePointSet[] Sets { get; }

    /// <summary>What a word boundary lies between.</summary>
    public CodePointSet Word { get; }

    public int NumRegisters { get; private set; }

    /// <exception cref="FormatException">The pattern is malformed or uses an unsupported construct.</exception>
    public static RegexProgram Compile(string pattern, RegexFlavor flavor) =>
        new(RegexParser.Parse(pattern, flavor), flavor);

    void Emit(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Set set: Add(RegexOp.Set, AddSet(set.Members)); break;
            case RegexNode.Anchor anchor: Add(RegexOp.Anchor, (int)anchor.Kind); break;
            case RegexNode.Repeat repeat: EmitRepeat(repeat); break;
            case RegexNode.Choice choice: EmitChoice(choice.Options); break;
            case RegexNode.Look look: EmitLook(look); break;
            case RegexNode.Atomic atomic: EmitSubProgram(RegexOp.Atomic, atomic.Body); break;
            case RegexNode.Sequence sequence:
                foreach (RegexNode item in sequence.Items) Emit(item);
                break;
        }
    }

    void EmitChoice(IReadOnlyList<RegexNode> options)
    {
        var exits = new List<int>();
        for (int i = 0; i < options.Count - 1; i++)
        {
            int split = Add(RegexOp.Split, _code.Count + 1);
            Emit(options[i]);
            exits.Add(Add(RegexOp.Jump));
            _code[split] = _code[split] with { B = _code.Count };
        }
        Emit(options[^1]);
        foreach (int exit in exits) _code[exit] = new RegexInstruction(RegexOp.Jump, _code.Count);
    }

    void EmitRepeat(RegexNode.Repeat repeat)
    {
        if (repeat.Body is RegexNode.Set set && repeat.Mode != RepeatMode.Lazy)
        {
            RegexOp op = repeat.Mode == RepeatMode.Greedy ? RegexOp.SetGreedy : RegexOp.SetPossessive;
            Add(op, AddSet(set.Members), repeat.Min, repeat.Max);
            return;
        }
        if (repeat.Mode == RepeatMode.Possessive)
        {
            EmitSubProgram(RegexOp.Atomic, repeat with { Mode = RepeatMode.Greedy });
            return;
        }
        for (int i = 0; i < repeat.Min; i++) Emit(repeat.Body);
        if (repeat.Max == int.MaxValue) EmitLoop(repeat);
        else EmitOptionals(repeat);
    }

    void EmitLoop(RegexNode.Repeat repeat)
    {
        int register = NumRegisters++;
        int split = Add(RegexOp.Split);
        int body = Add(RegexOp.MarkPosition, register);
        Emit(repeat.Body);
        int check = Add(RegexOp.CheckProgress, register);
        Add(RegexOp.Jump, split);
        _code[split] = SplitTo(body, _code.Count, repeat.Mode);
        _code[check] = _code[check] with { B = _code.Count };
    }

    void EmitOptionals(RegexNode.Repeat repeat)
    {
        var splits = new List<int>();
        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            splits.Add(Add(RegexOp.Split));
            Emit(repeat.Body);
        }
        foreach (int split in splits) _code[split] = SplitTo(split + 1, _code.Count, repeat.Mode);
    }

    static RegexInstruction SplitTo(int body, int exit, RepeatMode mode) =>
        mode == RepeatMode.Lazy ? new(RegexOp.Split, exit, body) : new(RegexOp.Split, body, exit);

    void EmitLook(RegexNode.Look look)
    {
        int head = Add(look.Behind ? RegexOp.LookBehind : RegexOp.LookAhead, B: look.Negative ? 1 : 0);
        if (look.Behind) Add(RegexOp.Widths, look.Body.Width.Min, look.Body.Width.Max);
        Emit(look.Body);
        Add(RegexOp.Match);
        _code[head] = _code[head] with { A = _code.Count };
    }

    void EmitSubProgram(RegexOp op, RegexNode body)
    {
        int head = Add(op);
        Emit(body);
        Add(RegexOp.Match);
        _code[head] = _code[head] with { A = _code.Count };
    }

    int AddSet(CodePointSet set)
    {
        _sets.Add(set);
        return _sets.Count - 1;
    }

    int Add(RegexOp op, int A = 0, int B = 0, int C = 0)
    {
        if (_code.Count >= MaxInstructions) throw new FormatException("regular expression: too large");
        _code.Add(new RegexInstruction(op, A, B, C));
        return _code.Count - 1;
    }
}
