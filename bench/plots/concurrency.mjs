#!/usr/bin/env node
// Throughput against concurrency, measured over HTTP and drawn as SVG:
//   node bench/plots/concurrency.mjs [MODEL|SHAPE:TYPE] [--users 1,2,4,8,16,32,64] [--in 128] [--out 128] [--threads N]
//        [--data FILE.json] [--svg docs/throughput.svg]
// A server is started, `vllm bench serve` runs against it with each number of users, and points and machine go to the data
// file. `--draw FILE.json ...` draws data files again, one line each, without measuring.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { list, modelFile, nameOf, root, withServer } from "../peers/vllm.mjs";
import { lineChart } from "./svg.mjs";

const { values: opt, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    users: { type: "string", default: "1,2,4,8,16,32,64" },
    in: { type: "string", default: "128" },
    out: { type: "string", default: "128" },
    threads: { type: "string", default: String(cpus().length) },
    data: { type: "string", default: "throughput.json" },
    svg: { type: "string", default: join(root, "docs", "throughput.svg") },
    draw: { type: "boolean", default: false },
  },
});

async function measure(model) {
  const file = modelFile(model);
  const users = list(opt.users);
  const points = [];
  await withServer([file, "--num-threads", opt.threads, "--max-num-seqs", `${Math.max(...users)}`,
    "--max-model-len", `${Number(opt.in) + Number(opt.out) + 64}`], bench => {
    for (const count of users) {
      // Two rounds of requests for each user, so that starts and ends overlap as they do in service.
      const result = bench("--random-input-len", opt.in, "--random-output-len", opt.out, "--num-warmups", "1",
        "--num-prompts", `${Math.max(4, 2 * count)}`, "--max-concurrency", `${count}`);
      if (result.failed > 0) throw new Error(`${result.failed} requests failed with ${count} users`);
      points.push({ users: count, tok_s: result.output_throughput, ttft_ms: result.median_ttft_ms, tpot_ms: result.median_tpot_ms });
      console.error(`${count} users: ${result.output_throughput.toFixed(1)} tok/s`);
    }
  });
  return { name: nameOf(file), in: Number(opt.in), out: Number(opt.out), threads: Number(opt.threads), cpu: cpus()[0].model.trim(), points };
}

function draw(series) {
  const [{ in: numIn, out: numOut, cpu, threads }] = series;
  const svg = lineChart({
    title: "Output tokens per second",
    subtitle: `vllm bench serve, ${numIn} tokens in, ${numOut} out per request; ${cpu}, ${threads} threads`,
    xLabel: "concurrent requests",
    series: series.map(({ name, points }) => ({ name, points: points.map(point => [point.users, point.tok_s]) })),
  });
  mkdirSync(dirname(opt.svg), { recursive: true });
  writeFileSync(opt.svg, svg);
  console.error(`wrote ${opt.svg}`);
}

if (opt.draw) {
  draw(positionals.map(file => JSON.parse(readFileSync(file, "utf8"))));
} else {
  const data = await measure(positionals[0] ?? join(root, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"));
  writeFileSync(opt.data, JSON.stringify(data, null, 1) + "\n");
  draw([data]);
}
