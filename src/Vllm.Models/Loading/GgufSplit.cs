using System.Globalization;
using System.Text.RegularExpressions;

namespace Vllm.Models.Loading;

/// <summary>
/// Models split into <c>name-00001-of-0000N.gguf</c> …; keys <c>split.*</c> say how many parts there are.
/// </summary>
static partial class GgufSplit
{
    const int DigitsLength = 5;
    const string CountKey = "split.count";
    const string NumberKey = "split.no";
    const string TensorsCountKey = "split.tensors.count";

    /// <summary>Paths of the parts behind the first; none when the model is not split.</summary>
    public static IEnumerable<string> OtherParts(string path, IReadOnlyDictionary<string, object> metadata)
    {
        long count = Number(path, metadata, CountKey) ?? 1;
        if (count <= 1) return [];
        string suffix = $"-{Digits(1)}-of-{Digits(count)}.gguf";
        if (count > 99_999 || !path.EndsWith(suffix, StringComparison.Ordinal))
            throw new ModelLoadException(
                path, CountKey, $"a file name ending in {suffix} for {count} parts", Path.GetFileName(path));
        string prefix = path[..^suffix.Length];
        return from number in Enumerable.Range(2, (int)count - 1)
               select $"{prefix}-{Digits(number)}-of-{Digits(count)}.gguf";
    }

    /// <summary>Whether a file is a model or the first part of one, by its name.</summary>
    public static bool IsFirstOrWhole(string path)
    {
        Match part = PartName().Match(path);
        return !part.Success || part.Groups[1].ValueSpan.TrimStart('0') is "1";
    }

    [GeneratedRegex(@"-([0-9]{5})-of-[0-9]{5}\.gguf$")]
    private static partial Regex PartName();

    /// <summary>A part must say the number that its name says, and the count of the first.</summary>
    public static void CheckPart(string firstPath, string path,
        IReadOnlyDictionary<string, object> first, IReadOnlyDictionary<string, object> part)
    {
        long? count = Number(firstPath, first, CountKey);
        if (Number(path, part, CountKey) is long found && found != count)
            throw new ModelLoadException(path, CountKey, $"{count}, as the first part says", $"{found}");
        string named = Path.GetFileName(path).Split('-')[^3];
        string stored = Number(path, part, NumberKey) is long number ? Digits(number + 1) : "none";
        if (stored != named)
            throw new ModelLoadException(path, NumberKey, $"part {named}, as the file name says", stored);
    }

    /// <summary>All parts together must hold as many tensors as the first says.</summary>
    public static void CheckTensorCount(string path, IReadOnlyDictionary<string, object> metadata, int numTensors)
    {
        if (Number(path, metadata, TensorsCountKey) is long expected && expected != numTensors)
            throw new ModelLoadException(path, TensorsCountKey, $"{numTensors}, as the parts hold", $"{expected}");
    }

    static long? Number(string path, IReadOnlyDictionary<string, object> metadata, string key)
    {
        if (!metadata.TryGetValue(key, out object? value)) return null;
        return value switch
        {
            byte number => number,
            ushort number => number,
            uint number => number,
            int number => number,
            _ => throw new ModelLoadException(path, key, "a whole number", $"{value} ({value.GetType().Name})"),
        };
    }

    static string Digits(long number) => number.ToString($"D{DigitsLength}", CultureInfo.InvariantCulture);
}
