using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary><c>str.encode</c> and <c>bytes.decode</c>, for the codecs that any template could want.</summary>
static class TextCodec
{
    static Encoding? Find(string name) => name.ToLowerInvariant().Replace('_', '-') switch
    {
        "utf-8" or "utf8" or "u8" => new UTF8Encoding(false, throwOnInvalidBytes: true),
        "ascii" or "us-ascii" =>
            Encoding.GetEncoding("us-ascii", EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback),
        "latin-1" or "latin1" or "iso-8859-1" or "l1" =>
            Encoding.GetEncoding("iso-8859-1", EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback),
        "utf-16-le" or "utf-16le" =>
            new UnicodeEncoding(bigEndian: false, byteOrderMark: false, throwOnInvalidBytes: true),
        "utf-16-be" or "utf-16be" =>
            new UnicodeEncoding(bigEndian: true, byteOrderMark: false, throwOnInvalidBytes: true),
        _ => null,
    };

    static Encoding Require(string name) =>
        Find(name) ?? throw new ChatTemplateException(ChatTemplateErrorKind.Key, $"unknown encoding: {name}");

    public static byte[] Encode(string text, string name, string errors)
    {
        Encoding encoding = Require(name);
        var bytes = new List<byte>(text.Length);
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
        {
            string point = PyString.CodePointAt(text, i);
            try
            {
                bytes.AddRange(encoding.GetBytes(point));
            }
            catch (EncoderFallbackException)
            {
                bytes.AddRange(Encoding.ASCII.GetBytes(Replacement(PyString.CodePointValueAt(text, i), name, errors)));
            }
        }
        return [.. bytes];
    }

    static string Replacement(int code, string name, string errors) => errors switch
    {
        "ignore" => "",
        "replace" => "?",
        "xmlcharrefreplace" => $"&#{code};",
        "backslashreplace" => code < 0x100 ? $"\\x{code:x2}" : code < 0x10000 ? $"\\u{code:x4}" : $"\\U{code:x8}",
        _ => throw Error.Value($"'{name}' codec can't encode character {PyRepr.Repr(PyString.FromCodePoint(code))}"),
    };

    public static string Decode(byte[] bytes, string name, string errors)
    {
        Encoding encoding = Require(name);
        if (errors is "replace" or "ignore")
            encoding = Encoding.GetEncoding(encoding.CodePage, EncoderFallback.ExceptionFallback,
                new DecoderReplacementFallback(errors == "replace" ? "\ufffd" : ""));
        try
        {
            return encoding.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw Error.Value($"'{name}' codec can't decode byte in position {exception.Index}");
        }
    }
}

/// <summary>The methods of bytes that make text of them.</summary>
static class BytesMethods
{
    public static object Find(PyBytes bytes, string name) => name switch
    {
        "decode" => new NativeFunction(name, (_, arguments) =>
        {
            object?[] bound = arguments.Bind(name, 0, "encoding", "errors");
            string encoding = IsMissing(bound[0]) ? "utf-8" : RequireText(bound[0], name);
            return TextCodec.Decode(bytes.Content, encoding, IsMissing(bound[1]) ? "strict"
                : RequireText(bound[1], name));
        }),
        "hex" => new NativeFunction(name, (_, arguments) =>
        {
            arguments.RequireNone(name);
            return Convert.ToHexStringLower(bytes.Content);
        }),
        _ => Missing.Value,
    };
}
