using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Vllm.Tests;

/// <summary>Changes valid inputs a little, so that most of what results is nearly valid. The same random numbers give
/// the same inputs.</summary>
/// <param name="seeds">Valid inputs; none is empty.</param>
/// <param name="words">Pieces of the format, inserted as they are.</param>
/// <param name="numMutableBytes">Bytes at the start of an input that are changed; what follows is kept.</param>
sealed class Mutator(IReadOnlyList<byte[]> seeds, IReadOnlyList<string> words, int numMutableBytes = int.MaxValue)
{
    const int MaxChanges = 4;
    const int MaxInsertedBytes = 1024;

    static readonly long[] Extremes =
        [0, 1, -1, 127, 128, 255, 256, 32767, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 40, long.MaxValue, long.MinValue];

    static readonly string[] Numbers =
        ["0", "-1", "1e999", "-1e999", "NaN", "2147483648", "9223372036854775808", "1e-400", "0.1", "-0", "00", "99999999999999999999999999"];

    public byte[] Next(Random random)
    {
        byte[] seed = seeds[random.Next(seeds.Count)];
        int numMutable = Math.Min(seed.Length, numMutableBytes);
        var head = new List<byte>(seed[..numMutable]);
        int numChanges = random.Next(1, MaxChanges + 1);
        for (int i = 0; i < numChanges; i++) Change(head, random);
        return [.. head, .. seed.AsSpan(numMutable)];
    }

    void Change(List<byte> bytes, Random random)
    {
        int at = random.Next(bytes.Count + 1);
        int num = Math.Min(bytes.Count - at, 1 + random.Next(1 << random.Next(10)));
        switch (random.Next(10))
        {
            case 0 when at < bytes.Count: // a bit
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count: // a byte
                bytes[at] = (byte)random.Next(256);
                break;
            case 2: // less
                bytes.RemoveRange(at, num);
                break;
            case 3: // twice
                bytes.InsertRange(at, bytes.GetRange(at, num));
                break;
            case 4: // cut short
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 5: // a piece of another input
                byte[] other = seeds[random.Next(seeds.Count)];
                int from = random.Next(other.Length);
                int end = Math.Min(other.Length, from + random.Next(MaxInsertedBytes));
                bytes.InsertRange(at, other[from..end]);
                break;
            case 6: // a little-endian number
                ReplaceInteger(bytes, at, random);
                break;
            case 7: // a decimal number
                ReplaceDecimal(bytes, at, random);
                break;
            case 8: // a word of the format, once or nested
                string word = words[random.Next(words.Count)];
                int times = random.Next(8) == 0 ? random.Next(MaxInsertedBytes / word.Length) : 1;
                for (int i = 0; i < times; i++) bytes.InsertRange(at, Encoding.UTF8.GetBytes(word));
                break;
            default: // a word in place of what was there
                bytes.RemoveRange(at, num);
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(words[random.Next(words.Count)]));
                break;
        }
    }

    static void ReplaceInteger(List<byte> bytes, int at, Random random)
    {
        byte[] value = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(value, Extremes[random.Next(Extremes.Length)]);
        int size = 1 << random.Next(4);
        for (int i = 0; i < size && at + i < bytes.Count; i++) bytes[at + i] = value[i];
    }

    static void ReplaceDecimal(List<byte> bytes, int at, Random random)
    {
        int start = bytes.FindIndex(at, b => char.IsAsciiDigit((char)b));
        if (start < 0) return;
        int end = start;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end])) end++;
        string number = random.Next(2) == 0
            ? Numbers[random.Next(Numbers.Length)]
            : Extremes[random.Next(Extremes.Length)].ToString(CultureInfo.InvariantCulture);
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(number));
    }
}
