using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>
/// Expressions, from the loosest operator to the tightest: if-else, or, and, not, comparisons, + -, ~, * / // %, **
/// (left-associative, unlike Python's), signs, then attributes, calls, filters and tests, which bind tightest.
/// </summary>
sealed class ExpressionParser(TokenStream stream)
{
    int _depth;

    /// <summary>Counts one level of nesting until it is disposed.</summary>
    public Nesting Nest(int line)
    {
        if (++_depth > RenderLimits.MaxSourceDepth) throw TooDeep(line);
        return new Nesting(this);
    }

    public readonly ref struct Nesting(ExpressionParser parser)
    {
        public void Dispose() => parser._depth--;
    }

    static ChatTemplateException TooDeep(int line) =>
        Error.Syntax($"nested more than {RenderLimits.MaxSourceDepth} levels deep", line);

    /// <summary>Notes the height of a new node, since long chains nest as deeply as parentheses do, and whether it is
    /// constant.</summary>
    static T Built<T>(T node) where T : Expression
    {
        int height = 0;
        node.IsConstant = node is not (Call or FilterCall { Target: null } or Conditional { Otherwise: null });
        foreach (Node child in node.Children)
        {
            if (child is not Expression expression) continue;
            height = Math.Max(height, expression.Height);
            node.IsConstant &= expression.IsConstant;
        }
        node.Height = height + 1;
        return node.Height > 2 * RenderLimits.MaxSourceDepth ? throw TooDeep(node.Line) : node;
    }

    public Expression Parse(bool withConditional = true)
    {
        using Nesting nesting = Nest(stream.Current.Line);
        return withConditional ? ParseConditional() : ParseOr();
    }

    Expression ParseConditional()
    {
        int line = stream.Current.Line;
        Expression value = ParseOr();
        while (stream.SkipIfName("if"))
        {
            Expression test = ParseOr();
            Expression? otherwise = stream.SkipIfName("else") ? Parse() : null;
            value = Built(new Conditional(test, value, otherwise) { Line = line });
            line = stream.Current.Line;
        }
        return value;
    }

    Expression ParseOr()
    {
        Expression left = ParseAnd();
        while (stream.Current is var token && stream.SkipIfName("or"))
            left = Built(new Logical(isAnd: false, left, ParseAnd()) { Line = token.Line });
        return left;
    }

    Expression ParseAnd()
    {
        Expression left = ParseNot();
        while (stream.Current is var token && stream.SkipIfName("and"))
            left = Built(new Logical(isAnd: true, left, ParseNot()) { Line = token.Line });
        return left;
    }

    Expression ParseNot()
    {
        if (!stream.Current.IsName("not")) return ParseComparison();
        int line = stream.Take().Line;
        using Nesting nesting = Nest(line);
        return Built(new Not(ParseNot()) { Line = line });
    }

    Expression ParseComparison()
    {
        int line = stream.Current.Line;
        Expression first = ParseSum();
        var rest = new List<(ComparisonOperator, Expression)>();
        while (TakeComparisonOperator() is { } op) rest.Add((op, ParseSum()));
        return rest.Count == 0 ? first : Built(new Comparison(first, [.. rest]) { Line = line });
    }

    ComparisonOperator? TakeComparisonOperator()
    {
        ComparisonOperator? op = stream.Current.Kind switch
        {
            TokenKind.Eq => ComparisonOperator.Equal,
            TokenKind.Ne => ComparisonOperator.NotEqual,
            TokenKind.Lt => ComparisonOperator.Less,
            TokenKind.LtEq => ComparisonOperator.LessOrEqual,
            TokenKind.Gt => ComparisonOperator.Greater,
            TokenKind.GtEq => ComparisonOperator.GreaterOrEqual,
            TokenKind.Name when stream.Current.Text == "in" => ComparisonOperator.In,
            TokenKind.Name when stream.Current.Text == "not" && stream.Next.IsName("in") => ComparisonOperator.NotIn,
            _ => null,
        };
        if (op is null) return null;
        stream.Take();
        if (op == ComparisonOperator.NotIn) stream.Take();
        return op;
    }

