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
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

options = argparse.ArgumentParser()
options.add_argument("server")
options.add_argument("--streams", default="16,64,512,1024")
options.add_argument("--requests", type=int, default=2000)
options.add_argument("--tokens", type=int, default=30)
options = options.parse_args()
program = f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/release/fastgen-tui"
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
    command = ["taskset", "-c", "1", options.server, "--port", str(port), "--ttft-ms", "50", "--itl-ms", "10"]
    command += ["--truth", f"{folder}/truth.jsonl", "--truth-full"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.05)
    keys = {
        "load.clients": streams,
        "workload.output_tokens": options.tokens,
        "workload.prompt_tokens": 32,
        # Connections are made meanwhile, as in every run: the first wave of them is in no figure.
        "load.warmup_requests_per_client": 1,
        "load.start_jitter": "0s",
    }
    sets = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    record = ["taskset", "-c", "0", program, "record", "--url", f"http://127.0.0.1:{port}/v1", *sets]
    record += ["--requests", str(options.requests), "-o", f"{folder}/x.jsonl.zst"]
    status = subprocess.run(record, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    server.send_signal(signal.SIGTERM)
    server.wait()
    if status.returncode not in (0, 4):
        sys.exit(status.stderr.decode())
    subprocess.run([program, "export", f"{folder}/x.jsonl.zst", "--csv", f"{folder}/csv"], check=True, capture_output=True)
    return truth(f"{folder}/truth.jsonl", streams), seen(folder)


for streams in map(int, options.streams.split(",")):
    with tempfile.TemporaryDirectory() as folder:
        told, measured = measure(streams, folder)
    (arrived, parsed, gaps), (first, seen_gaps) = told, measured
    for name, a, b in (("TTFT from arrival", arrived, first), ("TTFT from parsing", parsed, first), ("ITL", gaps, seen_gaps)):
        shares = (("p50", 0.5), ("p99", 0.99))
        errors = ", ".join(f"{p} {percentile(b, s) - percentile(a, s):+.3f} ms" for p, s in shares)
        print(f"{streams:5} streams  {name:17} {errors}   of {len(a)} and {len(b)}", flush=True)
