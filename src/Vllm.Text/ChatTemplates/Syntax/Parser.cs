using Vllm.Text.ChatTemplates.Nodes;

namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>Statements: text, <c>{{ … }}</c> and the tags of Jinja, loop controls and <c>generation</c>.</summary>
sealed class Parser
{
    readonly TokenStream _stream;
    readonly ExpressionParser _expressions;
    readonly Stack<string> _tags = new();
    readonly Stack<string[]> _endTags = new();

    Parser(string source)
    {
        _stream = new TokenStream(new Lexer(source).Tokenize());
        _expressions = new ExpressionParser(_stream);
    }

    public static Statement[] Parse(string source) => new Parser(source).ParseUntil([]);

    /// <summary>Parses up to one of the tags, which stays current, or to the end of the source if there are
    /// none.</summary>
    Statement[] ParseUntil(string[] endTags)
    {
        using ExpressionParser.Nesting nesting = _expressions.Nest(_stream.Current.Line);
        var body = new List<Statement>();
        if (endTags.Length > 0) _endTags.Push(endTags);
        while (_stream.Current.Kind != TokenKind.Eof)
        {
            Token token = _stream.Take();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new TemplateText(token.Text) { Line = token.Line });
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new Print(_expressions.ParseTuple()) { Line = token.Line });
                    _stream.Expect(TokenKind.VariableEnd);
                    break;
                default:
                    if (_stream.Current.Kind == TokenKind.Name && endTags.Contains(_stream.Current.Text))
                    {
                        _endTags.Pop();
                        return [.. body];
                    }
                    body.AddRange(ParseStatement());
                    _stream.Expect(TokenKind.BlockEnd);
                    break;
            }
        }
        if (endTags.Length > 0) throw UnexpectedTag(null, _stream.Current.Line);
        return [.. body];
    }

    /// <summary>The body of a tag up to its end tag, whose name is taken too.</summary>
    Statement[] ParseBody(params string[] endTags)
    {
        Statement[] body = ParseBodyKeepingEnd(endTags);
        _stream.Take();
        return body;
    }

    Statement[] ParseBodyKeepingEnd(params string[] endTags)
    {
        _stream.SkipIf(TokenKind.Colon);
        _stream.Expect(TokenKind.BlockEnd);
        return ParseUntil(endTags);
    }

    IEnumerable<Statement> ParseStatement()
    {
        Token token = _stream.Current;
        if (token.Kind != TokenKind.Name) throw Error.Syntax("tag name expected", token.Line);
        if (token.Text == "print") return ParsePrint();
        _tags.Push(token.Text);
        Statement statement = token.Text switch
        {
            "for" => ParseFor(),
            "if" => ParseIf(),
            "set" => ParseSet(),
            "with" => ParseWith(),
            "macro" => ParseMacro(),
            "call" => ParseCallBlock(),
            "filter" => ParseFilterBlock(),
            "block" => ParseBlock(),
            "autoescape" => ParseAutoescape(),
            "generation" => ParseGeneration(),
            "break" => new LoopControl(Flow.Break) { Line = _stream.Take().Line },
            "continue" => new LoopControl(Flow.Continue) { Line = _stream.Take().Line },
            "extends" => ParseExtends(),
            "include" => ParseInclude(),
            "import" => ParseImport(),
            "from" => ParseFromImport(),
            _ => throw UnknownTag(token),
        };
        _tags.Pop();
        return [statement];
    }

    ChatTemplateException UnknownTag(Token token)
    {
        _tags.Pop();
        return UnexpectedTag(token.Text, token.Line);
    }

    /// <summary>An unknown tag, or (<c>null</c>) the end of the template inside of one.</summary>
    ChatTemplateException UnexpectedTag(string? name, int line)
    {
        string message = name is null ? "Unexpected end of template." : $"Encountered unknown tag '{name}'.";
        if (_endTags.TryPeek(out string[]? innermost))
        {
            string looking = string.Join(" or ", innermost.Select(tag => $"'{tag}'"));
            message += name is not null && _endTags.Any(tags => tags.Contains(name))
                ? $" You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {looking}."
                : $" Jinja was looking for the following tags: {looking}.";
        }
        if (_tags.TryPeek(out string? open))
            message += $" The innermost block that needs to be closed is '{open}'.";
        return Error.Syntax(message, line);
    }

    List<Statement> ParsePrint()
    {
        int line = _stream.Take().Line;
        var prints = new List<Statement>();
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (prints.Count > 0) _stream.Expect(TokenKind.Comma);
            prints.Add(new Print(_expressions.Parse()) { Line = line });
        }
        return prints;
    }

    Statement ParseSet()
    {
        int line = _stream.Take().Line;
        Expression target = ParseTarget(withNamespace: true);
        if (_stream.SkipIf(TokenKind.Assign)) return new Set(target, _expressions.ParseTuple()) { Line = line };
        var filter = (FilterCall?)_expressions.ParseFilter(null);
        return new SetBlock(target, filter, ParseBody("endset")) { Line = line };
    }

    For ParseFor()
    {
        int line = _stream.Take().Line;
        Expression target = ParseTarget(endName: "in");
        _stream.ExpectName("in");
        Expression items = _expressions.ParseTuple(withConditional: false, endName: "recursive");
        Expression? test = _stream.SkipIfName("if") ? _expressions.Parse() : null;
        bool isRecursive = _stream.SkipIfName("recursive");
        Statement[] body = ParseBodyKeepingEnd("endfor", "else");
        Statement[] otherwise = _stream.Take().Text == "endfor" ? [] : ParseBody("endfor");
        return new For(target, items, body, otherwise, test, isRecursive) { Line = line };
    }

    If ParseIf()
    {
        int line = _stream.Current.Line;
        var branches = new List<(Expression, Statement[])>();
        Statement[] otherwise = [];
        Token tag = _stream.Take();
        do
        {
            Expression test = _expressions.ParseTuple(withConditional: false);
            branches.Add((test, ParseBodyKeepingEnd("elif", "else", "endif")));
            tag = _stream.Take();
        }
        while (tag.Text == "elif");
        if (tag.Text == "else") otherwise = ParseBody("endif");
        return new If([.. branches], otherwise) { Line = line };
    }

    With ParseWith()
    {
        int line = _stream.Take().Line;
        var targets = new List<Expression>();
        var values = new List<Expression>();
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (targets.Count > 0) _stream.Expect(TokenKind.Comma);
            Expression target = ParseTarget();
            SetUse(target, NameUse.Parameter);
            _stream.Expect(TokenKind.Assign);
            targets.Add(target);
            values.Add(_expressions.Parse());
        }
        return new With([.. targets], [.. values], ParseBody("endwith")) { Line = line };
    }

    MacroStatement ParseMacro()
    {
        int line = _stream.Take().Line;
        Name name = ParseNameTarget();
        (Name[] parameters, Expression[] defaults) = ParseSignature();
        var definition = new MacroDefinition(name.Id, parameters, defaults, ParseBody("endmacro"));
        return new MacroStatement(name, definition) { Line = line };
    }

    (Name[] Parameters, Expression[] Defaults) ParseSignature()
    {
        var parameters = new List<Name>();
        var defaults = new List<Expression>();
        _stream.Expect(TokenKind.LParen);
        while (_stream.Current.Kind != TokenKind.RParen)
        {
            if (parameters.Count > 0) _stream.Expect(TokenKind.Comma);
            Name parameter = ParseNameTarget();
            parameter.Use = NameUse.Parameter;
            if (_stream.SkipIf(TokenKind.Assign)) defaults.Add(_expressions.Parse());
            else if (defaults.Count > 0)
                throw Error.Syntax("non-default argument follows default argument", _stream.Current.Line);
            if (parameters.Exists(other => other.Id == parameter.Id))
                throw Error.Syntax($"duplicate argument '{parameter.Id}' in function definition", parameter.Line);
            parameters.Add(parameter);
        }
        _stream.Expect(TokenKind.RParen);
        return ([.. parameters], [.. defaults]);
    }

    CallBlock ParseCallBlock()
    {
        int line = _stream.Take().Line;
        (Name[] parameters, Expression[] defaults) =
            _stream.Current.Kind == TokenKind.LParen ? ParseSignature() : ([], []);
        if (_expressions.Parse() is not Call call) throw Error.Syntax("expected call", line);
        var definition = new MacroDefinition(null, parameters, defaults, ParseBody("endcall"));
        return new CallBlock(call, definition) { Line = line };
    }

    CallBlock ParseGeneration()
    {
        int line = _stream.Take().Line;
        return new CallBlock(null, new MacroDefinition(null, [], [], ParseBody("endgeneration"))) { Line = line };
    }

    FilterBlock ParseFilterBlock()
    {
        int line = _stream.Take().Line;
        var filter = (FilterCall)_expressions.ParseFilter(null, startInline: true)!;
        return new FilterBlock(filter, ParseBody("endfilter")) { Line = line };
    }

    Block ParseBlock()
    {
        int line = _stream.Take().Line;
        string name = _stream.Expect(TokenKind.Name).Text;
        bool isScoped = _stream.SkipIfName("scoped");
        bool isRequired = _stream.SkipIfName("required");
        if (_stream.Current.Kind == TokenKind.Sub)
            throw Error.Syntax("Block names in Jinja have to be valid Python identifiers and may not contain hyphens, " +
                "use an underscore instead.", _stream.Current.Line);
        Statement[] body = ParseBody("endblock");
        if (isRequired && !body.All(node => node is TemplateText text && string.IsNullOrWhiteSpace(text.Text)))
            throw Error.Syntax("Required blocks can only contain comments or whitespace", _stream.Current.Line);
        _stream.SkipIfName(name);
        return new Block(name, isScoped, isRequired, body) { Line = line };
    }

    AutoescapeBlock ParseAutoescape()
    {
        int line = _stream.Take().Line;
        Expression option = _expressions.Parse();
        return new AutoescapeBlock(option, ParseBody("endautoescape")) { Line = line };
    }

    TemplateLoad ParseExtends()
    {
        int line = _stream.Take().Line;
        return new TemplateLoad(_expressions.Parse(), []) { Line = line };
    }

    TemplateLoad ParseInclude()
    {
        int line = _stream.Take().Line;
        Expression template = _expressions.Parse();
        if (_stream.Current.IsName("ignore") && _stream.Next.IsName("missing"))
        {
            _stream.Take();
            _stream.Take();
        }
        SkipContextClause();
        return new TemplateLoad(template, []) { Line = line };
    }

    TemplateLoad ParseImport()
    {
        int line = _stream.Take().Line;
        Expression template = _expressions.Parse();
        _stream.ExpectName("as");
        string name = ParseNameTarget().Id;
        SkipContextClause();
        return new TemplateLoad(template, [name]) { Line = line };
    }

    TemplateLoad ParseFromImport()
    {
        int line = _stream.Take().Line;
        Expression template = _expressions.Parse();
        _stream.ExpectName("import");
        var names = new List<string>();
        do
        {
            if (SkipContextClause()) break;
            Name name = ParseNameTarget();
            if (name.Id.StartsWith('_'))
                throw Error.Syntax("names starting with an underline can not be imported", name.Line);
            names.Add(_stream.SkipIfName("as") ? ParseNameTarget().Id : name.Id);
        }
        while (!SkipContextClause() && _stream.SkipIf(TokenKind.Comma));
        return new TemplateLoad(template, [.. names]) { Line = line };
    }

    bool SkipContextClause()
    {
        if (_stream.Current is not { Kind: TokenKind.Name, Text: "with" or "without" }
            || !_stream.Next.IsName("context"))
            return false;
        _stream.Take();
        _stream.Take();
        return true;
    }

    Name ParseNameTarget()
    {
        Token token = _stream.Expect(TokenKind.Name);
        if (IsConstantName(token.Text)) throw Error.Syntax("can't assign to 'name'", token.Line);
        return new Name(token.Text, NameUse.Store) { Line = token.Line };
    }

    Expression ParseTarget(string? endName = null, bool withNamespace = false)
    {
        Expression target = _expressions.ParseTuple(simplified: true, endName: endName, withNamespace: withNamespace);
        if (!CanAssign(target)) throw Error.Syntax($"can't assign to '{Kind(target)}'", target.Line);
        SetUse(target, NameUse.Store);
        return target;
    }

    static bool IsConstantName(string name) => name is "true" or "false" or "none" or "True" or "False" or "None";

    static bool CanAssign(Expression target) => target switch
    {
        Name or NamespaceReference => true,
        TupleLiteral tuple => tuple.Items.All(CanAssign),
        _ => false,
    };

    static string Kind(Expression target) => target switch
    {
        Constant => "const",
        TupleLiteral => "tuple",
        ListLiteral => "list",
        DictLiteral => "dict",
        _ => "expression",
    };

    static void SetUse(Expression target, NameUse use)
    {
        if (target is Name name) name.Use = use;
        else if (target is TupleLiteral tuple)
            foreach (Expression item in tuple.Items)
                SetUse(item, use);
    }
}
