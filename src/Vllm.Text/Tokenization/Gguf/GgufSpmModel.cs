using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary><c>tokenizer.ggml.model</c> = <c>llama</c>: SentencePiece BPE, which joins the neighbours whose joint token
/// has the highest score; what is no token in the end is written as bytes.</summary>
sealed class GgufSpmModel : GgufModel
{
    /// <summary>The space as SentencePiece writes it: ▁ (U+2581).</summary>
    static ReadOnlySpan<byte> EscapedSpace => "▁"u8;

    readonly Vocabulary _tokens;
    readonly float[] _scores;
    readonly bool _addsSpacePrefix;
    readonly int[] _byteIds = new int[256];
    readonly int _maxTokenBytes;

    public GgufSpmModel(GgufMetadata metadata, GgufVocabulary vocabulary, bool addsSpacePrefix, int unknownId)
    {
        _tokens = vocabulary.Tokens;
        _addsSpacePrefix = addsSpacePrefix;
        _scores = metadata.FindFloats("tokenizer.ggml.scores", vocabulary.Count) ?? new float[vocabulary.Count];
        for (int id = 0; id < vocabulary.Count; id++)
            _maxTokenBytes = Math.Max(_maxTokenBytes, _tokens.GetBytes(id).Length);
        for (int value = 0; value < 256; value++) _byteIds[value] = FindByte((byte)value, unknownId);
    }

    int FindByte(byte value, int unknownId)
    {
        int id = _tokens.Find($"<0x{value:X2}>");
        if (id < 0) id = _tokens.Find([value]);
        return id < 0 ? unknownId : id;
    }

    public override void Encode(ReadOnlySpan<byte> text, bool followsSpecial, IdBuffer output)
    {
        byte[] escaped = Escape(text, _addsSpacePrefix && followsSpecial);
        if (escaped.Length > 0) new Merger(this, escaped).Run(output);
    }

    static byte[] Escape(ReadOnlySpan<byte> text, bool addsSpace)
    {
        int numSpaces = text.Count((byte)' ') + (addsSpace ? 1 : 0);
        byte[] escaped = new byte[text.Length + (addsSpace ? 1 : 0) + 2 * numSpaces];
        int length = 0;
        if (addsSpace) Append(EscapedSpace);
        foreach (byte value in text)
        {
            if (value == ' ') Append(EscapedSpace);
            else escaped[length++] = value;
        }
        return escaped;

        void Append(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(escaped.AsSpan(length));
            length += bytes.Length;
        }
    }

    /// <summary>The symbols of one text: a linked list by index of the first character.</summary>
    sealed class Merger
    {
        readonly GgufSpmModel _model;
        readonly byte[] _text;
        readonly int[] _starts, _sizes, _next, _previous;
        readonly PriorityQueue<(int Left, int Right, int Size), ulong> _queue = new();
        readonly int _count;

        public Merger(GgufSpmModel model, byte[] text)
        {
            (_model, _text) = (model, text);
            (_starts, _sizes, _next, _previous) =
                (new int[text.Length], new int[text.Length], new int[text.Length], new int[text.Length]);
            for (int start = 0; start < text.Length; _count++)
            {
                CodePoints.Decode(text, start, out int size);
                (_starts[_count], _sizes[_count], _previous[_count], _next[_count]) =
                    (start, size, _count - 1, _count + 1);
                start += size;
            }
            _next[_count - 1] = -1;
        }

        public void Run(IdBuffer output)
        {
            for (int i = 1; i < _count; i++) TryAddPair(i - 1, i);
            while (_queue.TryDequeue(out (int Left, int Right, int Size) pair, out _))
            {
                // A size of 0 marks a symbol that was joined to its left neighbour.
                if (_sizes[pair.Left] == 0 || _sizes[pair.Right] == 0) continue;
                if (_sizes[pair.Left] + _sizes[pair.Right] != pair.Size) continue;
                _sizes[pair.Left] += _sizes[pair.Right];
                _sizes[pair.Right] = 0;
                int next = _next[pair.Right];
                _next[pair.Left] = next;
                if (next >= 0) _previous[next] = pair.Left;
                TryAddPair(_previous[pair.Left], pair.Left);
                TryAddPair(pair.Left, next);
            }
            for (int i = 0; i >= 0; i = _next[i]) Output(_text.AsSpan(_starts[i], _sizes[i]), output);
        }

        void TryAddPair(int left, int right)
        {
            if (left < 0 || right < 0) return;
            int size = _sizes[left] + _sizes[right];
            if (size > _model._maxTokenBytes) return;
            int id = _model._tokens.Find(_text.AsSpan(_starts[left], size));
            if (id >= 0) _queue.Enqueue((left, right, size), Priority(_model._scores[id], left));
        }

        void Output(ReadOnlySpan<byte> symbol, IdBuffer output)
        {
            int id = _model._tokens.Find(symbol);
            if (id >= 0)
            {
                output.Add(id);
                return;
            }
            foreach (byte value in symbol) output.Add(_model._byteIds[value]);
        }

        /// <summary>Orders by falling score, then from left to right.</summary>
        static ulong Priority(float score, int left)
        {
            uint bits = BitConverter.SingleToUInt32Bits(score);
            uint ascending = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
            return (ulong)~ascending << 32 | (uint)left;
        }
    }
}
