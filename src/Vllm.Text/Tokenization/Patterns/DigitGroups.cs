using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Runs of digits. The patterns that group digits by three from the right look ahead to the end of the run at
/// each group, which takes quadratic time on a long run; the scanners count a run once.</summary>
abstract class DigitGroups(RegexFlavor flavor) : Splitter
{
    protected const int GroupSize = 3;

    protected bool IsDigitAt(ReadOnlySpan<byte> text, int index, out int size)
    {
        size = 0;
        return index < text.Length && flavor.Digit.Contains(CodePoints.Decode(text, index, out size));
    }

    /// <summary>Whether a digit stands right before. Pieces end inside a run only between groups.</summary>
    protected bool FollowsDigit(ReadOnlySpan<byte> text, int index) =>
        index > 0 && flavor.Digit.Contains(CodePoints.DecodeLast(text, index, out _));

    protected bool IsWordAt(ReadOnlySpan<byte> text, int index) =>
        index < text.Length && flavor.Word.Contains(CodePoints.Decode(text, index, out _));

    protected int NextRun(ReadOnlySpan<byte> text, int index)
    {
        while (index < text.Length && !IsDigitAt(text, index, out int size)) index += size;
        return index;
    }

    protected int RunEnd(ReadOnlySpan<byte> text, int index, out int count)
    {
        for (count = 0; IsDigitAt(text, index, out int size); index += size) count++;
        return index;
    }

    protected int Skip(ReadOnlySpan<byte> text, int index, int count)
    {
        for (int i = 0; i < count && IsDigitAt(text, index, out int size); i++) index += size;
        return index;
    }
}

/// <summary><c>\d{1,3}(?=(?:\d{3})*\b)</c>: the groups of runs that a word does not go on after.</summary>
sealed class DigitGroupScanner(RegexFlavor flavor) : DigitGroups(flavor)
{
    public const string Pattern = @"\d{1,3}(?=(?:\d{3})*\b)";

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        if (FollowsDigit(text, start) && IsDigitAt(text, start, out _)) return Skip(text, start, GroupSize);
        for (int run = NextRun(text, start); run < text.Length;)
        {
            int end = RunEnd(text, run, out int count);
            if (!IsWordAt(text, end))
            {
                int first = count % GroupSize == 0 ? GroupSize : count % GroupSize;
                return run > start ? run : Skip(text, run, first);
            }
            run = NextRun(text, end);
        }
        return text.Length;
    }
}

/// <summary><c>(?=(\d{3})+(?!\d))</c>: before each whole group of a run.</summary>
sealed class DigitGroupSeparator(RegexFlavor flavor) : DigitGroups(flavor)
{
    public const string Pattern = @"(?=(\d{3})+(?!\d))";

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int run = start;
        if (FollowsDigit(text, start) && IsDigitAt(text, start, out _))
        {
            int next = Skip(text, start, GroupSize);
            if (IsDigitAt(text, next, out _)) return next;
            run = next;
        }
        while ((run = NextRun(text, run)) < text.Length)
        {
            int end = RunEnd(text, run, out int count);
            int boundary = Skip(text, run, count % GroupSize);
            if (boundary == start) boundary = count > GroupSize ? Skip(text, boundary, GroupSize) : end;
            if (count >= GroupSize && boundary < end) return boundary;
            run = end;
        }
        return text.Length;
    }
}
