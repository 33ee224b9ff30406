#!/usr/bin/env python3
"""What the tool takes from the engine: the same requests by the bare loop, by `record`, and with the dashboard on,
in turn, several rounds in one go; prints output tokens/s and their ratios (medians over the rounds).

Usage: benches/overhead.py [ROUNDS] [REQUESTS] [KEY=VALUE]…   Build first:
cargo build --release --bins --examples
"""

import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

target = os.environ.get("CARGO_TARGET_DIR", "target")
program, bare = f"{target}/release/fastgen-tui", f"{target}/release/examples/bare_engine"
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
requests = sys.argv[2] if len(sys.argv) > 2 else "160"
sets = sys.argv[3:] + ["load.start_jitter=0s"]
flags = ["--requests", requests] + [word for key in sets for word in ("--set", key)]


def report(path):
    text = subprocess.run([program, "report", "--format", "json", path], capture_output=True, check=False).stdout
    return json.loads(text)["stages"][0]["windows"]["measured"]["throughput"]["output_tokens_per_s"]


def run_bare():
    words = subprocess.run([bare, requests, "demo", *sets], capture_output=True, text=True, check=True).stdout.split()
    return float(words[words.index("tokens/s") - 1])


def run_record(path):
    subprocess.run([program, "record", *flags, "-o", path], capture_output=True, check=True)
    return report(path)


def run_dashboard(path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(program, [program, *flags, "-o", path])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    seen, asked = b"", 0.0
    while True:
        try:
            if select.select([terminal], [], [], 0.2)[0]:
                seen = (seen + os.read(terminal, 65536))[-4_000_000:]
        except OSError:
            break
        # Once it is over it waits for a key.
        if b"q quits" in seen and time.monotonic() - asked > 1:
            os.write(terminal, b"q")
            asked = time.monotonic()
    os.waitpid(pid, 0)
    return report(path)


rates = {"bare": [], "record": [], "dashboard": []}
with tempfile.TemporaryDirectory() as work:
    for number in range(rounds):
        rates["bare"].append(run_bare())
        rates["record"].append(run_record(f"{work}/r{number}.jsonl.zst"))
        rates["dashboard"].append(run_dashboard(f"{work}/d{number}.jsonl.zst"))
        print("  ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items()), flush=True)
median = {name: statistics.median(values) for name, values in rates.items()}
best = {name: max(values) for name, values in rates.items()}
print("  ".join(f"median {name} {value:.1f} tokens/s" for name, value in median.items()))
print(f"record / bare       {median['record'] / median['bare']:.3f}")
print(f"dashboard / bare    {median['dashboard'] / median['bare']:.3f}")
print(f"dashboard / record  {median['dashboard'] / median['record']:.3f}")
