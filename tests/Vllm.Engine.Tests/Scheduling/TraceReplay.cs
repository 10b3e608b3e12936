using System.Text.Json;
using System.Text.Json.Nodes;
using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using Vllm.Tests;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Plays a recorded trace of vLLM's scheduler against ours and writes each step down in the trace's own
/// format, so that a step is right when the two texts are equal.</summary>
sealed class TraceReplay
{
    /// <summary>The traces give the free queue of pools up to this size.</summary>
    const int MaxBlocksOfListedPool = 40;

    readonly JsonElement _trace;
    readonly Scheduler _scheduler;
    readonly SchedulerOptions _options;
    readonly Dictionary<string, int[]> _outputs = [];
    readonly bool _listsTables;

    public TraceReplay(JsonElement trace)
    {
        _trace = trace;
        _options = ReadOptions(trace.GetProperty("config"));
        _scheduler = new Scheduler(_options);
        _listsTables = !HasTag(trace, "large");
    }

    /// <summary>One full-attention group, no speculation, no asynchronous scheduling, no LoRA.</summary>
    public static bool IsSupported(JsonElement trace)
    {
        JsonElement config = trace.GetProperty("config"), groups = trace.GetProperty("groups");
        return groups.GetArrayLength() == 1
            && groups[0].GetProperty("type").GetString() == "full"
            && !groups[0].TryGetProperty("block_size", out _)
            && config.GetProperty("spec").ValueKind == JsonValueKind.Null
            && config.GetProperty("max_loras").ValueKind == JsonValueKind.Null
            && config.GetProperty("hash_algo").GetString() == "sha256_cbor"
            && !config.GetProperty("async_scheduling").GetBoolean();
    }

    public void Run()
    {
        JsonElement steps = _trace.GetProperty("steps");
        for (int step = 0; step < steps.GetArrayLength(); step++)
            AssertStep(step, Parse(steps[step]), PlayStep(step));
        Assert.Equal(_trace.GetProperty("num_preemptions").GetInt64(), _scheduler.NumPreemptions);
        Assert.Equal(_trace.GetProperty("complete").GetBoolean(), !_scheduler.HasRequests);
    }

    static void AssertStep(int step, JsonObject expected, JsonObject actual)
    {
        foreach (string key in expected.Select(p => p.Key).Union(actual.Select(p => p.Key)))
        {
            string want = Text(expected[key]), got = Text(actual[key]);
            Assert.True(want == got, $"step {step}, {key}:\n expected {want}\n actual   {got}");
        }
    }

    JsonObject PlayStep(int step)
    {
        var record = new JsonObject { ["step"] = step };
        var stats = new StatsReader(_scheduler);
        record["added"] = AddArrivals(step);
        PlayEvents(step, "before", record, "aborted");

        var before = _scheduler.Running.ToDictionary(r => r, r => r.BlockTable.Count);
        SchedulerOutput output = _scheduler.Schedule();
        _scheduler.CheckIntegrity();
        RecordSchedule(output, before, record);
        record["prefix_stats"] = stats.Read();
        PlayEvents(step, "between", record, "aborted_between");

        Update(output, record);
        _scheduler.CheckIntegrity();
        return record;
    }

    JsonArray AddArrivals(int step)
    {
        var added = new JsonArray();
        foreach (JsonElement spec in _trace.GetProperty("requests").EnumerateArray())
        {
            if (spec.GetProperty("arrival_step").GetInt32() != step) continue;
            Request request = ReadRequest(spec);
            _outputs[request.Id] = Ints(spec.GetProperty("outputs"));
            _scheduler.Add(request);
            added.Add(request.Id);
        }
        return added;
    }

    void PlayEvents(int step, string when, JsonObject record, string key)
    {
        var aborted = new List<string>();
        foreach (JsonElement e in _trace.GetProperty("events").EnumerateArray())
        {
            if (e.GetProperty("step").GetInt32() != step || String(e, "when", "before") != when) continue;
            if (e.GetProperty("type").GetString() == "abort")
                aborted.AddRange(e.GetProperty("ids").EnumerateArray()
                    .Select(id => id.GetString()!).Where(id => _scheduler.Finish(id, FinishReason.Abort)));
            else
                ResetPrefixCache(IsSet(e, "reset_running"), record);
            _scheduler.CheckIntegrity();
        }
        record[key] = Array(aborted.Order(StringComparer.Ordinal));
    }

