using Vllm.Cli.Text;

namespace Vllm.Tests.Text;

public sealed class MessageReaderTests
{
    [Theory]
    [InlineData("hello|next", "hello|next")]
    [InlineData(@"one\|two\|three|four", "one\ntwo\nthree|four")]
    [InlineData("\"\"\"one|  two|three\"\"\"|four", "one\n  two\nthree|four")]
    [InlineData("\"\"\"|one|\"\"\"", "one")]
    [InlineData("\"\"\"in one line\"\"\"", "in one line")]
    [InlineData("|", "|")]
    [InlineData("\"\"\"never closed", "")]
    [InlineData(@"cut off\", "")]
    public void Read_PutsLinesTogether(string lines, string expected)
    {
        var queue = new Queue<string>(lines.Split('|'));
        var reader = new MessageReader(_ => queue.TryDequeue(out string? line) ? line : null);
        List<string> messages = [];
        while (reader.Read() is { } message) messages.Add(message);

        Assert.Equal(expected, string.Join('|', messages));
    }
}
