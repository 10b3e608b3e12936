using Vllm.Cli.Text;

namespace Vllm.Tests.Text;

public sealed class LineBufferTests
{
    /// <summary>Keys in angle brackets, ^X for Control and X.</summary>
    [Theory]
    [InlineData("hello", "hello|")]
    [InlineData("helo<Left>l<End>!", "hello!|")]
    [InlineData("abc<Home>x", "x|abc")]
    [InlineData("abc^Ax^Ey", "xabcy|")]
    [InlineData("abc<Back><Left><Del>", "a|")]
    [InlineData("one two  ^W", "one |")]
    [InlineData("one two^W^W^W", "|")]
    [InlineData("abcdef<Left><Left>^K", "abcd|")]
    [InlineData("abcdef<Left><Left>^U", "|ef")]
    [InlineData("<Back><Left><Del><Right>", "|")]
    [InlineData("a😀b<Left><Left>x", "ax|😀b")]
    [InlineData("a😀<Back>", "a|")]
    [InlineData("<Up>", "second|")]
    [InlineData("<Up><Up><Up>", "first|")]
    [InlineData("draft<Up><Down>", "draft|")]
    [InlineData("draft<Up><Up><Down>!", "second!|")]
    [InlineData("<Down>", "|")]
    public void Press_Edits(string keys, string expected)
    {
        (LineBuffer line, LineState state) = Typed(keys);

        Assert.Equal(expected, line.Text.Insert(line.Cursor, "|"));
        Assert.Equal(LineState.Editing, state);
    }

    [Theory]
    [InlineData("text<Enter>", LineState.Finished)]
    [InlineData("^D", LineState.EndOfInput)]
    [InlineData("x^D", LineState.Editing)]
    [InlineData("x^C", LineState.Interrupted)]
    public void Press_Ends(string keys, object expected) => Assert.Equal(expected, Typed(keys).State);

    [Theory]
    [InlineData("short", 10, "short", 5)]
    [InlineData("0123456789abc", 10, "456789abc", 9)]
    [InlineData("0123456789abc<Home>", 10, "0123456789", 0)]
    [InlineData("日本語", 10, "日本語", 6)]
    [InlineData("日本語日本語", 6, "本語", 4)]
    public void View_ShowsThePartWithTheCursor(string keys, int width, string visible, int column) =>
        Assert.Equal((visible, column), Typed(keys).Line.View(width));

    static (LineBuffer Line, LineState State) Typed(string keys)
    {
        var line = new LineBuffer(["first", "second"]);
        LineState state = LineState.Editing;
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] == '<')
            {
                int end = keys.IndexOf('>', i);
                state = line.Press(new ConsoleKeyInfo('\0', Named(keys[(i + 1)..end]), false, false, false));
                i = end;
            }
            else if (keys[i] == '^')
            {
                var key = Enum.Parse<ConsoleKey>(keys[++i].ToString());
                state = line.Press(new ConsoleKeyInfo('\u0001', key, shift: false, alt: false, control: true));
            }
            else
            {
                state = line.Press(new ConsoleKeyInfo(keys[i], ConsoleKey.None, false, false, false));
            }
        }
        return (line, state);
    }

    static ConsoleKey Named(string name) => name switch
    {
        "Left" => ConsoleKey.LeftArrow,
        "Right" => ConsoleKey.RightArrow,
        "Up" => ConsoleKey.UpArrow,
        "Down" => ConsoleKey.DownArrow,
        "Back" => ConsoleKey.Backspace,
        "Del" => ConsoleKey.Delete,
        _ => Enum.Parse<ConsoleKey>(name),
    };
}
