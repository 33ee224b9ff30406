#!/usr/bin/env python3
"""How long a run over HTTP takes from the program's start to its first request, by the server's clock: the time of the
system, which both read. Tells each round and the median.

Usage: benches/http_start.py SERVER [--rounds N]

SERVER: a program with mocksrv's flags (--port, --truth). Build first: cargo build --release
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time

from http_server import PROGRAM, Server, load, sets

options = argparse.ArgumentParser()
options.add_argument("server")
options.add_argument("--rounds", type=int, default=7)
options = options.parse_args()
port = 8200


def start(folder):
    """Milliseconds."""
    truth = f"{folder}/truth.jsonl"
    record = [PROGRAM, "record", "--url", f"http://127.0.0.1:{port}/v1", *sets(load(1, 1)), "--requests", "1"]
    with Server([options.server, "--port", str(port), "--truth", truth], port):
        began_ns = time.time_ns()
        subprocess.run([*record, "-o", f"{folder}/x.jsonl.zst"], check=True, capture_output=True)
    with open(truth) as told:
        return (json.loads(told.readline())["recv_ns"] - began_ns) / 1e6


times = []
for _ in range(options.rounds):
    with tempfile.TemporaryDirectory() as folder:
        times.append(start(folder))
print(f"first request after {', '.join(f'{ms:.1f}' for ms in times)} ms, median {statistics.median(times):.1f} ms")
