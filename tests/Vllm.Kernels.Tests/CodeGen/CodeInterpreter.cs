using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels.Memory;

namespace Vllm.Tests.CodeGen;

/// <summary>
/// Executes machine code of emitted kernels instruction by instruction, on real memory, by the manual's definitions:
/// for instructions that this machine lacks. Knows what the kernels use, without masks, and fails on anything else.
/// </summary>
sealed class CodeInterpreter : IDisposable
{
    const int StackBytes = 64 << 10, VectorBytes = 64;
    const ulong ReturnAddress = ulong.MaxValue;

    readonly Dictionary<ulong, Instruction> _code = [];
    readonly Dictionary<Mnemonic, Action<Instruction>> _table;
    readonly ulong[] _registers = new ulong[16];
    readonly byte[][] _vectors = [.. Enumerable.Range(0, 32).Select(_ => new byte[VectorBytes])];
    readonly NativeBuffer _stack = new(StackBytes);
    readonly TileUnit _tiles = new();

    /// <summary>What was compared last; the result of other arithmetic and zero.</summary>
    (long Left, long Right, bool HasOrder) _flags;
    ulong _next;

    public CodeInterpreter(byte[] code)
    {
        var decoder = Decoder.Create(64, code, ip: 0);
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            _code.Add(instruction.IP, instruction);
        }

