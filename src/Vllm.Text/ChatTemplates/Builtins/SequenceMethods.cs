using System.Globalization;
using System.Numerics;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>The methods of lists, tuples and ranges that do not change them.</summary>
static class SequenceMethods
{
    public static object Find(PyObject sequence, string name) => name switch
    {
        "count" => new NativeFunction(name, (state, arguments) => Count(sequence, arguments, state)),
        "index" => new NativeFunction(name, (state, arguments) => Index(sequence, arguments, state)),
        "copy" when sequence is PyList list => new NativeFunction(name, (_, arguments) =>
        {
            arguments.RequireNone(name);
            return new PyList(list.Values);
        }),
        _ => Missing.Value,
    };

    static object Count(PyObject sequence, Arguments arguments, RenderState state)
    {
        object? item = arguments.Bind("count", 1, "/value")[0];
        return Boxed.Int(Iteration.Enumerate(state, sequence).Count(value => PyEquality.AreEqual(value, item, state.Budget, depth: 1)));
    }

    static object Index(PyObject sequence, Arguments arguments, RenderState state)
    {
        object?[] values = Iteration.ToArray(state, sequence);
        object?[] bound = arguments.Bind("index", 1, "/value", "/start", "/stop");
        int start = Position(bound[1], 0), stop = Math.Min(Position(bound[2], values.Length), values.Length);
        state.Budget.Step(values.Length);
        for (int i = start; i < stop; i++)
            if (PyEquality.AreEqual(values[i], bound[0], state.Budget, depth: 1))
                return Boxed.Int(i);
        throw Error.Value(sequence is PyTuple
            ? "tuple.index(x): x not in tuple"
            : $"{PyRepr.Repr(bound[0], state.Budget)} is not in {sequence.TypeName}");

        int Position(object? value, int otherwise)
        {
            int index = OrInt(value, otherwise);
            return index < 0 ? Math.Max(0, index + values.Length) : index;
        }
    }
}

/// <summary>The methods of dicts that do not change them.</summary>
static class DictMethods
{
    public static object Find(PyDict dict, string name) => name switch
    {
        "get" => new NativeFunction(name, (_, arguments) =>
        {
            object?[] bound = arguments.Bind(name, 1, "/key", "/default");
            return dict.TryGet(bound[0], out object? value) ? value : OrNone(bound[1]);
        }),
        "items" => View(dict, name, "dict_items"),
        "keys" => View(dict, name, "dict_keys"),
        "values" => View(dict, name, "dict_values"),
        "copy" => new NativeFunction(name, (state, arguments) =>
        {
            arguments.RequireNone(name);
            state.Budget.AllocateItems(dict.Entries.Count);
            return dict.Copy();
        }),
        "fromkeys" => new NativeFunction(name, FromKeys),
        _ => Missing.Value,
    };

    static NativeFunction View(PyDict dict, string name, string typeName) => new(name, (_, arguments) =>
    {
        arguments.RequireNone(name);
        return new DictView(dict, typeName);
    });

    public static object? FromKeys(RenderState state, Arguments arguments)
    {
        object?[] bound = arguments.Bind("fromkeys", 1, "/iterable", "/value");
        var dict = new PyDict();
        foreach (object? key in Iteration.Enumerate(state, bound[0])) dict.Set(key, OrNone(bound[1]));
        return dict;
    }
}

/// <summary>The attributes and methods of numbers.</summary>
static class NumberMethods
{
    public static object? Find(BigInteger value, string name) => name switch
    {
        "real" or "numerator" => PyNumber.Normalize(value),
        "imag" => Boxed.Int(0),
        "denominator" => Boxed.Int(1),
        "conjugate" => Plain(name, () => PyNumber.Normalize(value)),
        "bit_length" => Plain(name, () => Boxed.Int(BigInteger.Abs(value).GetBitLength())),
        "bit_count" =>
            Plain(name, () => Boxed.Int(BigInteger.Abs(value).ToByteArray().Sum(b => BitOperations.PopCount(b)))),
        "as_integer_ratio" => Plain(name, () => new PyTuple([PyNumber.Normalize(value), Boxed.Int(1)])),
        "to_bytes" => new NativeFunction(name, (_, arguments) => ToBytes(value, arguments)),
        "from_bytes" => new NativeFunction(name, (_, arguments) => FromBytes(arguments)),
        _ => Missing.Value,
    };

