#!/usr/bin/env python3
"""The report against DeepSpeed-FastGen's way of computing the same: one recording, one run, both timed.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy pandas zstandard
    cargo build --release --no-default-features
    /tmp/venv/bin/python benches/fastgen_python.py --program target/release/fastgen-tui

Writes a recording of synthetic requests, has `fastgen-tui report --format json` read it, then computes FastGen's
figures from the same file with numpy and pandas in the structure of the original scripts: lists of records, a loop
over all requests for each SLA rate, a pandas series for each moving average. Checks that all figures agree to a
relative 1e-9, and prints times, their ratio and peak memory. Both times hold reading and decompressing. The program's
holds all other figures of its report too. Two things favour Python: token counts are in the file, where the original
runs a tokenizer over each prompt again for each rate; and gaps are put into one list in one pass, where the original
joins lists pairwise, which takes quadratic time.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import zstandard

RATES = [1, 2, 3, 4, 6, 8]
PROMPT_RATE = 512
SPAN = 16
TOLERANCE = 1e-9
FRAME_LINES = 2000


@dataclass
class Response:
    prompt_tokens: int
    generated: int
    start_time: float
    end_time: float
    token_gen_time: list


# The recording


def header():
    return {
        "fastgen_recording": {"major": 1, "minor": 0},
        "tick_ns": 1000,
        "profile": {"profile": {"name": "synthetic"}},
        "seed": 1,
        "host": {},
        "engine": {"kind": "sim", "version": "0"},
        "started_at": "2026-01-01T00:00:00Z",
        "program": {},
        "command": [],
    }


def request_lines(requests, tokens, clients):
    """A closed loop whose requests differ in pace, so that each SLA rate divides them; times in microseconds."""
    random = np.random.default_rng(1)
    free = [0] * clients
    for number in range(requests):
        client = number % clients
        sent = free[client]
        prompt = int(random.integers(200, 3000))
        pace = random.lognormal(mean=12.3, sigma=0.5)
        gaps = random.lognormal(mean=0.0, sigma=0.6, size=tokens) * pace * 0.5 + 1000
        gaps[0] = prompt / PROMPT_RATE * 1e6 * random.uniform(0.2, 1.1)
        gaps = gaps.astype(np.int64)
        end = int(random.integers(0, 2000))
        free[client] = sent + int(gaps.sum()) + end + 500
        start = {"id": number, "c": client, "t": sent, "p": prompt, "m": tokens}
        yield {"sent": start}
        yield {"req": {**start, "d": gaps.tolist(), "e": end}}


def write(path, requests, tokens, clients):
    start = {"t": 0, "stage": 0, "name": "main", "clients": clients, "planned_requests": requests, "planned_ns": None}
    before = [header(), {"stage": start}, {"phase": {"t": 0, "stage": 0, "phase": "measuring"}}]
    after = [{"ended": {"t": 10**12, "how": "complete"}}]
    lines = itertools.chain(before, request_lines(requests, tokens, clients), after)
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with open(path, "wb") as file:
        while frame := list(itertools.islice(lines, FRAME_LINES)):
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in frame)
            file.write(compressor.compress(text.encode()))


# The figures, as the original computes them


def read(path):
    responses = []
    clients = None
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        text = stream.read().decode()
    for line in text.splitlines():
        entry = json.loads(line)
        if "stage" in entry:
            clients = entry["stage"]["clients"]
        if "req" not in entry:
            continue
        r = entry["req"]
        if r.get("w") or "out" in r:
            continue
        start = r["t"] / 1e6
        end = (r["t"] + sum(r["d"]) + r.get("e", 0)) / 1e6
        responses.append(Response(r["p"], len(r["d"]), start, end, [gap / 1e6 for gap in r["d"]]))
    return clients, responses


def summary(clients, responses):
    latency = statistics.mean([r.end_time - r.start_time for r in responses])
    gaps = list(itertools.chain(*[r.token_gen_time[1:-1] for r in responses if len(r.token_gen_time) > 2]))
    return {
        "query_throughput_rps": clients / latency,
        "latency_s": latency,
        "first_token_latency_s": statistics.mean([r.token_gen_time[0] for r in responses]),
        "token_gen_latency_s": statistics.mean([gap for gap in gaps]),
        "tokens_per_s_generated": statistics.mean([r.generated / (r.end_time - r.start_time) for r in responses]),
        "tokens_per_s_prompt_and_generated": statistics.mean(
            [(r.prompt_tokens + r.generated) / (r.end_time - r.start_time) for r in responses]
        ),
        "measured_throughput_rps": throughput(responses),
    }


def throughput(responses):
    return len(responses) / (max([r.end_time for r in responses]) - min([r.start_time for r in responses]))


def cumulative_ok(response, rate):
    sums = np.cumsum(np.array(response.token_gen_time[1:]))
    return all([sums[i] <= (1 / rate) * (i + 1) for i in range(len(sums))])


def ema_ok(response, rate):
    averages = pd.Series(response.token_gen_time[1:]).ewm(span=SPAN).mean().values.tolist()
    return all([average < 1.0 / rate for average in averages])


def good(response, rate, validator):
    if response.prompt_tokens / PROMPT_RATE < response.token_gen_time[0]:
        return False
    if len(response.token_gen_time) == 1:
        return True
    return validator(response, rate)


def percentiles(responses):
    kept = sorted(responses, key=lambda r: r.start_time)[1:-1]
    pool = list(itertools.chain(*[r.token_gen_time[1:-1] for r in kept]))
    return {f"p{q}": float(np.percentile(pool, q)) for q in (50, 90, 95)}


def analyse(path):
    times = {}
    began = time.perf_counter()

    def lap(name):
        times[name] = time.perf_counter() - began - sum(times.values())

    clients, responses = read(path)
    lap("read")
    figures = summary(clients, responses)
    lap("summary")
    figures["effective_throughput_rps"], figures["good_requests"] = {}, {}
    for name, validator in (("cumulative", cumulative_ok), ("ema16", ema_ok)):
        counts = {str(rate): len([r for r in responses if good(r, rate, validator)]) for rate in RATES}
        figures["good_requests"][name] = counts
        figures["effective_throughput_rps"][name] = {
            rate: throughput(responses) * (count / len(responses)) for rate, count in counts.items()
        }
        lap(name)
    figures["token_latency_percentiles_s"] = percentiles(responses)
    lap("percentiles")
    return figures, times


# The comparison


def run(program, path):
    """The program's report: its text, seconds, and peak resident bytes."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        child = subprocess.Popen([program, "report", path, "--format", "json"], stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"{program} ended with {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        return json.loads(out.read()), seconds, usage.ru_maxrss * 1024


