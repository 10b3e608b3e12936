using System.Collections.Immutable;
using FsCheck;
using FsCheck.Experimental;
using FsCheck.Fluent;
using Vllm.Engine.KvCache;

namespace Vllm.Engine.Tests.KvCache;

/// <summary>The block pool and its prefix cache against a model of lists: any sequence of operations leaves the same
/// free queue, references and findable contents. A failure is shrunk to the shortest sequence and printed.</summary>
public class BlockPoolModelTests
{
    const int NumBlocks = 7; // 6 usable
    const int NumContents = 4;

    [Fact]
    public void AnySequence_EqualsTheModel() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(1000), new PoolMachine().ToProperty());

    sealed class Pool
    {
        public Pool()
        {
            Cache = new PrefixCache(NumBlocks, blockSize: 1);
            Blocks = new BlockPool(NumBlocks, Cache);
        }

        public BlockPool Blocks { get; }
        public PrefixCache Cache { get; }
    }

    /// <param name="Free">Free blocks, next to be handed out first.</param>
    /// <param name="RefCounts">Per block.</param>
    /// <param name="Cached">Cached blocks with their contents, oldest first.</param>
    /// <param name="Answer">What the last operation returned, a block id or 0.</param>
    sealed record Model(
        ImmutableList<int> Free, ImmutableList<int> RefCounts, ImmutableList<(int Block, int Content)> Cached, int Answer)
    {
        public IEnumerable<int> Held => Enumerable.Range(1, NumBlocks - 1).Where(id => RefCounts[id] > 0);

        public bool IsCached(int id) => Cached.Any(entry => entry.Block == id);

        public Model AddReferences(int id, int num) => this with { RefCounts = RefCounts.SetItem(id, RefCounts[id] + num) };
    }

    sealed class PoolMachine : Machine<Pool, Model>
    {
        public override Arbitrary<Setup<Pool, Model>> Setup => Arb.From(Gen.Constant<Setup<Pool, Model>>(new NewPool()));

        public override Gen<Operation<Pool, Model>> Next(Model model)
        {
            Gen<int> block = Gen.Choose(1, NumBlocks - 1), content = Gen.Choose(1, NumContents);
            var table = Gen.Shuffle(model.Held.ToArray()).SelectMany(
                ids => Gen.Choose(0, ids.Length), (ids, num) => ids.Take(num).ToArray());
            return Gen.Frequency(
                (4, Gen.Constant<Operation<Pool, Model>>(new Take())),
                (4, block.SelectMany(id => content, (id, c) => (Operation<Pool, Model>)new Cache(id, c))),
                (2, block.Select(id => (Operation<Pool, Model>)new Share(id))),
                (3, table.Select(ids => (Operation<Pool, Model>)new FreeTable(ids))),
                (2, content.Select(c => (Operation<Pool, Model>)new Find(c))),
                (1, Gen.Constant<Operation<Pool, Model>>(new Clear())));
        }
    }

    sealed class NewPool : Setup<Pool, Model>
    {
        public override Pool Actual() => new();

        public override Model Model() => new(
            [.. Enumerable.Range(1, NumBlocks - 1)], [.. new int[NumBlocks]], [], Answer: 0);
    }

    /// <summary>An operation, and what must be equal after each.</summary>
    abstract class PoolOperation : Operation<Pool, Model>
    {
        public override Property Check(Pool actual, Model expected)
        {
            int answer = Apply(actual);
            actual.Blocks.CheckIntegrity([.. expected.RefCounts]);
            return (answer == expected.Answer).Label($"answer {answer}, expected {expected.Answer}")
                .And(actual.Blocks.FreeBlocks.Select(block => block.Id).SequenceEqual(expected.Free)
                    .Label($"free {string.Join(' ', expected.Free)} expected"))
                .And(Enumerable.Range(1, NumBlocks - 1).All(id => actual.Blocks[id].IsCached == expected.IsCached(id))
                    .Label("cached blocks"));
        }

        /// <summary>The id of the block that the operation gives, or 0.</summary>
        protected abstract int Apply(Pool actual);
    }

    sealed class Take : PoolOperation
    {
        public override bool Pre(Model model) => model.Free.Count > 0;

        protected override int Apply(Pool actual) => actual.Blocks.Take().Id;

        public override Model Run(Model model)
        {
            int first = model.Free[0];
            return model.AddReferences(first, 1) with
            {
                Free = model.Free.RemoveAt(0),
                Cached = model.Cached.RemoveAll(entry => entry.Block == first),
                Answer = first,
            };
        }

        public override string ToString() => "Take";
    }

    sealed class Cache(int id, int content) : PoolOperation
    {
        public override bool Pre(Model model) => model.RefCounts[id] > 0 && !model.IsCached(id);

        protected override int Apply(Pool actual)
        {
            actual.Cache.Add(actual.Blocks[id], HashOf(content), [content]);
            return 0;
        }

        public override Model Run(Model model) => model with { Cached = model.Cached.Add((id, content)), Answer = 0 };

        public override string ToString() => $"Cache block {id} as {content}";
    }

    sealed class Share(int id) : PoolOperation
    {
        public override bool Pre(Model model) => model.IsCached(id);

        protected override int Apply(Pool actual)
        {
            actual.Blocks.AddReference(actual.Blocks[id]);
            return 0;
        }

        public override Model Run(Model model) =>
            model.AddReferences(id, 1) with { Free = model.Free.Remove(id), Answer = 0 };

        public override string ToString() => $"Share block {id}";
    }

    /// <summary>What is cached goes to the end, last block first; the rest to the front, so that the last is next.</summary>
    sealed class FreeTable(int[] ids) : PoolOperation
    {
        public override bool Pre(Model model) => ids.All(id => model.RefCounts[id] > 0);

        protected override int Apply(Pool actual)
        {
            actual.Blocks.Free(ids);
            return 0;
        }

        public override Model Run(Model model)
        {
            Model freed = ids.Aggregate(model, (current, id) => current.AddReferences(id, -1));
            int[] released = [.. ids.Reverse().Where(id => freed.RefCounts[id] == 0)];
            return freed with
            {
                Free = [.. released.Where(id => !model.IsCached(id)), .. model.Free, .. released.Where(model.IsCached)],
                Answer = 0,
            };
        }

        public override string ToString() => $"Free [{string.Join(' ', ids)}]";
    }

    sealed class Find(int content) : PoolOperation
    {
        protected override int Apply(Pool actual) => actual.Cache.Find(HashOf(content), [content])?.Id ?? 0;

        public override Model Run(Model model) =>
            model with { Answer = model.Cached.FirstOrDefault(entry => entry.Content == content).Block };

        public override string ToString() => $"Find {content}";
    }

    sealed class Clear : PoolOperation
    {
        protected override int Apply(Pool actual)
        {
            actual.Blocks.ClearPrefixCache();
            return 0;
        }

        public override Model Run(Model model) => model with { Cached = [], Answer = 0 };

        public override string ToString() => "Clear";
    }

    /// <summary>Two contents share each hash, so that token ids have to tell them apart.</summary>
    static BlockHash HashOf(int content) => new((ulong)content / 2, 0, 0, 0);
}