    void ResetPrefixCache(bool resetRunning, JsonObject record)
    {
        Request[] running = [.. _scheduler.Running];
        record["reset_result"] = _scheduler.ResetPrefixCache(resetRunning);
        record["reset_preempted"] = Array(
            running.Reverse().Where(r => r.Status == RequestStatus.Preempted).Select(r => r.Id));
    }

    void RecordSchedule(SchedulerOutput output, Dictionary<Request, int> numBlocksBefore, JsonObject record)
    {
        ScheduledRequest[] admitted = [.. output.Scheduled
            .Where(s => !numBlocksBefore.ContainsKey(s.Request))
            .OrderBy(s => s.Request.NumPreemptions > 0)]; // new ones first
        record["scheduled"] = Map(output.Scheduled, s => s.Request.Id, s => s.NumTokens);
        record["new"] = Array(admitted.Where(s => s.Request.NumPreemptions == 0).Select(s => s.Request.Id));
        record["resumed"] = Array(admitted.Where(s => s.Request.NumPreemptions > 0).Select(s => s.Request.Id));
        record["preempted"] = Array(output.Preempted.Select(r => r.Id));
        record["num_computed"] = Map(output.Scheduled, s => s.Request.Id, s => s.NumComputedTokens);
        record["prefix_hit"] = Map(admitted, s => s.Request.Id, s => s.NumComputedTokens);
        record["new_block_ids"] = Map(
            output.Scheduled.Where(s => s.BlockIds.Length > numBlocksBefore.GetValueOrDefault(s.Request)),
            s => s.Request.Id, s => OneGroup(s.BlockIds.Span[numBlocksBefore.GetValueOrDefault(s.Request)..]));
        if (_listsTables)
            record["block_ids"] = Map(_scheduler.Running, r => r.Id, r => OneGroup(r.BlockTable.Ids.Span));
        record["notified_finished"] = Array(output.Finished.Select(r => r.Id).Order(StringComparer.Ordinal));
        record["running"] = Array(_scheduler.Running.Select(r => r.Id));
        record["waiting"] = Array(_scheduler.Waiting.Select(r => r.Id));
        record["free_blocks"] = _scheduler.KvCache.NumFreeBlocks;
        Assert.Equal(output.Scheduled.Sum(s => s.NumTokens), output.TotalNumScheduledTokens);
    }

    void Update(SchedulerOutput output, JsonObject record)
    {
        ScheduledRequest[] producing = [.. output.Scheduled.Where(s => s.ProducesToken)];
        var numOutputsBefore = producing.ToDictionary(s => s.Request, s => s.Request.NumOutputTokens);
        int[] tokens = [.. producing.Select(s => _outputs[s.Request.Id][s.Request.NumOutputTokens])];
        var finished = new List<Request>();
        _scheduler.Update(output, tokens, finished);

        record["sampled"] = Map(
            producing.Where(s => s.Request.NumOutputTokens > numOutputsBefore[s.Request]),
            s => s.Request.Id, s => Array(s.Request.OutputTokenIds[numOutputsBefore[s.Request]..].ToArray()));
        record["finished"] = Map(finished, r => r.Id, DescribeEnd);
        record["running_after"] = Array(_scheduler.Running.Select(r => r.Id));
        record["free_blocks_after"] = _scheduler.KvCache.NumFreeBlocks;
        record["cached_hashes_after"] = _scheduler.KvCache.NumCachedHashes;
        if (_options.NumBlocks <= MaxBlocksOfListedPool)
            record["free_queue_after"] = Array(_scheduler.KvCache.FreeBlockIds);
    }

    static JsonObject DescribeEnd(Request request)
    {
        (string reason, string status, JsonNode? stopReason) = request.FinishReason switch
        {
            FinishReason.Stop => ("stop", "FINISHED_STOPPED", request.StopTokenId),
            FinishReason.Length => ("length", "FINISHED_LENGTH_CAPPED", null),
            FinishReason.Repetition => ("repetition", "FINISHED_REPETITION", (JsonNode?)"repetition_detected"),
            var other => throw new InvalidOperationException($"finish reason {other} after an update"),
        };
        return new JsonObject { ["reason"] = reason, ["stop_reason"] = stopReason, ["status"] = status };
    }