def best(program, path, runs=3):
    measured = [run(program, path) for _ in range(runs)]
    return measured[0][0], min(m[1] for m in measured), max(m[2] for m in measured)


def compare(ours, theirs, at=""):
    """How many figures were compared; ends the program at the first that differs."""
    if isinstance(theirs, dict):
        return sum(compare(ours[key], value, f"{at}/{key}") for key, value in theirs.items())
    if isinstance(theirs, int) and ours != theirs or abs(ours - theirs) > TOLERANCE * abs(theirs):
        sys.exit(f"{at}: the report says {ours}, Python {theirs}")
    return 1


def main():
    args = argparse.ArgumentParser(description="fastgen-tui's report against FastGen's scripts in Python")
    args.add_argument("--program", required=True, help="the fastgen-tui to measure")
    args.add_argument("--requests", type=int, default=100_000)
    args.add_argument("--tokens", type=int, default=100)
    args.add_argument("--clients", type=int, default=64)
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, quarter = os.path.join(folder, "whole.jsonl.zst"), os.path.join(folder, "quarter.jsonl.zst")
        write(whole, args.requests, args.tokens, args.clients)
        write(quarter, args.requests // 4, args.tokens, args.clients)
        print(f"{args.requests} requests of {args.tokens} tokens, {os.path.getsize(whole) / 1e6:.0f} MB")
        _, part_s, part_bytes = best(args.program, quarter)
        report, ours_s, ours_bytes = best(args.program, whole)
        print(f"fastgen-tui: {ours_s:.2f} s, peak {ours_bytes / 1e6:.0f} MB")
        print(f"  of a quarter of the requests: {part_s:.2f} s, peak {part_bytes / 1e6:.0f} MB")
        figures, times = analyse(whole)
        python_s = sum(times.values())
        print(f"Python: {python_s:.2f} s: " + ", ".join(f"{name} {s:.1f}" for name, s in times.items()))
        compared = compare(report["stages"][0]["fastgen"], figures)
        print(f"{compared} figures agree to a relative {TOLERANCE}; good requests: {figures['good_requests']}")
        print(f"ratio: {python_s / ours_s:.0f}")


if __name__ == "__main__":
    main()
