#!/usr/bin/env python3
"""What a terminal that doesn't read takes from the load: the simulated engine's load by `record`, with the dashboard on
a terminal of 200×60 that reads, and with it on one that stops reading for the middle of the run, in turn, several rounds
in one go. Prints output tokens/s of each and the ratios of their medians.

Usage: benches/blocked_terminal.py [ROUNDS] [SECONDS] [PROGRAM]   PROGRAM: target/release/fastgen-tui
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

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 8.0
target = os.environ.get("CARGO_TARGET_DIR", "target")
program = sys.argv[3] if len(sys.argv) > 3 else f"{target}/release/fastgen-tui"
flags = ["--profile", "sim", "--for", f"{seconds}s"]


def tokens_per_s(path):
    text = subprocess.run([program, "report", "--format", "json", path], capture_output=True, check=False).stdout
    return json.loads(text)["stages"][0]["windows"]["measured"]["throughput"]["output_tokens_per_s"]


def headless(path):
    subprocess.run([program, "record", *flags, "-o", path], capture_output=True, check=True)
    return tokens_per_s(path)


def dashboard(path, blocked):
    """Blocked: nothing is read from a fifth of the run to four fifths of it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(program, [program, *flags, "-o", path])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    began, seen, asked = time.monotonic(), b"", 0.0
    while True:
        spent = time.monotonic() - began
        if blocked and 0.2 * seconds < spent < 0.8 * seconds:
            time.sleep(0.05)
            continue
        try:
            if select.select([terminal], [], [], 0.2)[0]:
                seen = (seen + os.read(terminal, 65536))[-200_000:]
        except OSError:
            break
        # Once it is over it waits for a key.
        if b"q quits" in seen and time.monotonic() - asked > 1:
            os.write(terminal, b"q")
            asked = time.monotonic()
    os.waitpid(pid, 0)
    return tokens_per_s(path)


runs = {"headless": [], "reading": [], "blocked": []}
with tempfile.TemporaryDirectory() as work:
    for number in range(rounds):
        runs["headless"].append(headless(f"{work}/h{number}.jsonl.zst"))
        runs["reading"].append(dashboard(f"{work}/r{number}.jsonl.zst", False))
        runs["blocked"].append(dashboard(f"{work}/b{number}.jsonl.zst", True))
        print("  ".join(f"{name} {values[-1]:.1f} tokens/s" for name, values in runs.items()), flush=True)
medians = {name: statistics.median(values) for name, values in runs.items()}
for name in ("reading", "blocked"):
    print(f"{name} / headless: {medians[name] / medians['headless']:.4f}")
