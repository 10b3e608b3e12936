namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>The tokens with one of lookahead.</summary>
sealed class TokenStream
{
    readonly IEnumerator<Token> _tokens;
    Token? _next;

    public TokenStream(IEnumerable<Token> tokens)
    {
        _tokens = tokens.GetEnumerator();
        Current = Read(lastLine: 1);
    }

    public Token Current { get; private set; }

    public Token Next => _next ??= Read(Current.Line);

    /// <summary>Moves on; the token that was current.</summary>
    public Token Take()
    {
        Token taken = Current;
        Current = _next ?? Read(taken.Line);
        _next = null;
        return taken;
    }

    public bool SkipIf(TokenKind kind)
    {
        if (Current.Kind != kind) return false;
        Take();
        return true;
    }

    public bool SkipIfName(string name)
    {
        if (!Current.IsName(name)) return false;
        Take();
        return true;
    }

    public Token Expect(TokenKind kind)
    {
        if (Current.Kind == kind) return Take();
        throw Unexpected(Token.Describe(kind));
    }

    public Token ExpectName(string name)
    {
        if (Current.IsName(name)) return Take();
        throw Unexpected(name);
    }

    ChatTemplateException Unexpected(string expected) => Error.Syntax(
        Current.Kind == TokenKind.Eof
            ? $"unexpected end of template, expected '{expected}'."
            : $"expected token '{expected}', got '{Current.Describe()}'",
        Current.Line);

    Token Read(int lastLine) => _tokens.MoveNext() ? _tokens.Current : new Token(TokenKind.Eof, "", lastLine);
}
