#!/usr/bin/env python3
"""How true times measured over HTTP are: percentiles of what the client measured, less those of what the server says it
did. The server is pinned to one core, the client to another; each number of streams is measured anew.

Usage: benches/http_truth.py SERVER [--streams N,N] [--requests N] [--tokens N]

SERVER: a program with mocksrv's flags (--port, --ttft-ms, --itl-ms, --truth, --truth-full). Build first:
cargo build --release
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile

from http_server import PROGRAM, Server, load, sets

options = argparse.ArgumentParser()
options.add_argument("server")
options.add_argument("--streams", default="16,64,512,1024")
options.add_argument("--requests", type=int, default=2000)
options.add_argument("--tokens", type=int, default=30)
options = options.parse_args()
port = 8198


def percentile(values, share):
    at = (len(values) - 1) * share
    low = int(at)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (at - low)


def truth(path, warmup):
    """All but the first requests: they warm up, and are over before the first that is measured is sent."""
    arrived, parsed, gaps = [], [], []
    for line in list(open(path))[warmup:]:
        told = json.loads(line)
        times = told["t_us"]
        parsed.append(times[0] / 1e3)
        arrived.append((told["queued_us"] + times[0]) / 1e3)
        gaps.extend((b - a) / 1e3 for a, b in zip(times, times[1:]))
    return sorted(arrived), sorted(parsed), sorted(gaps)


def seen(folder):
    rows = csv.DictReader(open(f"{folder}/csv/requests.csv"))
    first = sorted(float(row["ttft_s"]) * 1e3 for row in rows if row["outcome"] == "completed")
    tokens = csv.DictReader(open(f"{folder}/csv/tokens.csv"))
    return first, sorted(float(row["gap_s"]) * 1e3 for row in tokens if row["gap_s"])


def measure(streams, folder):
    command = [options.server, "--port", str(port), "--ttft-ms", "50", "--itl-ms", "10"]
    command += ["--truth", f"{folder}/truth.jsonl", "--truth-full"]
    # Connections are made while it warms up, as in every run: the first wave of them is in no figure.
    flags = sets(load(streams, options.tokens, warmup=1))
    record = ["taskset", "-c", "0", PROGRAM, "record", "--url", f"http://127.0.0.1:{port}/v1", *flags]
    record += ["--requests", str(options.requests), "-o", f"{folder}/x.jsonl.zst"]
    with Server(command, port, core=1):
        status = subprocess.run(record, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if status.returncode not in (0, 4):
        sys.exit(status.stderr.decode())
    subprocess.run([PROGRAM, "export", f"{folder}/x.jsonl.zst", "--csv", f"{folder}/csv"], check=True, capture_output=True)
    return truth(f"{folder}/truth.jsonl", streams), seen(folder)


for streams in map(int, options.streams.split(",")):
    with tempfile.TemporaryDirectory() as folder:
        told, measured = measure(streams, folder)
    (arrived, parsed, gaps), (first, seen_gaps) = told, measured
    for name, a, b in (("TTFT from arrival", arrived, first), ("TTFT from parsing", parsed, first), ("ITL", gaps, seen_gaps)):
        shares = (("p50", 0.5), ("p99", 0.99))
        errors = ", ".join(f"{p} {percentile(b, s) - percentile(a, s):+.3f} ms" for p, s in shares)
        print(f"{streams:5} streams  {name:17} {errors}   of {len(a)} and {len(b)}", flush=True)