    Expression ParseSum()
    {
        Expression left = ParseConcatenation();
        while (stream.Current.Kind is TokenKind.Add or TokenKind.Sub)
        {
            Token op = stream.Take();
            left = Built(new Arithmetic(op.Kind, left, ParseConcatenation()) { Line = op.Line });
        }
        return left;
    }

    Expression ParseConcatenation()
    {
        int line = stream.Current.Line;
        Expression first = ParseProduct();
        if (stream.Current.Kind != TokenKind.Tilde) return first;
        var items = new List<Expression> { first };
        while (stream.SkipIf(TokenKind.Tilde)) items.Add(ParseProduct());
        return Built(new Concatenation([.. items]) { Line = line });
    }

    Expression ParseProduct()
    {
        Expression left = ParsePower();
        while (stream.Current.Kind is TokenKind.Mul or TokenKind.Div or TokenKind.FloorDiv or TokenKind.Mod)
        {
            Token op = stream.Take();
            left = Built(new Arithmetic(op.Kind, left, ParsePower()) { Line = op.Line });
        }
        return left;
    }

    Expression ParsePower()
    {
        Expression left = ParseUnary(withFilters: true);
        while (stream.Current.Kind == TokenKind.Pow)
        {
            Token op = stream.Take();
            left = Built(new Arithmetic(op.Kind, left, ParseUnary(withFilters: true)) { Line = op.Line });
        }
        return left;
    }

    Expression ParseUnary(bool withFilters)
    {
        Token token = stream.Current;
        Expression node;
        if (token.Kind is TokenKind.Sub or TokenKind.Add)
        {
            stream.Take();
            using Nesting nesting = Nest(token.Line);
            node = Built(new Sign(token.Kind == TokenKind.Sub, ParseUnary(withFilters: false)) { Line = token.Line });
        }
        else node = ParsePrimary();
        node = ParsePostfix(node);
        return withFilters ? ParseFiltersAndTests(node) : node;
    }