    public static object? Find(double value, string name) => name switch
    {
        "real" => value,
        "imag" => 0.0,
        "conjugate" => Plain(name, () => value),
        "is_integer" => Plain(name, () => Boxed.Bool(double.IsFinite(value) && Math.Floor(value) == value)),
        "as_integer_ratio" => Plain(name, () => Ratio(value)),
        "hex" => Plain(name, () => Hex(value)),
        "fromhex" => new NativeFunction(name, (_, arguments) =>
            throw Error.Value($"fromhex() is not supported: {PyRepr.Repr(arguments.Bind(name, 1, "/string")[0])}")),
        _ => Missing.Value,
    };

    static NativeFunction Plain(string name, Func<object> value) => new(name, (_, arguments) =>
    {
        arguments.RequireNone(name);
        return value();
    });

    static PyTuple Ratio(double value)
    {
        if (!double.IsFinite(value))
            throw Error.Overflow($"cannot convert {(double.IsNaN(value) ? "NaN" : "Infinity")} to integer ratio");
        int exponent = 0;
        while (Math.Floor(value) != value)
        {
            value *= 2;
            exponent++;
        }
        return new PyTuple([PyNumber.Normalize(new BigInteger(value)), PyNumber.Normalize(BigInteger.One << exponent)]);
    }

    static string Hex(double value)
    {
        if (FloatFormat.NonFinite(value) is { } special) return special;
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52 & 0x7FF);
        long fraction = bits & 0xFFFFFFFFFFFFF;
        string sign = bits < 0 ? "-" : "";
        if (exponent == 0 && fraction == 0) return $"{sign}0x0.0p+0";
        int power = exponent == 0 ? -1022 : exponent - 1023;
        return $"{sign}0x{(exponent == 0 ? 0 : 1)}.{fraction:x13}p{(power < 0 ? "" : "+")}{power.ToString(CultureInfo.InvariantCulture)}";
    }

    static PyBytes ToBytes(BigInteger value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("to_bytes", 0, "length", "byteorder", "signed");
        int length = OrInt(bound[0], 1);
        bool signed = OrFalse(bound[2]), bigEndian = IsBigEndian(bound[1]);
        if (length < 0) throw Error.Value("length argument must be non-negative");
        if (value.Sign < 0 && !signed) throw Error.Overflow("can't convert negative int to unsigned");
        if (value.GetByteCount(isUnsigned: !signed) > length
            && !value.IsZero)
            throw Error.Overflow("int too big to convert");
        if (length > RenderLimits.MaxIntegerBits / 8) throw Error.Limit("to_bytes() of that length is not supported");
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value.Sign < 0 ? (byte)0xFF : (byte)0);
        if (!value.IsZero) value.ToByteArray(isUnsigned: !signed).CopyTo(bytes, 0);
        if (bigEndian) Array.Reverse(bytes);
        return new PyBytes(bytes);
    }

    static object FromBytes(Arguments arguments)
    {
        object?[] bound = arguments.Bind("from_bytes", 1, "bytes", "byteorder", "signed");
        return bound[0] is PyBytes bytes
            ? PyNumber.Normalize(new BigInteger(bytes.Content, isUnsigned: !OrFalse(bound[2]), IsBigEndian(bound[1])))
            : throw Error.Type($"cannot convert '{PyType.NameOf(bound[0])}' object to bytes");
    }

    static bool IsBigEndian(object? order) => IsMissing(order) || PyText.Of(order) switch
    {
        "big" => true,
        "little" => false,
        _ => throw Error.Value("byteorder must be either 'little' or 'big'"),
    };
}
