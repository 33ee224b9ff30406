#!/usr/bin/env python3
"""What it costs to measure over HTTP, beside oha, which reads the same streams without looking into them, and `drain`,
which does nothing but read. oha sends the same request as this program, of `drain` the server hears less. The server is pinned to one core, the client to another; all take turns, several rounds in
one go, and the median of the rounds' ratios is told: on a shared machine single runs of one program differ more than
these programs do. What the server spends on a token is told, too: a server that is busy all the time is the limit of
whoever reads from it.

Usage: benches/http.py SERVER OHA [DRAIN] [--rounds N] [--streams N,N] [--tokens N] [--requests N]
                       [--ttft-ms N --itl-ms N] [--burst N] [--http2 NGHTTPX] [--plain]

SERVER: a program with mocksrv's flags (--port, --ttft-ms, --itl-ms; with --burst that, too: tokens it writes at once).
With --http2 the server stands behind nghttpx (Debian's nghttp2-proxy), which takes the server's core, too; `drain` is left
out. `cargo install oha --version 1.16.0 --locked` makes OHA. Build first: cargo build --release
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from http_server import PROGRAM, Server, load, sets

options = argparse.ArgumentParser()
options.add_argument("server")
options.add_argument("oha")
options.add_argument("drain", nargs="?")
options.add_argument("--rounds", type=int, default=5)
options.add_argument("--streams", default="64,256")
options.add_argument("--tokens", type=int, default=100)
options.add_argument("--requests", type=int, default=12800)
options.add_argument("--ttft-ms", default="0")
options.add_argument("--itl-ms", default="0")
options.add_argument("--burst")
options.add_argument("--http2")
options.add_argument("--plain", action="store_true", help="oha asks for no usage, with a prompt of words")
options = options.parse_args()
port, proxy_port = 8197, 8196
url = f"http://127.0.0.1:{proxy_port if options.http2 else port}/v1"
# What this program asks for once it knows the server.
asked = {"model": "mock", "stream": True, "stream_options": {"include_usage": True}}
asked |= {"max_tokens": options.tokens, "min_tokens": options.tokens, "ignore_eos": True}
body = json.dumps(asked | {"prompt": list(range(10_001, 10_033))}, separators=(",", ":"))
if options.plain:
    body = json.dumps({"model": "mock", "prompt": "x " * 32, "max_tokens": options.tokens, "stream": True})


def run(command):
    """Runs it on the client's core: its output, CPU seconds, memory in MB, seconds."""
    began = time.monotonic()
    child = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} ended with status {child.returncode}")
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, time.monotonic() - began


def oha(streams):
    command = [options.oha, "--no-tui", "--output-format", "json", "-n", str(options.requests)]
    command += ["--http2", "-c", "1", "-p", str(streams)] if options.http2 else ["-c", str(streams)]
    out, cpu, memory, _ = run([*command, "-m", "POST", "-T", "application/json", "-d", body, f"{url}/completions"])
    summary = json.loads(out)["summary"]
    assert summary["successRate"] == 1.0, summary
    return summary["requestsPerSec"] * options.tokens, cpu, memory, options.requests * options.tokens


def ours(streams):
    with tempfile.TemporaryDirectory() as folder:
        keys = load(streams, options.tokens) | {"backend.http": '"2"' if options.http2 else '"1.1"'}
        command = [PROGRAM, "record", "--url", url, *sets(keys), "--requests", str(options.requests)]
        out, cpu, memory, _ = run([*command, "--json", "-o", f"{folder}/x.jsonl.zst"])
    window = json.loads(out)["stages"][0]["windows"]["measured"]
    assert window["tokens"]["output"] == options.requests * options.tokens, window["tokens"]
    return window["throughput"]["output_tokens_per_s"], cpu, memory, options.requests * options.tokens


def drain(streams):
    seconds = 6
    out, cpu, memory, _ = run([options.drain, str(port), str(streams), str(options.tokens), str(seconds)])
    speed = float(re.search(r"([\d.]+) tok/s", out.decode())[1])
    return speed, cpu, memory, speed * seconds


def turn(peer, streams):
    """Speed, CPU seconds of the client and of the server for a million tokens, memory."""
    before = server.cpu_s()
    speed, cpu, memory, tokens = peer(streams)
    return speed, cpu / tokens * 1e6, (server.cpu_s() - before) / tokens * 1e6, memory


def serve():
    command = [options.server, "--port", str(port), "--ttft-ms", options.ttft_ms, "--itl-ms", options.itl_ms]
    return Server(command + (["--burst", options.burst] if options.burst else []), port, core=1)


def translate(streams):
    """A proxy from HTTP/2 to the server's HTTP/1.1."""
    if not options.http2:
        return contextlib.nullcontext()
    command = [options.http2, f"-f127.0.0.1,{proxy_port};no-tls", f"-b127.0.0.1,{port}", "-L", "ERROR"]
    command += [f"--frontend-http2-max-concurrent-streams={streams}", f"--backend-connections-per-host={streams}"]
    return Server(command, proxy_port, core=1)


counts = [int(streams) for streams in options.streams.split(",")]
with serve() as server, translate(max(counts)):
    for streams in counts:
        peers = {"fastgen-tui": ours, "oha": oha} | ({"drain": drain} if options.drain and not options.http2 else {})
        rounds = {name: [] for name in peers}
        for i in range(options.rounds):
            for name in list(peers)[:: 1 if i % 2 else -1]:
                rounds[name].append(turn(peers[name], streams))
        for name, rows in rounds.items():
            speed, cpu, server_s, memory = (statistics.median(column) for column in zip(*rows))
            line = f"{streams:5} streams  {name:12} {speed:9.0f} tokens/s  {cpu:5.2f} CPU s a million, the server {server_s:5.2f}"
            busy = statistics.median(row[0] * row[2] / 1e4 for row in rows)
            line += f" ({busy:3.0f} % busy)  {memory:6.1f} MB"
            if name != "fastgen-tui":
                pairs = list(zip(rounds["fastgen-tui"], rows))
                of_speed, of_cpu = (statistics.median(a[k] / b[k] for a, b in pairs) for k in (0, 1))
                line += f"  we: {of_speed:.2f} of its speed, {of_cpu:.2f} of its CPU"
            print(line, flush=True)
