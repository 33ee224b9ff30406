#!/usr/bin/env python3
"""What an open stream costs in memory: resident memory while many streams are open, less that with few, over the
difference. Both runs of one program, in turn.

Usage: benches/http_memory.py SERVER [--streams FEW,MANY] [--seconds N]

SERVER: a program with mocksrv's flags (--port, --ttft-ms, --itl-ms). Needs as many descriptors as streams, for either side:
`ulimit -n 12000` before. Build first: cargo build --release
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

from http_server import PROGRAM, Server, load, sets

options = argparse.ArgumentParser()
options.add_argument("server")
options.add_argument("--streams", default="64,10000")
options.add_argument("--seconds", type=int, default=20)
options = options.parse_args()
few, many = map(int, options.streams.split(","))
port = 8199

if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < many + 100:
    sys.exit(f"too few descriptors for {many} streams: ulimit -n {many + 2000}")


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def connections(pid):
    return sum(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket") for fd in os.listdir(f"/proc/{pid}/fd"))


def measure(streams):
    """Most memory seen while all streams are open, in KiB."""
    with tempfile.TemporaryDirectory() as folder:
        flags = sets(load(streams, 100) | {"stop.drain": "cancel"})
        command = [PROGRAM, "record", "--url", f"http://127.0.0.1:{port}/v1", *flags, "--for", f"{options.seconds}s"]
        run = subprocess.Popen([*command, "-o", f"{folder}/x.jsonl.zst"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most, all_open = 0, 0
        while run.poll() is None:
            try:
                if connections(run.pid) >= streams:
                    all_open += 1
                    most = max(most, resident_kib(run.pid))
            except (OSError, StopIteration):
                pass  # it ends just now
            time.sleep(0.5)
        if not all_open:
            sys.exit(f"{streams} streams were never open together")
        return most


with Server([options.server, "--port", str(port), "--ttft-ms", "200", "--itl-ms", "1000"], port):
    small, large = measure(few), measure(many)
each = (large - small) / (many - few)
print(f"{few} streams {small / 1024:.1f} MiB, {many} streams {large / 1024:.1f} MiB: {each:.1f} KiB a stream")
