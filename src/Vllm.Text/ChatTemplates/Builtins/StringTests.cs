using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>The methods of strings that ask a question of every character.</summary>
static class StringTests
{
    /// <summary>The test of that name, or <c>null</c>.</summary>
    public static Func<string, bool>? Find(string name) => name switch
    {
        "isalnum" => static text => All(text, PyChar.IsAlnum),
        "isalpha" => static text => All(text, PyChar.IsAlpha),
        "isascii" => static text => System.Text.Ascii.IsValid(text),
        "isdecimal" => static text => All(text, PyChar.IsDecimal),
        "isdigit" => IsDigit,
        "isidentifier" => PyChar.IsIdentifier,
        "islower" => IsLower,
        "isnumeric" => static text => All(text, PyChar.IsNumeric),
        "isprintable" => static text => text.Length == 0 || All(text, PyChar.IsPrintable),
        "isspace" => static text => All(text, PyChar.IsSpace),
        "istitle" => IsTitle,
        "isupper" => IsUpper,
        _ => null,
    };

    public static bool IsDigit(string text) => All(text, PyChar.IsDigit);

    static bool All(string text, Func<int, bool> test)
    {
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
            if (!test(PyString.CodePointValueAt(text, i)))
                return false;
        return text.Length > 0;
    }

    public static bool IsLower(string text) => HasOnly(text, PyChar.IsLower);

    public static bool IsUpper(string text) => HasOnly(text, PyChar.IsUpper);

    /// <summary>Whether there are letters with a case and all of them have that one.</summary>
    static bool HasOnly(string text, Func<int, bool> test)
    {
        bool found = false;
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
        {
            int code = PyString.CodePointValueAt(text, i);
            if (test(code)) found = true;
            else if (PyChar.IsCased(code)) return false;
        }
        return found;
    }

    static bool IsTitle(string text)
    {
        bool found = false, afterCased = false;
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
        {
            int code = PyString.CodePointValueAt(text, i);
            bool capital = PyChar.IsUpper(code) || PyChar.IsTitle(code), small = PyChar.IsLower(code);
            if (capital == afterCased && (capital || small)) return false;
            afterCased = capital || small;
            found |= afterCased;
        }
        return found;
    }
}
