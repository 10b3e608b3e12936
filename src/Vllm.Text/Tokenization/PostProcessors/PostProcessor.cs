namespace Vllm.Text.Tokenization.PostProcessors;

/// <summary>A step that adds special tokens around one or two encoded texts, or corrects their offsets.</summary>
abstract class PostProcessor
{
    public abstract List<EncodedSequence> Process(List<EncodedSequence> sequences, bool addsSpecialTokens);

    /// <summary>Numbers the texts, then runs a post-processor over them if there is one.</summary>
    public static List<EncodedSequence> Run(PostProcessor? processor, List<EncodedSequence> sequences,
        bool addsSpecialTokens)
    {
        for (int i = 0; i < sequences.Count; i++)
        {
            sequences[i].SetSequence(i);
            sequences[i].SetTypeId(i);
        }
        return processor is null ? sequences : processor.Process(sequences, addsSpecialTokens);
    }
}

sealed class PostProcessorSequence(IReadOnlyList<PostProcessor> steps) : PostProcessor
{
    public override List<EncodedSequence> Process(List<EncodedSequence> sequences, bool addsSpecialTokens)
    {
        foreach (PostProcessor step in steps) sequences = step.Process(sequences, addsSpecialTokens);
        return sequences;
    }
}

/// <summary><c>ByteLevel</c>: takes the spaces that belong to tokens out of their offsets.</summary>
sealed class ByteLevelPostProcessor(bool trimsOffsets, bool addsPrefixSpace) : PostProcessor
{
    public override List<EncodedSequence> Process(List<EncodedSequence> sequences, bool addsSpecialTokens)
    {
        if (trimsOffsets)
            foreach (EncodedSequence sequence in sequences) Trim(sequence, addsPrefixSpace);
        return sequences;
    }

    public static void Trim(EncodedSequence sequence, bool addsPrefixSpace)
    {
        for (int i = 0; i < sequence.Tokens.Count; i++)
        {
            EncodedToken token = sequence.Tokens[i];
            int leading = token.Text.TakeWhile(IsSpace).Count();
            int trailing = token.Text.Reverse().TakeWhile(IsSpace).Count();
            // One leading space at the very start was added by the pre-tokenizer: the text has none to take out.
            bool isFirst = i == 0 || token.Start == 0;
            if (isFirst && addsPrefixSpace && leading == 1) leading = 0;
            if (leading > 0) token.Start = Math.Min(token.Start + leading, token.End);
            if (trailing > 0 && token.End >= trailing) token.End = Math.Max(token.End - trailing, token.Start);
            sequence.Tokens[i] = token;
        }
    }

    static bool IsSpace(char c) => c == ByteAlphabet.ToChar((byte)' ') || char.IsWhiteSpace(c);
}

/// <summary><c>BertProcessing</c> and <c>RobertaProcessing</c>: fixed templates.</summary>
sealed class ClassifierPostProcessor(
    (string Text, int Id) cls, (string Text, int Id) sep, bool isRoberta, bool trimsOffsets, bool addsPrefixSpace)
        : PostProcessor
{
    public override List<EncodedSequence> Process(List<EncodedSequence> sequences, bool addsSpecialTokens)
    {
        if (trimsOffsets)
            foreach (EncodedSequence sequence in sequences) ByteLevelPostProcessor.Trim(sequence, addsPrefixSpace);
        // RoBERTa has one token type.
        if (isRoberta)
            foreach (EncodedSequence sequence in sequences) sequence.SetTypeId(0);
        if (!addsSpecialTokens) return sequences;

        for (int i = 0; i < sequences.Count; i++)
        {
            List<EncodedToken> tokens = sequences[i].Tokens;
            int typeId = isRoberta ? 0 : i;
            if (i == 0) tokens.Insert(0, Special(cls, typeId));
            else if (isRoberta) tokens.Insert(0, Special(sep, typeId));
            tokens.Add(Special(sep, typeId));
        }
        return sequences;
    }

    static EncodedToken Special((string Text, int Id) token, int typeId) =>
        new(token.Id, token.Text, 0, 0, typeId, IsSpecial: true);
}

/// <summary>A part of a template: one of the texts (<see cref="Sequence"/> ≥ 0) or special tokens.</summary>
sealed record TemplatePiece(int Sequence, int TypeId, IReadOnlyList<(string Text, int Id)> Special);

/// <summary><c>TemplateProcessing</c>.</summary>
sealed class TemplatePostProcessor(IReadOnlyList<TemplatePiece> single, IReadOnlyList<TemplatePiece> pair)
    : PostProcessor
{
    public override List<EncodedSequence> Process(List<EncodedSequence> sequences, bool addsSpecialTokens)
    {
        var result = new List<EncodedSequence>();
        foreach (TemplatePiece piece in sequences.Count == 1 ? single : pair)
        {
            if (piece.Sequence >= 0) result.Add(Take(sequences[piece.Sequence], piece));
            else if (addsSpecialTokens) result.Add(MakeSpecial(piece));
        }
        return result;
    }

    static EncodedSequence Take(EncodedSequence sequence, TemplatePiece piece)
    {
        EncodedSequence copy = sequence.Copy();
        copy.SetTypeId(piece.TypeId);
        copy.SetSequence(piece.Sequence);
        return copy;
    }

    static EncodedSequence MakeSpecial(TemplatePiece piece)
    {
        var special = new EncodedSequence();
        foreach ((string text, int id) in piece.Special)
            special.Tokens.Add(new EncodedToken(id, text, 0, 0, piece.TypeId, IsSpecial: true));
        return special;
    }
}
