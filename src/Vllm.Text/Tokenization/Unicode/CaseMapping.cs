using System.Text;

namespace Vllm.Text.Tokenization.Unicode;

/// <summary>Case mappings of single code points.</summary>
static class CaseMapping
{
    const int DottedCapitalI = 0x130, CombiningDotAbove = 0x307;

    /// <summary>Lowercase as Rust's <c>char::to_lowercase</c>: one code point, except that <c>İ</c> gives
    /// two.</summary>
    public static int ToLower(int codePoint, out int second)
    {
        second = codePoint == DottedCapitalI ? CombiningDotAbove : 0;
        return codePoint == DottedCapitalI ? 'i' : ToLowerSimple(codePoint);
    }

    public static int ToLowerSimple(int codePoint) =>
        Rune.IsValid(codePoint) ? Rune.ToLowerInvariant(new Rune(codePoint)).Value : codePoint;

    public static int ToUpperSimple(int codePoint) =>
        Rune.IsValid(codePoint) ? Rune.ToUpperInvariant(new Rune(codePoint)).Value : codePoint;

    /// <summary>The code points that equal this one when case is ignored, itself among them.</summary>
    public static IEnumerable<int> Equivalents(int codePoint)
    {
        int lower = ToLowerSimple(codePoint);
        // The three letters outside ASCII that fold to an ASCII letter or to å: .NET's mappings leave them alone.
        if (codePoint == 0x17F) lower = 's';
        if (codePoint == 0x212A) lower = 'k';
        if (codePoint == 0x212B) lower = 0xE5;
        yield return lower;
        if (ToUpperSimple(lower) != lower) yield return ToUpperSimple(lower);
        if (lower == 's') yield return 0x17F;
        if (lower == 'k') yield return 0x212A;
        if (lower == 0xE5) yield return 0x212B;
        if (codePoint != lower && codePoint != ToUpperSimple(lower)) yield return codePoint;
    }
}
