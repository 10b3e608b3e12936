using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Developer;

/// <summary>The routes of <c>VLLM_SERVER_DEV_MODE=1</c>: they let whoever reaches the server change its
/// state.</summary>
sealed class DeveloperEndpoints(AsyncLLM engine, ActiveRequests active)
{
    /// <summary>Routes of the same mode for what does not exist here.</summary>
    public static readonly (string Method, string Path)[] NotSupported =
    [
        ("POST", "/sleep"), ("POST", "/wake_up"), ("POST", "/release_kv_cache_memory"), ("POST", "/collective_rpc"),
        ("POST", "/init_weight_transfer_engine"), ("POST", "/shutdown_weight_transfer_engine"),
        ("POST", "/start_weight_update"), ("POST", "/start_draft_weight_update"), ("POST", "/update_weights"),
        ("POST", "/finish_weight_update"), ("POST", "/update_weight_version"), ("POST", "/weight_checker"),
        ("GET", "/weight_info"),
    ];

    /// <summary><c>POST /reset_prefix_cache</c>. It fails while requests use its blocks, unless
    /// <c>reset_running_requests</c> ends those first. There is no external cache to reset.</summary>
    public async Task ResetPrefixCache(HttpContext context)
    {
        if (Flag(context, "reset_running_requests"))
        {
            active.Abort(null);
            await active.Drained(context.RequestAborted);
        }
        bool isReset = await engine.ResetPrefixCacheAsync();
        await Respond(context, isReset, static (json, isReset) => json.WriteBoolean("success", isReset));
    }

    /// <summary>Caches that only models for images and sound have: none to reset.</summary>
    public static Task ResetNothing(HttpContext context)
    {
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    /// <summary><c>POST /pause?mode=abort|wait&amp;clear_cache=true</c>: new requests wait until <c>/resume</c>; those
    /// under way are ended, or waited for.</summary>
    public async Task Pause(HttpContext context)
    {
        string mode = context.Request.Query.TryGetValue("mode", out var given) ? given.ToString() : "abort";
        if (mode == "keep") throw RequestException.NotSupportedYet("mode=keep");
        if (mode is not ("abort" or "wait"))
            throw RequestException.BadRequest($"mode must be abort or wait, got '{mode}'.", "mode");
        active.Pause();
        if (mode == "abort") active.Abort(null);
        await active.Drained(context.RequestAborted);
        if (Flag(context, "clear_cache", defaultValue: true)) await engine.ResetPrefixCacheAsync();
        await Respond(context, "status", static (json, name) => json.WriteString(name, "paused"));
    }

    public Task Resume(HttpContext context)
    {
        active.Resume();
        return Respond(context, "status", static (json, name) => json.WriteString(name, "resumed"));
    }

    public Task IsPaused(HttpContext context) =>
        Respond(context, active.IsPaused, static (json, isPaused) => json.WriteBoolean("is_paused", isPaused));

    public static Task IsSleeping(HttpContext context) =>
        Respond(context, false, static (json, isSleeping) => json.WriteBoolean("is_sleeping", isSleeping));

    public static Task WorldSize(HttpContext context) =>
        Respond(context, 1, static (json, size) => json.WriteNumber("world_size", size));

    /// <summary><c>POST /abort_requests</c> with <c>{"request_ids": […]}</c>: ends these requests; without ids,
    /// all.</summary>
    public async Task AbortRequests(HttpContext context)
    {
        List<string> ids = [];
        if (context.Request.ContentLength is not (null or 0))
        {
            var fields = new RequestFields(await JsonBody.Read(context.Request));
            if (fields.TryGet("request_ids", out JsonElement list))
            {
                bool isListOfTexts = list.ValueKind == JsonValueKind.Array
                    && list.EnumerateArray().All(id => id.ValueKind == JsonValueKind.String);
                if (!isListOfTexts)
                    throw RequestException.BadRequest("request_ids must be a list of strings.", "request_ids");
                ids = fields.StringList("request_ids");
            }
        }
        IReadOnlyList<string> aborted = active.Abort(ids.Count > 0 ? ids : null);
        await Respond(context, aborted, static (json, aborted) =>
        {
            json.WriteStartArray("cancelled_request_ids");
            foreach (string id in aborted) json.WriteStringValue(id);
            json.WriteEndArray();
        });
    }

    /// <summary><c>GET /server_info</c>: what was settled at start.</summary>
    public Task ServerInfo(HttpContext context) => Respond(context, engine.Config, static (json, config) =>
    {
        json.WriteStartObject("vllm_config");
        json.WriteString("version", Fingerprint.Version);
        json.WriteString("model", config.Options.Model);
        json.WriteString("architecture", config.Architecture);
        json.WriteString("dtype", config.Dtype.ToString());
        json.WriteString("device", config.DeviceName);
        json.WriteString("weight_format", config.WeightFormat);
        json.WriteNumber("max_model_len", config.MaxModelLen);
        json.WriteNumber("max_num_seqs", config.Options.MaxNumSeqs);
        json.WriteNumber("max_num_batched_tokens", config.MaxNumBatchedTokens);
        json.WriteNumber("block_size", config.BlockSize);
        json.WriteNumber("num_blocks", config.NumBlocks);
        json.WriteBoolean("enable_prefix_caching", config.Options.EnablePrefixCaching);
        json.WriteEndObject();
    });

    static bool Flag(HttpContext context, string name, bool defaultValue = false)
    {
        if (!context.Request.Query.TryGetValue(name, out var text)) return defaultValue;
        return text.ToString().ToLower(CultureInfo.InvariantCulture) switch
        {
            "true" or "1" or "yes" or "on" => true,
            "false" or "0" or "no" or "off" => false,
            var other => throw RequestException.BadRequest($"{name} must be true or false, got '{other}'.", name),
        };
    }

    static Task Respond<T>(HttpContext context, T value, Action<Utf8JsonWriter, T> write) =>
        JsonText.Respond(context, (value, write), static (json, x) =>
        {
            json.WriteStartObject();
            x.write(json, x.value);
            json.WriteEndObject();
        });
}
