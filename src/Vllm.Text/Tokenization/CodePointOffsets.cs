using System.Text;
using Vllm.Text.Tokenization.Normalizers;

namespace Vllm.Text.Tokenization;

/// <summary>Converts ranges of bytes to ranges of code points of one text.</summary>
readonly struct CodePointOffsets
{
    readonly int[]? _indexOf;    // by byte: index of the code point that it belongs to; null for ASCII
    readonly int _length;

    public CodePointOffsets(ReadOnlySpan<byte> utf8)
    {
        _length = utf8.Length;
        if (Ascii.IsValid(utf8)) return;
        _indexOf = new int[utf8.Length];
        int index = -1;
        for (int i = 0; i < utf8.Length; i++)
        {
            if ((utf8[i] & 0xC0) != 0x80) index++;
            _indexOf[i] = index;
        }
    }

    public (int Start, int End) Convert(ByteRange range)
    {
        // As in tokenizers, an empty range at the very end is left in bytes.
        if (_indexOf is null || range.Start >= _length) return (range.Start, range.End);
        int start = _indexOf[range.Start];
        if (range.End < _length) return (start, _indexOf[range.End]);
        return (start, range.End > 0 ? _indexOf[Math.Min(range.End, _length) - 1] + 1 : start + 1);
    }
}
