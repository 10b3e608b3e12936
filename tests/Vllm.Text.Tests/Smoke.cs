namespace Vllm.Tests; public class Smoke { [Fact] public void Root_IsFound() => Assert.True(Directory.Exists(Fixtures.RepositoryRoot)); }