        _table = ScalarTable().Concat(VectorTable()).Concat(TileTable()).ToDictionary();
    }

    /// <summary>Kernels are emitted for the system's calling convention; this knows one.</summary>
    public static bool KnowsCallingConvention => !OperatingSystem.IsWindows();

    /// <summary>Instructions executed so far, by name.</summary>
    public Dictionary<Mnemonic, int> Counts { get; } = [];

    /// <summary>Calls the code as <c>void f(arguments)</c> by the System V convention.</summary>
    public void Run(nint arguments)
    {
        Array.Fill(_registers, 0xDEAD_BEEF_DEAD_BEEF); // nobody may rely on what was there
        foreach (byte[] vector in _vectors) vector.AsSpan().Fill(0xFF);
        ulong[] owned = [.. CallersRegisters.Select(register => _registers[Index(register)])];
        _registers[Index(Register.RDI)] = (ulong)arguments;
        _registers[Index(Register.RSP)] = (ulong)_stack.Address + StackBytes - 8; // as after a call
        Push(ReturnAddress);
        for (_next = 0; _next != ReturnAddress;)
        {
            Instruction instruction = _code[_next];
            _next = instruction.NextIP;
            if (!_table.TryGetValue(instruction.Mnemonic, out Action<Instruction>? execute) || instruction.HasOpMask)
                throw new NotSupportedException(instruction.ToString());
            Counts[instruction.Mnemonic] = Counts.GetValueOrDefault(instruction.Mnemonic) + 1;
            execute(instruction);
        }

        Assert.Equal(owned, CallersRegisters.Select(register => _registers[Index(register)]));
        Assert.Equal((ulong)_stack.Address + StackBytes - 8, _registers[Index(Register.RSP)]);
        Assert.False(_tiles.IsConfigured, "tiles were not released");
    }

    public void Dispose() => _stack.Dispose();

    static Register[] CallersRegisters =>
        [Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15];

    Dictionary<Mnemonic, Action<Instruction>> ScalarTable() => new()
    {
        [Mnemonic.Push] = i => Push(Get(i, 0)),
        [Mnemonic.Pop] = i => Set(i, 0, Pop()),
        [Mnemonic.Ret] = _ => _next = Pop(),
        [Mnemonic.Mov] = i => Set(i, 0, Get(i, 1)),
        [Mnemonic.Lea] = i => Set(i, 0, Address(i)),
        [Mnemonic.Add] = i => Compute(i, Get(i, 0) + Get(i, 1)),
        [Mnemonic.Sub] = i => Compute(i, Get(i, 0) - Get(i, 1)),
        [Mnemonic.And] = i => Compute(i, Get(i, 0) & Get(i, 1)),
        [Mnemonic.Dec] = i => Compute(i, Get(i, 0) - 1),
        [Mnemonic.Imul] = i => Compute(i, Get(i, 1) * Get(i, 2)),
        [Mnemonic.Cmp] = i => _flags = ((long)Get(i, 0), (long)Get(i, 1), true),
        [Mnemonic.Test] = i => _flags = ((long)(Get(i, 0) & Get(i, 1)), 0, false),
        [Mnemonic.Je] = i => JumpIf(i, _flags.Left == _flags.Right),
        [Mnemonic.Jne] = i => JumpIf(i, _flags.Left != _flags.Right),
        [Mnemonic.Jb] = i => JumpIf(i, Ordered && (ulong)_flags.Left < (ulong)_flags.Right),
        [Mnemonic.Jmp] = i => JumpIf(i, true),
        [Mnemonic.Cmovg] = i => Set(i, 0, Ordered && _flags.Left > _flags.Right ? Get(i, 1) : Get(i, 0)),
        [Mnemonic.Nop] = _ => { },
        [Mnemonic.Prefetcht1] = _ => { },
    };

    Dictionary<Mnemonic, Action<Instruction>> VectorTable() => new()
    {
        [Mnemonic.Vmovaps] = MoveAligned,
        [Mnemonic.Vmovdqa64] = MoveAligned,
        [Mnemonic.Vmovups] = Move,
        [Mnemonic.Vmovdqu64] = Move,
        [Mnemonic.Vpxord] = i => Lanes(i, (_, a, b) => a ^ b),
        [Mnemonic.Vpandd] = i => Lanes(i, (_, a, b) => a & b),
        [Mnemonic.Vpslld] = i => Lanes(i, (_, a, _) => a << i.Immediate8),
        [Mnemonic.Vpsrld] = i => Lanes(i, (_, a, _) => (int)((uint)a >> i.Immediate8)),
        [Mnemonic.Vpternlogd] = i => Lanes(i, (d, a, b) => Ternary(i.Immediate8, d, a, b)),
        [Mnemonic.Vpbroadcastd] = i => Lanes(i, (_, a, _) => a),
        [Mnemonic.Vbroadcastss] = i => Lanes(i, (_, a, _) => a),
        [Mnemonic.Vpdpbusd] = i => Lanes(i, Dot),
        [Mnemonic.Vcvtdq2ps] = i => Lanes(i, (_, a, _) => Bits(a)),
        [Mnemonic.Vmulps] = i => Floats(i, (_, a, b) => a * b),
        [Mnemonic.Vfmadd231ps] = i => Floats(i, (d, a, b) => MathF.FusedMultiplyAdd(a, b, d)),
        [Mnemonic.Vcvtph2ps] = i => Widen(i, 2, source => Bits((float)BitConverter.ToHalf(source))),
        [Mnemonic.Vpmovsxbd] = i => Widen(i, 1, source => (sbyte)source[0]),
        [Mnemonic.Vzeroupper] = _ => { },
    };

    Dictionary<Mnemonic, Action<Instruction>> TileTable() => new()
    {
        [Mnemonic.Ldtilecfg] = i => _tiles.Configure(Read(Address(i), 64)),
        [Mnemonic.Tilerelease] = _ => _tiles.Release(),
        [Mnemonic.Tilezero] = i => _tiles.Zero(Tile(i, 0)),
        [Mnemonic.Tileloadd] = i =>
            _tiles.Load(Tile(i, 0), (row, numBytes) => Read(RowAddress(i, row), numBytes)),
        [Mnemonic.Tilestored] = i => _tiles.Store(Tile(i, 1), (row, bytes) => Write(RowAddress(i, row), bytes)),
        [Mnemonic.Tdpbssd] = i => _tiles.Multiply(Tile(i, 0), Tile(i, 1), Tile(i, 2), TileUnit.AddBytes),
        [Mnemonic.Tdpbf16ps] = i => _tiles.Multiply(Tile(i, 0), Tile(i, 1), Tile(i, 2), TileUnit.AddBFloat16),
    };

    /// <summary>Unsigned bytes by signed bytes.</summary>
    static int Dot(int sum, int a, int b)
    {
        for (int shift = 0; shift < 32; shift += 8) sum += (byte)(a >> shift) * (sbyte)(b >> shift);
        return sum;
    }

    static int Ternary(byte table, int a, int b, int c)
    {
        int result = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            int index = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | c >> bit & 1;
            result |= (table >> index & 1) << bit;
        }

        return result;
    }

    bool Ordered => _flags.HasOrder ? true : throw new NotSupportedException("order after arithmetic");

    void JumpIf(Instruction i, bool condition)
    {
        if (condition) _next = i.NearBranchTarget;
    }

    void Compute(Instruction i, ulong result)
    {
        Set(i, 0, result);
        _flags = ((long)result, 0, false);
    }

    void Push(ulong value)
    {
        _registers[Index(Register.RSP)] -= 8;
        Write(_registers[Index(Register.RSP)], BitConverter.GetBytes(value));
    }

    ulong Pop()
    {
        ulong value = BitConverter.ToUInt64(Read(_registers[Index(Register.RSP)], 8));
        _registers[Index(Register.RSP)] += 8;
        return value;
    }

    /// <summary>A whole register, memory (sign-extended) or an immediate.</summary>
    ulong Get(Instruction i, int operand) => i.GetOpKind(operand) switch
    {
        OpKind.Register => _registers[Index(i.GetOpRegister(operand))],
        OpKind.Memory => i.MemorySize.GetSize() == 8
            ? BitConverter.ToUInt64(Read(Address(i), 8))
            : throw new NotSupportedException(i.ToString()),
        _ => i.GetImmediate(operand),
    };

    void Set(Instruction i, int operand, ulong value)
    {
        if (i.GetOpKind(operand) == OpKind.Register) _registers[Index(i.GetOpRegister(operand))] = value;
        else Write(Address(i), BitConverter.GetBytes(value)[..i.MemorySize.GetSize()]);
    }

    ulong Address(Instruction i) => unchecked(
        _registers[Index(i.MemoryBase)]
        + (i.MemoryIndex == Register.None ? 0 : _registers[Index(i.MemoryIndex)] * (ulong)i.MemoryIndexScale)
        + i.MemoryDisplacement64);

    /// <summary>Of a row of a tile: the index register is the distance of rows.</summary>
    ulong RowAddress(Instruction i, int row)
    {
        ulong stride = _registers[Index(i.MemoryIndex)] * (ulong)i.MemoryIndexScale;
        return unchecked(_registers[Index(i.MemoryBase)] + (ulong)row * stride + i.MemoryDisplacement64);
    }

    static int Index(Register register) => register is >= Register.RAX and <= Register.R15
        ? register - Register.RAX
        : throw new NotSupportedException(register.ToString());

    static int Tile(Instruction i, int operand) => i.GetOpRegister(operand) - Register.TMM0;

    void MoveAligned(Instruction i)
    {
        bool isMemory = i.Op0Kind == OpKind.Memory || i.Op1Kind == OpKind.Memory;
        Assert.False(isMemory && Address(i) % VectorBytes != 0, i.ToString());
        Move(i);
    }

    void Move(Instruction i)
    {
        byte[] value = MemoryMarshal.AsBytes<int>(Words(i, 1)).ToArray();
        if (i.Op0Kind == OpKind.Memory) Write(Address(i), value);
        else value.CopyTo(Vector(i.Op0Register), 0);
    }

    /// <summary>Lane by lane: the result of the lane before, the first and the second source.</summary>
    void Lanes(Instruction i, Func<int, int, int, int> result)
    {
        int last = i.GetOpKind(i.OpCount - 1) == OpKind.Immediate8 ? i.OpCount - 2 : i.OpCount - 1;
        Span<int> target = MemoryMarshal.Cast<byte, int>(Vector(i.Op0Register).AsSpan());
        ReadOnlySpan<int> first = Words(i, 1), second = Words(i, last);
        for (int lane = 0; lane < target.Length; lane++)
            target[lane] = result(target[lane], first[lane], second[lane]);
    }

    void Floats(Instruction i, Func<float, float, float, float> result)
    {
        Lanes(i, (d, a, b) => Bits(result(Float(d), Float(a), Float(b))));
        static float Float(int bits) => BitConverter.Int32BitsToSingle(bits);
    }

    static int Bits(float value) => BitConverter.SingleToInt32Bits(value);

    /// <summary>Sixteen elements of memory to sixteen lanes.</summary>
    void Widen(Instruction i, int elementBytes, Func<byte[], int> result)
    {
        ulong address = Address(i);
        Span<int> target = MemoryMarshal.Cast<byte, int>(Vector(i.Op0Register).AsSpan());
        for (int lane = 0; lane < target.Length; lane++)
            target[lane] = result(Read(address + (ulong)(lane * elementBytes), elementBytes));
    }

    /// <summary>A vector operand; one word of memory stands for sixteen.</summary>
    int[] Words(Instruction i, int operand)
    {
        const int NumWords = VectorBytes / sizeof(int);
        if (i.GetOpKind(operand) == OpKind.Register)
            return MemoryMarshal.Cast<byte, int>(Vector(i.GetOpRegister(operand)).AsSpan()).ToArray();
        bool isOneWord = i.IsBroadcast || i.MemorySize.GetSize() == sizeof(int);
        byte[] bytes = Read(Address(i), isOneWord ? sizeof(int) : VectorBytes);
        return isOneWord
            ? [.. Enumerable.Repeat(BitConverter.ToInt32(bytes), NumWords)]
            : MemoryMarshal.Cast<byte, int>(bytes.AsSpan()).ToArray();
    }

    byte[] Vector(Register register) => register is >= Register.ZMM0 and <= Register.ZMM31
        ? _vectors[register - Register.ZMM0]
        : throw new NotSupportedException(register.ToString());

    static byte[] Read(ulong address, int numBytes)
    {
        byte[] bytes = new byte[numBytes];
        Marshal.Copy((nint)address, bytes, 0, numBytes);
        return bytes;
    }

    static void Write(ulong address, byte[] bytes) => Marshal.Copy(bytes, 0, (nint)address, bytes.Length);
}
