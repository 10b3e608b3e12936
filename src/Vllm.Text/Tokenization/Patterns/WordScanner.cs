using System.Runtime.CompilerServices;
using Vllm.Text.Tokenization.Unicode;
using static Vllm.Text.Tokenization.Unicode.CharClass;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Steps shared by the hand-written scanners.</summary>
abstract class WordScanner(CharClasses classes) : Splitter
{
    protected readonly CharClasses Classes = classes;

    /// <summary>End of the run of code points that have a bit of <paramref name="wanted"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected int RunEnd(ReadOnlySpan<byte> text, int index, CharClass wanted)
    {
        while (index < text.Length && (Classes.At(text, index, out int size) & wanted) != 0) index += size;
        return index;
    }

    /// <summary>End of the run of code points that have no bit of <paramref name="unwanted"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected int RunEndWithout(ReadOnlySpan<byte> text, int index, CharClass unwanted)
    {
        while (index < text.Length && (Classes.At(text, index, out int size) & unwanted) == 0) index += size;
        return index;
    }

    /// <summary>End of up to <paramref name="limit"/> numbers.</summary>
    protected int NumberEnd(ReadOnlySpan<byte> text, int index, int limit)
    {
        for (int i = 0; i < limit && index < text.Length && (Classes.At(text, index, out int size) & Number) != 0; i++)
            index += size;
        return index;
    }

    /// <summary><c>\s+(?!\S)|\s+</c>: a run of spaces, without its last one when something follows.</summary>
    protected int SpaceEnd(ReadOnlySpan<byte> text, int start)
    {
        int end = RunEnd(text, start, Space);
        if (end == text.Length) return end;
        int last = CodePoints.StartOfLast(text, end);
        return last > start ? last : end;
    }

    /// <summary><c>\s*[\r\n]+|\s+(?!\S)|\s+</c>.</summary>
    protected int SpaceOrLinesEnd(ReadOnlySpan<byte> text, int start)
    {
        int afterBreak = -1, last = start, index = start;
        while (index < text.Length)
        {
            CharClass c = Classes.At(text, index, out int size);
            if ((c & Space) == 0) break;
            last = index;
            index += size;
            if ((c & LineBreak) != 0) afterBreak = index;
        }
        if (afterBreak >= 0) return afterBreak;
        return index < text.Length && last > start ? last : index;
    }
}
