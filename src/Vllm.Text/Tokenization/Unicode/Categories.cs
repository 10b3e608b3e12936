using static System.Globalization.UnicodeCategory;

namespace Vllm.Text.Tokenization.Unicode;

/// <summary>Sets of general categories as bit masks, under Unicode's names.</summary>
static class Categories
{
    public const int Lu = 1 << (int)UppercaseLetter, Ll = 1 << (int)LowercaseLetter, Lt = 1 << (int)TitlecaseLetter;
    public const int Lm = 1 << (int)ModifierLetter, Lo = 1 << (int)OtherLetter;
    public const int Mn = 1 << (int)NonSpacingMark, Mc = 1 << (int)SpacingCombiningMark, Me = 1 << (int)EnclosingMark;
    public const int Nd = 1 << (int)DecimalDigitNumber, Nl = 1 << (int)LetterNumber, No = 1 << (int)OtherNumber;
    public const int Pc = 1 << (int)ConnectorPunctuation, Pd = 1 << (int)DashPunctuation,
        Ps = 1 << (int)OpenPunctuation;
    public const int Pe = 1 << (int)ClosePunctuation, Pi = 1 << (int)InitialQuotePunctuation;
    public const int Pf = 1 << (int)FinalQuotePunctuation, Po = 1 << (int)OtherPunctuation;
    public const int Sm = 1 << (int)MathSymbol, Sc = 1 << (int)CurrencySymbol, Sk = 1 << (int)ModifierSymbol;
    public const int So = 1 << (int)OtherSymbol;
    public const int Zs = 1 << (int)SpaceSeparator, Zl = 1 << (int)LineSeparator, Zp = 1 << (int)ParagraphSeparator;
    public const int Cc = 1 << (int)Control, Cf = 1 << (int)Format, Cs = 1 << (int)Surrogate;
    public const int Co = 1 << (int)PrivateUse, Cn = 1 << (int)OtherNotAssigned;

    public const int L = Lu | Ll | Lt | Lm | Lo, M = Mn | Mc | Me, N = Nd | Nl | No;
    public const int P = Pc | Pd | Ps | Pe | Pi | Pf | Po, S = Sm | Sc | Sk | So, Z = Zs | Zl | Zp;
    public const int C = Cc | Cf | Cs | Co | Cn;

    static readonly Dictionary<string, int> ByName = new(StringComparer.OrdinalIgnoreCase)
    {
        ["L"] = L,
        ["Letter"] = L,
        ["LC"] = Lu | Ll | Lt,
        ["L&"] = Lu | Ll | Lt,
        ["Cased_Letter"] = Lu | Ll | Lt,
        ["Lu"] = Lu,
        ["Uppercase_Letter"] = Lu,
        ["Ll"] = Ll,
        ["Lowercase_Letter"] = Ll,
        ["Lt"] = Lt,
        ["Titlecase_Letter"] = Lt,
        ["Lm"] = Lm,
        ["Modifier_Letter"] = Lm,
        ["Lo"] = Lo,
        ["Other_Letter"] = Lo,
        ["M"] = M,
        ["Mark"] = M,
        ["Combining_Mark"] = M,
        ["Mn"] = Mn,
        ["Nonspacing_Mark"] = Mn,
        ["Mc"] = Mc,
        ["Spacing_Mark"] = Mc,
        ["Me"] = Me,
        ["Enclosing_Mark"] = Me,
        ["N"] = N,
        ["Number"] = N,
        ["Nd"] = Nd,
        ["Decimal_Number"] = Nd,
        ["Nl"] = Nl,
        ["Letter_Number"] = Nl,
        ["No"] = No,
        ["Other_Number"] = No,
        ["P"] = P,
        ["Punctuation"] = P,
        ["Pc"] = Pc,
        ["Connector_Punctuation"] = Pc,
        ["Pd"] = Pd,
        ["Dash_Punctuation"] = Pd,
        ["Ps"] = Ps,
        ["Open_Punctuation"] = Ps,
        ["Pe"] = Pe,
        ["Close_Punctuation"] = Pe,
        ["Pi"] = Pi,
        ["Initial_Punctuation"] = Pi,
        ["Pf"] = Pf,
        ["Final_Punctuation"] = Pf,
        ["Po"] = Po,
        ["Other_Punctuation"] = Po,
        ["S"] = S,
        ["Symbol"] = S,
        ["Sm"] = Sm,
        ["Math_Symbol"] = Sm,
        ["Sc"] = Sc,
        ["Currency_Symbol"] = Sc,
        ["Sk"] = Sk,
        ["Modifier_Symbol"] = Sk,
        ["So"] = So,
        ["Other_Symbol"] = So,
        ["Z"] = Z,
        ["Separator"] = Z,
        ["Zs"] = Zs,
        ["Space_Separator"] = Zs,
        ["Zl"] = Zl,
        ["Line_Separator"] = Zl,
        ["Zp"] = Zp,
        ["Paragraph_Separator"] = Zp,
        ["C"] = C,
        ["Other"] = C,
        ["Cc"] = Cc,
        ["Control"] = Cc,
        ["Cf"] = Cf,
        ["Format"] = Cf,
        ["Cs"] = Cs,
        ["Surrogate"] = Cs,
        ["Co"] = Co,
        ["Private_Use"] = Co,
        ["Cn"] = Cn,
        ["Unassigned"] = Cn,
    };

    /// <summary>The categories that a name such as <c>Lu</c>, <c>L</c> or <c>Punctuation</c> stands for.</summary>
    public static bool TryParse(string name, out int categories) =>
        ByName.TryGetValue(name.Replace(' ', '_'), out categories);
}
