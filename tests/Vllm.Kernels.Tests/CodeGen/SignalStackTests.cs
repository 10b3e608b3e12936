using Vllm.Kernels.Cpu.CodeGen;

namespace Vllm.Tests.CodeGen;

public class SignalStackTests
{
    [Fact]
    public void Enlarge_LeavesNullReferencesToBeCaught()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "tiles are used on Linux only");
        int numCaught = 0;
        for (int i = 0; i < 20; i++) // ends of threads, too
        {
            var thread = new Thread(() =>
            {
                SignalStack.Enlarge();
                bool isCaught = LengthOf(null) < 0;
                if (isCaught && SignalStack.Size >= 64 << 10) numCaught++;
            });
            thread.Start();
            thread.Join();
        }

        Assert.Equal(20, numCaught);
    }

    static int LengthOf(string? text)
    {
        try
        {
            return text!.Length;
        }
        catch (NullReferenceException)
        {
            return -1;
        }
    }
}