    static SchedulerOptions ReadOptions(JsonElement config) => new()
    {
        MaxNumSeqs = Int(config, "max_num_seqs"),
        MaxNumActiveSeqs = NullableInt(config, "max_num_active_seqs"),
        MaxNumBatchedTokens = Int(config, "max_num_batched_tokens"),
        MaxNumScheduledTokens = NullableInt(config, "max_num_scheduled_tokens"),
        MaxModelLen = Int(config, "max_model_len"),
        BlockSize = Int(config, "block_size"),
        NumBlocks = Int(config, "num_blocks"),
        EnablePrefixCaching = config.GetProperty("enable_prefix_caching").GetBoolean(),
        EnableChunkedPrefill = config.GetProperty("enable_chunked_prefill").GetBoolean(),
        Policy = Enum.Parse<SchedulingPolicy>(config.GetProperty("policy").GetString()!, ignoreCase: true),
        LongPrefillTokenThreshold = Int(config, "long_prefill_token_threshold"),
        LongPrefillTokenThresholdAdaptive = config.GetProperty("long_prefill_token_threshold_adaptive").GetBoolean(),
        Watermark = config.GetProperty("watermark").GetDouble(),
        SchedulerReserveFullIsl = config.GetProperty("scheduler_reserve_full_isl").GetBoolean(),
    };

    static Request ReadRequest(JsonElement spec)
    {
        var sampling = new SamplingParams
        {
            StopTokenIds = spec.TryGetProperty("stop_token_ids", out JsonElement ids) ? Ints(ids) : [],
            MinTokens = NullableInt(spec, "min_tokens") ?? 0,
            SkipReadingPrefixCache = IsSet(spec, "skip_reading_prefix_cache"),
            RepetitionDetection = spec.TryGetProperty("repetition_detection", out JsonElement d)
                ? new RepetitionDetectionParams
                {
                    MaxPatternSize = Int(d, "max_pattern_size"),
                    MinPatternSize = Int(d, "min_pattern_size"),
                    MinCount = Int(d, "min_count"),
                }
                : null,
        };
        int[] prompt = [.. spec.GetProperty("prompt").EnumerateArray().Select(Ints)
            .SelectMany(segment => Enumerable.Range(0, segment[2]).Select(i => segment[0] + segment[1] * i))];
        return new Request(spec.GetProperty("id").GetString()!, prompt, sampling, Int(spec, "max_tokens"))
        {
            EosTokenId = IsSet(spec, "ignore_eos") ? null : NullableInt(spec, "eos_token_id"),
            Priority = NullableInt(spec, "priority") ?? 0,
            ArrivalTime = spec.GetProperty("arrival_time").GetDouble(),
            CacheSalt = String(spec, "cache_salt", null),
        };
    }

    public static bool HasTag(JsonElement trace, string tag) =>
        trace.GetProperty("tags").EnumerateArray().Any(t => t.GetString() == tag);

    static int? NullableInt(JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetInt32()
            : null;

    static int Int(JsonElement element, string key) => element.GetProperty(key).GetInt32();

    static bool IsSet(JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    static string? String(JsonElement element, string key, string? otherwise) =>
        element.TryGetProperty(key, out JsonElement value) ? value.GetString() : otherwise;

    static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(v => v.GetInt32())];

    static JsonArray Array<T>(IEnumerable<T> values) => [.. values.Select(v => (JsonNode?)JsonValue.Create(v))];

    static JsonArray OneGroup(ReadOnlySpan<int> blockIds) => [Array(blockIds.ToArray())];

    static JsonObject Map<T>(IEnumerable<T> items, Func<T, string> key, Func<T, JsonNode?> value) =>
        new(items.Select(item => KeyValuePair.Create(key(item), value(item))));

    static JsonObject Parse(JsonElement element) => JsonObject.Create(element)!;

    /// <summary>An empty list and an absent one are the same in a trace.</summary>
    static string Text(JsonNode? node) => node?.ToJsonString() is { } text and not ("[]" or "{}") ? text : "";

    /// <summary>Prefix statistics counted since it was made, in a trace's words; null when nothing was.</summary>
    sealed class StatsReader(Scheduler scheduler)
    {
        readonly long[] _before = Values(scheduler);

        public JsonObject? Read()
        {
            string[] names =
                ["requests", "queries", "hits", "preempted_requests", "preempted_queries", "preempted_hits"];
            long[] counted = [.. Values(scheduler).Zip(_before, (now, before) => now - before)];
            return counted.All(v => v == 0) ? null : Map(Enumerable.Range(0, 6), i => names[i], i => counted[i]);
        }

        static long[] Values(Scheduler scheduler)
        {
            PrefixCacheStats stats = scheduler.KvCache.PrefixCacheStats;
            PrefixCacheStats preempted = scheduler.KvCache.PreemptedPrefixCacheStats;
            return [stats.NumRequests, stats.NumQueriedTokens, stats.NumHitTokens,
                preempted.NumRequests, preempted.NumQueriedTokens, preempted.NumHitTokens];
        }
    }
}
