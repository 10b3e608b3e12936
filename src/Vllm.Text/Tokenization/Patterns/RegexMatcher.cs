using System.Runtime.CompilerServices;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>
/// Runs a <see cref="RegexProgram"/> over UTF-8 by backtracking, with the choices on an explicit stack: neither the
/// length of the text nor the number of turns of a loop uses up the thread's stack.
/// </summary>
ref struct RegexMatcher
{
    const int NoMatch = -1;

    // Entries of the stack, three numbers each: (instruction, position, 0), or one of these with a negative tag.
    const int RegisterTag = -1, GreedyTag = -2;

    readonly RegexProgram _program;
    readonly ReadOnlySpan<byte> _text;
    readonly int[] _registers;
    int[] _stack;
    int _top;

    public RegexMatcher(RegexProgram program, ReadOnlySpan<byte> text)
    {
        _program = program;
        _text = text;
        _registers = program.NumRegisters == 0 ? [] : new int[program.NumRegisters];
        _stack = new int[96];
    }

    /// <summary>The first match that starts at or after <paramref name="start"/>. False when there is none.</summary>
    public bool Find(int start, out int matchStart, out int matchEnd)
    {
        CodePointSet? first = _program.First;
        for (matchStart = start; matchStart <= _text.Length; matchStart = Next(matchStart))
        {
            if (first is not null && !StartsWith(first, matchStart)) continue;
            matchEnd = Run(0, matchStart);
            if (matchEnd >= 0) return true;
        }
        matchEnd = NoMatch;
        return false;
    }

    readonly bool StartsWith(CodePointSet set, int position) =>
        position < _text.Length && set.Contains(CodePoints.Decode(_text, position, out _));

    readonly int Next(int position)
    {
        if (position >= _text.Length) return position + 1;
        CodePoints.Decode(_text, position, out int size);
        return position + size;
    }

    /// <summary>Runs from an instruction to the <see cref="RegexOp.Match"/> that ends its (sub-)program; returns the
    /// position there, or <see cref="NoMatch"/>.</summary>
    int Run(int instruction, int position)
    {
        int floor = _top;
        while (true)
        {
            ref readonly RegexInstruction i = ref _program.Code[instruction];
            bool ok = true;
            switch (i.Op)
            {
                case RegexOp.Match:
                    _top = floor;
                    return position;
                case RegexOp.Set:
                    ok = TryConsume(_program.Sets[i.A], ref position);
                    break;
                case RegexOp.SetGreedy or RegexOp.SetPossessive:
                    ok = RunSetLoop(i, instruction, ref position);
                    break;
                case RegexOp.Split:
                    Push(i.B, position, 0);
                    instruction = i.A;
                    continue;
                case RegexOp.Jump:
                    instruction = i.A;
                    continue;
                case RegexOp.Anchor:
                    ok = IsAt((RegexAnchor)i.A, position);
                    break;
                case RegexOp.LookAhead:
                    ok = Run(instruction + 1, position) >= 0 == (i.B == 0);
                    break;
                case RegexOp.LookBehind:
                    ok = LooksBehind(instruction + 1, position) == (i.B == 0);
                    break;
                case RegexOp.Atomic:
                    position = Run(instruction + 1, position);
                    ok = position >= 0;
                    break;
                case RegexOp.MarkPosition:
                    Push(RegisterTag, i.A, _registers[i.A]);
                    _registers[i.A] = position;
                    break;
                case RegexOp.CheckProgress:
                    if (_registers[i.A] == position)
                    {
                        instruction = i.B;
                        continue;
                    }
                    break;
            }
            if (ok)
                instruction = i.Op is RegexOp.LookAhead or RegexOp.LookBehind or RegexOp.Atomic ? i.A : instruction + 1;
            else if (!Backtrack(floor, ref instruction, ref position)) return NoMatch;
        }
    }

    bool RunSetLoop(in RegexInstruction i, int instruction, ref int position)
    {
        CodePointSet set = _program.Sets[i.A];
        int count = 0;
        while (count < i.B)
        {
            if (!TryConsume(set, ref position)) return false;
            count++;
        }
        int least = position;
        while (count < i.C && TryConsume(set, ref position)) count++;
        if (i.Op == RegexOp.SetGreedy && position > least)
        {
            Push(instruction + 1, position, least);
            Push(GreedyTag, 0, 0);
        }
        return true;
    }

    /// <summary>Takes up the latest choice above <paramref name="floor"/>.</summary>
    bool Backtrack(int floor, ref int instruction, ref int position)
    {
        while (_top > floor)
        {
            _top -= 3;
            int tag = _stack[_top];
            if (tag == RegisterTag)
            {
                _registers[_stack[_top + 1]] = _stack[_top + 2];
                continue;
            }
            if (tag == GreedyTag)
            {
                // One character of the loop below is given back; the entry stays while more can be.
                int below = _top - 3;
                position = CodePoints.StartOfLast(_text, _stack[below + 1]);
                _stack[below + 1] = position;
                instruction = _stack[below];
                _top = position > _stack[below + 2] ? _top + 3 : below;
                return true;
            }
            instruction = tag;
            position = _stack[_top + 1];
            return true;
        }
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    readonly bool TryConsume(CodePointSet set, ref int position)
    {
        if (position >= _text.Length) return false;
        int c = CodePoints.Decode(_text, position, out int size);
        if (!set.Contains(c)) return false;
        position += size;
        return true;
    }

    /// <summary>Whether the body matches some text that ends here, of a width that it can have.</summary>
    bool LooksBehind(int widths, int position)
    {
        (int min, int max) = (_program.Code[widths].A, _program.Code[widths].B);
        int start = position;
        for (int width = 0; width <= max; width++)
        {
            if (width >= min)
            {
                // The body sees no text beyond the position, so a greedy end can only be the position or before it.
                var inner = new RegexMatcher(_program, _text[..position]);
                if (inner.Run(widths + 1, start) == position) return true;
            }
            if (start == 0) return false;
            start = CodePoints.StartOfLast(_text, start);
        }
        return false;
    }

    readonly bool IsAt(RegexAnchor anchor, int position) => anchor switch
    {
        RegexAnchor.TextStart => position == 0,
        RegexAnchor.TextEnd => position == _text.Length,
        RegexAnchor.TextEndOrLastBreak =>
            position == _text.Length || position == _text.Length - 1 && _text[position] == '\n',
        RegexAnchor.LineStart => position == 0 || _text[position - 1] == '\n' && position < _text.Length,
        RegexAnchor.LineEnd => position == _text.Length || _text[position] == '\n',
        RegexAnchor.WordBoundary => IsWordBoundary(position),
        _ => !IsWordBoundary(position),
    };

    readonly bool IsWordBoundary(int position)
    {
        bool before = position > 0 && _program.Word.Contains(CodePoints.DecodeLast(_text, position, out _));
        bool after = position < _text.Length && _program.Word.Contains(CodePoints.Decode(_text, position, out _));
        return before != after;
    }

    void Push(int a, int b, int c)
    {
        if (_top + 3 > _stack.Length) Array.Resize(ref _stack, _stack.Length * 2);
        _stack[_top] = a;
        _stack[_top + 1] = b;
        _stack[_top + 2] = c;
        _top += 3;
    }
}
