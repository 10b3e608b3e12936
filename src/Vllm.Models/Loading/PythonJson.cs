namespace Vllm.Models.Loading;

/// <summary>
/// Python writes infinite numbers as Infinity and -Infinity, which JSON does not have; state-space models have them in
/// config.json (<c>time_step_limit</c>).
/// </summary>
static class PythonJson
{
    /// <summary>Overwrites infinities outside of strings with null, padded with blanks: no limit is no value.</summary>
    public static void ReplaceInfinity(Span<byte> utf8)
    {
        bool isInString = false;
        for (int i = 0; i < utf8.Length; i++)
        {
            if (utf8[i] == '"') isInString = !isInString;
            else if (isInString && utf8[i] == '\\') i++;
            else if (!isInString && utf8[i] is (byte)'I' or (byte)'-') Replace(utf8[i..]);
        }
    }

    static void Replace(Span<byte> utf8)
    {
        int length = utf8.StartsWith("Infinity"u8) ? 8 : utf8.StartsWith("-Infinity"u8) ? 9 : 0;
        if (length == 0) return;
        utf8[..length].Fill((byte)' ');
        "null"u8.CopyTo(utf8);
    }
}