    public Expression ParsePrimary(bool withNamespace = false)
    {
        Token token = stream.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                stream.Take();
                return ParseName(token, withNamespace);
            case TokenKind.String:
                string text = stream.Take().Text;
                while (stream.Current.Kind == TokenKind.String) text += stream.Take().Text;
                return new Constant(text) { Line = token.Line };
            case TokenKind.Integer or TokenKind.Float:
                stream.Take();
                return new Constant(token.Value) { Line = token.Line };
            case TokenKind.LParen:
                stream.Take();
                Expression inner = ParseTuple(explicitParentheses: true);
                stream.Expect(TokenKind.RParen);
                return inner;
            case TokenKind.LBracket: return ParseList();
            case TokenKind.LBrace: return ParseDict();
            default: throw Error.Syntax($"unexpected '{token.Describe()}'", token.Line);
        }
    }

    Expression ParseName(Token token, bool withNamespace)
    {
        switch (token.Text)
        {
            case "true" or "True": return new Constant(Boxed.True) { Line = token.Line };
            case "false" or "False": return new Constant(Boxed.False) { Line = token.Line };
            case "none" or "None": return new Constant(null) { Line = token.Line };
        }
        if (!withNamespace || stream.Current.Kind != TokenKind.Dot)
            return new Name(token.Text, NameUse.Load) { Line = token.Line };
        stream.Take();
        return new NamespaceReference(token.Text, stream.Expect(TokenKind.Name).Text) { Line = token.Line };
    }

    /// <summary>An expression, or several with commas: a tuple.</summary>
    /// <param name="simplified">Names and literals only (targets).</param>
    /// <param name="withConditional">Whether <c>a if b</c> may follow.</param>
    /// <param name="endName">A name that ends the tuple, besides the end of the tag and a parenthesis.</param>
    /// <param name="explicitParentheses">Whether the empty tuple is allowed.</param>
    /// <param name="withNamespace">Whether targets may be namespace attributes.</param>
    public Expression ParseTuple(
        bool simplified = false, bool withConditional = true, string? endName = null, bool explicitParentheses = false,
        bool withNamespace = false)
    {
        int line = stream.Current.Line;
        var items = new List<Expression>();
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0) stream.Expect(TokenKind.Comma);
            if (IsTupleEnd(endName)) break;
            items.Add(simplified ? ParsePrimary(withNamespace) : Parse(withConditional));
            if (stream.Current.Kind != TokenKind.Comma) break;
            isTuple = true;
        }
        if (!isTuple && items.Count > 0) return items[0];
        if (!isTuple && !explicitParentheses)
            throw Error.Syntax($"Expected an expression, got '{stream.Current.Describe()}'", stream.Current.Line);
        return Built(new TupleLiteral([.. items]) { Line = line });
    }

    bool IsTupleEnd(string? endName) =>
        stream.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd or TokenKind.RParen ||
        (endName is not null && stream.Current.IsName(endName));

    ListLiteral ParseList()
    {
        int line = stream.Expect(TokenKind.LBracket).Line;
        var items = new List<Expression>();
        while (stream.Current.Kind != TokenKind.RBracket)
        {
            if (items.Count > 0) stream.Expect(TokenKind.Comma);
            if (stream.Current.Kind == TokenKind.RBracket) break;
            items.Add(Parse());
        }
        stream.Expect(TokenKind.RBracket);
        return Built(new ListLiteral([.. items]) { Line = line });
    }

    DictLiteral ParseDict()
    {
        int line = stream.Expect(TokenKind.LBrace).Line;
        var items = new List<(Expression, Expression)>();
        while (stream.Current.Kind != TokenKind.RBrace)
        {
            if (items.Count > 0) stream.Expect(TokenKind.Comma);
            if (stream.Current.Kind == TokenKind.RBrace) break;
            Expression key = Parse();
            stream.Expect(TokenKind.Colon);
            items.Add((key, Parse()));
        }
        stream.Expect(TokenKind.RBrace);
        return Built(new DictLiteral([.. items]) { Line = line });
    }

    Expression ParsePostfix(Expression node)
    {
        while (true)
        {
            switch (stream.Current.Kind)
            {
                case TokenKind.Dot or TokenKind.LBracket: node = Built(ParseSubscript(node)); break;
                case TokenKind.LParen: node = ParseCall(node); break;
                default: return node;
            }
        }
    }

    Expression ParseFiltersAndTests(Expression node)
    {
        while (true)
        {
            if (stream.Current.Kind == TokenKind.Pipe) node = ParseFilter(node)!;
            else if (stream.Current.IsName("is")) node = ParseTest(node);
            else if (stream.Current.Kind == TokenKind.LParen) node = ParseCall(node);
            else return node;
        }
    }

    Expression ParseSubscript(Expression node)
    {
        Token token = stream.Take();
        if (token.Kind == TokenKind.Dot)
        {
            Token attribute = stream.Take();
            if (attribute.Kind == TokenKind.Name) return new GetAttribute(node, attribute.Text) { Line = token.Line };
            if (attribute.Kind != TokenKind.Integer) throw Error.Syntax("expected name or number", attribute.Line);
            return new GetItem(node, new Constant(attribute.Value) { Line = attribute.Line }) { Line = token.Line };
        }
        var keys = new List<Expression>();
        while (stream.Current.Kind != TokenKind.RBracket)
        {
            if (keys.Count > 0) stream.Expect(TokenKind.Comma);
            keys.Add(ParseSubscriptKey());
        }
        stream.Expect(TokenKind.RBracket);
        Expression key = keys.Count == 1 ? keys[0] : Built(new TupleLiteral([.. keys]) { Line = token.Line });
        return new GetItem(node, key) { Line = token.Line };
    }

    Expression ParseSubscriptKey()
    {
        int line = stream.Current.Line;
        Expression? start = null, step = null;
        if (!stream.SkipIf(TokenKind.Colon))
        {
            start = Parse();
            if (!stream.SkipIf(TokenKind.Colon)) return start;
        }
        Expression? stop = SliceEnds() ? null : Parse();
        if (stream.SkipIf(TokenKind.Colon) && !SliceEnds()) step = Parse();
        return Built(new Slice(start, stop, step) { Line = line });
    }

    bool SliceEnds() => stream.Current.Kind is TokenKind.Colon or TokenKind.RBracket or TokenKind.Comma;

    public Call ParseCall(Expression callee)
    {
        int line = stream.Current.Line;
        return Built(new Call(callee, ParseArguments()) { Line = line });
    }

    ArgumentList ParseArguments()
    {
        int line = stream.Expect(TokenKind.LParen).Line;
        var positional = new List<Expression>();
        var keywords = new List<(string Name, Expression Value)>();
        Expression? star = null, doubleStar = null;
        for (bool first = true; stream.Current.Kind != TokenKind.RParen; first = false)
        {
            if (!first)
            {
                stream.Expect(TokenKind.Comma);
                if (stream.Current.Kind == TokenKind.RParen) break;
            }
            if (stream.Current.Kind == TokenKind.Mul)
            {
                Ensure(star is null && doubleStar is null);
                stream.Take();
                star = Parse();
            }
            else if (stream.Current.Kind == TokenKind.Pow)
            {
                Ensure(doubleStar is null);
                stream.Take();
                doubleStar = Parse();
            }
            else if (stream.Current.Kind == TokenKind.Name && stream.Next.Kind == TokenKind.Assign)
            {
                Ensure(doubleStar is null);
                string name = stream.Take().Text;
                stream.Take();
                if (keywords.Exists(pair => pair.Name == name))
                    throw Error.Syntax($"keyword argument repeated: {name}", line);
                keywords.Add((name, Parse()));
            }
            else
            {
                Ensure(star is null && doubleStar is null && keywords.Count == 0);
                positional.Add(Parse());
            }
        }
        stream.Expect(TokenKind.RParen);
        return new ArgumentList([.. positional], [.. keywords], star, doubleStar);

        void Ensure(bool condition)
        {
            if (!condition) throw Error.Syntax("invalid syntax for function call expression", line);
        }
    }

    /// <summary>Filters on <paramref name="node"/>; <paramref name="startInline"/>: the first has no bar before
    /// it.</summary>
    public Expression? ParseFilter(Expression? node, bool startInline = false)
    {
        while (stream.Current.Kind == TokenKind.Pipe || startInline)
        {
            if (!startInline) stream.Take();
            startInline = false;
            int line = stream.Current.Line;
            string name = ParseDottedName();
            ArgumentList arguments = stream.Current.Kind == TokenKind.LParen ? ParseArguments() : ArgumentList.Empty;
            node = Built(new FilterCall(node, name, arguments) { Line = line });
        }
        return node;
    }

    string ParseDottedName()
    {
        string name = stream.Expect(TokenKind.Name).Text;
        while (stream.SkipIf(TokenKind.Dot)) name += "." + stream.Expect(TokenKind.Name).Text;
        return name;
    }

    Expression ParseTest(Expression node)
    {
        int line = stream.Take().Line;
        bool negated = stream.SkipIfName("not");
        string name = ParseDottedName();
        ArgumentList arguments = ArgumentList.Empty;
        if (stream.Current.Kind == TokenKind.LParen) arguments = ParseArguments();
        else if (StartsTestArgument(stream.Current))
        {
            if (stream.Current.IsName("is")) throw Error.Syntax("You cannot chain multiple tests with is", line);
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
        }
        Expression test = Built(new TestCall(node, name, arguments) { Line = line });
        return negated ? Built(new Not(test) { Line = line }) : test;
    }

    static bool StartsTestArgument(Token token) => token.Kind switch
    {
        TokenKind.Name => token.Text is not ("else" or "or" or "and"),
        TokenKind.String or TokenKind.Integer or TokenKind.Float => true,
        TokenKind.LParen or TokenKind.LBracket or TokenKind.LBrace => true,
        _ => false,
    };
}
