using System.Buffers;
using System.IO.Pipelines;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>Finds the data lines of a server-sent event stream in what has arrived.</summary>
static class EventLines
{
    /// <summary>No chunk is near this long; a server that never ends a line must not fill the memory.</summary>
    const int MaxLineSizeBytes = 16 << 20;

    /// <summary>Calls <paramref name="onData"/> with the value of each <c>data:</c> line until the stream or
    /// <c>[DONE]</c> ends it.</summary>
    public static async Task ReadAsync(Stream stream, DataAction onData, CancellationToken cancellationToken)
    {
        PipeReader pipe = PipeReader.Create(stream);
        try
        {
            while (await ReadMoreAsync(pipe, onData, cancellationToken)) { }
        }
        finally
        {
            await pipe.CompleteAsync();
        }
    }

    /// <summary>Returns whether there may be more.</summary>
    static async ValueTask<bool> ReadMoreAsync(PipeReader pipe, DataAction onData, CancellationToken cancellationToken)
    {
        ReadResult result = await pipe.ReadAsync(cancellationToken);
        ReadOnlySequence<byte> buffer = result.Buffer;
        bool isDone = TakeLines(ref buffer, onData);
        if (!isDone && result.IsCompleted && !buffer.IsEmpty) TakeLine(buffer, onData); // without line feed
        if (buffer.Length > MaxLineSizeBytes) throw new InvalidDataException("an event line without end");
        pipe.AdvanceTo(buffer.Start, buffer.End);
        return !isDone && !result.IsCompleted;
    }

    /// <summary>Returns whether the stream is done.</summary>
    static bool TakeLines(ref ReadOnlySequence<byte> buffer, DataAction onData)
    {
        var reader = new SequenceReader<byte>(buffer);
        bool isDone = false;
        while (!isDone && reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n')) isDone = TakeLine(line, onData);
        buffer = buffer.Slice(reader.Position);
        return isDone;
    }

    static bool TakeLine(ReadOnlySequence<byte> line, DataAction onData)
    {
        ReadOnlySpan<byte> bytes = line.IsSingleSegment ? line.FirstSpan : line.ToArray();
        if (!bytes.StartsWith("data:"u8)) return false; // comments, other fields, ends of events
        bytes = bytes["data:".Length..].Trim(" \r"u8);
        if (bytes.SequenceEqual("[DONE]"u8)) return true;
        if (!bytes.IsEmpty) onData(bytes);
        return false;
    }
}

delegate void DataAction(ReadOnlySpan<byte> data);
