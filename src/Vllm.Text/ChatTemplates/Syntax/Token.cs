namespace Vllm.Text.ChatTemplates.Syntax;

enum TokenKind
{
    Data, VariableBegin, VariableEnd, BlockBegin, BlockEnd, Name, String, Integer, Float,
    Add, Sub, Div, FloorDiv, Mul, Mod, Pow, Tilde,
    LBracket, RBracket, LParen, RParen, LBrace, RBrace,
    Eq, Ne, Gt, GtEq, Lt, LtEq, Assign, Dot, Colon, Pipe, Comma, Semicolon, Eof,
}

/// <summary>A token with its source text (data and strings: the text they stand for) and, for numbers, the
/// value.</summary>
readonly record struct Token(TokenKind Kind, string Text, int Line, object? Value = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    /// <summary>How Jinja's messages call the token.</summary>
    public string Describe() => Kind switch
    {
        TokenKind.Name => Text,
        TokenKind.Eof => "end of template",
        _ => Describe(Kind),
    };

    public static string Describe(TokenKind kind) => kind switch
    {
        TokenKind.Data => "template data / text",
        TokenKind.VariableBegin => "begin of print statement",
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.Eof => "end of template",
        TokenKind.Name => "name",
        TokenKind.String => "string",
        TokenKind.Integer => "integer",
        TokenKind.Float => "float",
        _ => Operators.First(pair => pair.Kind == kind).Text,
    };

    /// <summary>Longest first: the lexer takes the first that fits.</summary>
    public static readonly (string Text, TokenKind Kind)[] Operators =
    [
        ("//", TokenKind.FloorDiv), ("**", TokenKind.Pow), ("==", TokenKind.Eq), ("!=", TokenKind.Ne),
        (">=", TokenKind.GtEq), ("<=", TokenKind.LtEq), ("+", TokenKind.Add), ("-", TokenKind.Sub),
        ("/", TokenKind.Div), ("*", TokenKind.Mul), ("%", TokenKind.Mod), ("~", TokenKind.Tilde),
        ("[", TokenKind.LBracket), ("]", TokenKind.RBracket), ("(", TokenKind.LParen), (")", TokenKind.RParen),
        ("{", TokenKind.LBrace), ("}", TokenKind.RBrace), (">", TokenKind.Gt), ("<", TokenKind.Lt),
        ("=", TokenKind.Assign), (".", TokenKind.Dot), (":", TokenKind.Colon), ("|", TokenKind.Pipe),
        (",", TokenKind.Comma), (";", TokenKind.Semicolon),
    ];
}
