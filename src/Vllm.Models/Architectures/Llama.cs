using Vllm.Kernels;
using Vllm.Models.Layers;
using Vllm.Models.Loading;

namespace Vllm.Models.Architectures;

/// <summary>Llama and what has its shape (Mistral adds a sliding window): per layer attention with rotary positions and
/// a gated MLP, each behind an RMSNorm and added to the residual stream.</summary>
public sealed class Llama : LanguageModel
{
    readonly ModelContext _context;
    readonly Weight _embedTokens;
    readonly Weight _lmHead;
    readonly Tensor _norm; // [1, hiddenSize]
    readonly Layer[] _layers;
    readonly Tensor _hidden;   // [maxNumTokens, hiddenSize]
    readonly Tensor _residual; // [maxNumTokens, hiddenSize]
    readonly Tensor _sampled;  // [maxNumLogits, hiddenSize]
    readonly Tensor _logits;   // [maxNumLogits, vocabSize]

    public Llama(ModelContext context) : base(context.Config, context.Device)
    {
        _context = context;
        WeightLoader weights = context.Weights;
        _hidden = Device.Allocate(DType.F32, context.MaxNumTokens, Config.HiddenSize);
        _residual = Device.Allocate(DType.F32, context.MaxNumTokens, Config.HiddenSize);
        _sampled = Device.Allocate(DType.F32, context.MaxNumLogits, Config.HiddenSize);
        _logits = Device.Allocate(DType.F32, context.MaxNumLogits, Config.VocabSize);

        _embedTokens = weights.Linear("model.embed_tokens.weight", Config.VocabSize, Config.HiddenSize);
        Tensor cosSin = RotaryEmbedding.CreateTable(context);
        var attentionBuffers = new AttentionBuffers(context);
        var mlpBuffers = new GatedMlpBuffers(context);
        _layers = new Layer[Config.NumHiddenLayers];
        for (int i = 0; i < _layers.Length; i++)
        {
            string prefix = $"model.layers.{i}.";
            _layers[i] = new Layer(
                weights.Vector(prefix + "input_layernorm.weight", Config.HiddenSize),
                new RotaryAttention(context, prefix + "self_attn.", i, cosSin, attentionBuffers),
                weights.Vector(prefix + "post_attention_layernorm.weight", Config.HiddenSize),
                new GatedMlp(context, prefix + "mlp.", mlpBuffers));
        }
        _norm = weights.Vector("model.norm.weight", Config.HiddenSize);
        _lmHead = Config.TieWordEmbeddings
            ? _embedTokens
            : weights.Linear("lm_head.weight", Config.VocabSize, Config.HiddenSize);
    }

    public override long WeightBytes => _context.Weights.SizeBytes;

    public override string WeightFormat => _context.Weights.Format;

    public override Tensor Forward(ReadOnlySpan<int> tokenIds, KvCache cache, AttentionMetadata metadata)
    {
        Tensor hidden = _hidden.Rows(tokenIds.Length);     // [numTokens, hiddenSize]
        Tensor residual = _residual.Rows(tokenIds.Length); // [numTokens, hiddenSize]
        Device.Embed(tokenIds, _embedTokens, residual);
        Device.RmsNorm(residual, _layers[0].InputNorm, Config.RmsNormEps, hidden);
        for (int i = 0; i < _layers.Length; i++)
        {
            Layer layer = _layers[i];
            layer.Attention.Forward(hidden, cache, metadata, hidden);
            Device.AddRmsNorm(hidden, residual, layer.PostAttentionNorm, Config.RmsNormEps, hidden);
            layer.Mlp.Forward(hidden, hidden);
            Tensor nextNorm = i + 1 < _layers.Length ? _layers[i + 1].InputNorm : _norm;
            Device.AddRmsNorm(hidden, residual, nextNorm, Config.RmsNormEps, hidden);
        }
        return hidden;
    }

    public override Tensor ComputeLogits(Tensor hiddenStates, ReadOnlySpan<int> rows)
    {
        Tensor sampled = _sampled.Rows(rows.Length); // [numRows, hiddenSize]
        Tensor logits = _logits.Rows(rows.Length);   // [numRows, vocabSize]
        Device.GatherRows(hiddenStates, rows, sampled);
        Device.Linear(sampled, _lmHead, logits);
        return logits;
    }

    public override void Dispose() => _context.Weights.Dispose();

    sealed record Layer(Tensor InputNorm, RotaryAttention Attention, Tensor PostAttentionNorm, GatedMlp Mlp);
}
