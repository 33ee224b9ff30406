#!/usr/bin/env python3
"""What the tool takes from the engine: the same requests by the bare loop, by `record`, and with the dashboard on,
in turn, several rounds in one go. Prints output tokens/s and CPU seconds for a thousand tokens of each, and ratios of
their medians: on a shared machine single runs of the same program differ more than these programs do.

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
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
requests = sys.argv[2] if len(sys.argv) > 2 else "80"
sets = sys.argv[3:] + ["load.start_jitter=0s"]
flags = ["--requests", requests] + [word for key in sets for word in ("--set", key)]


def cpu_of(pid):
    usage = os.wait4(pid, 0)[2]
    return usage.ru_utime + usage.ru_stime


def measured(path, cpu):
    text = subprocess.run([program, "report", "--format", "json", path], capture_output=True, check=False).stdout
    window = json.loads(text)["stages"][0]["windows"]["measured"]
    return window["throughput"]["output_tokens_per_s"], cpu / window["tokens"]["output"] * 1e3


def run_bare():
    child = subprocess.Popen([bare, requests, "demo", *sets], stdout=subprocess.PIPE, text=True)
    words = child.stdout.read().split()
    cpu = cpu_of(child.pid)
    child.returncode = 0
    tokens = float(words[words.index("tokens,") - 1])
    return float(words[words.index("tokens/s") - 1]), cpu / tokens * 1e3


def run_record(path):
    child = subprocess.Popen([program, "record", *flags, "-o", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cpu = cpu_of(child.pid)
    child.returncode = 0
    return measured(path, cpu)


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
                seen = (seen + os.read(terminal, 65536))[-200_000:]
        except OSError:
            break
        # Once it is over it waits for a key.
        if b"q quits" in seen and time.monotonic() - asked > 1:
            os.write(terminal, b"q")
            asked = time.monotonic()
    return measured(path, cpu_of(pid))


runs = {"bare": [], "record": [], "dashboard": []}
with tempfile.TemporaryDirectory() as work:
    for number in range(rounds):
        runs["bare"].append(run_bare())
        runs["record"].append(run_record(f"{work}/r{number}.jsonl.zst"))
        runs["dashboard"].append(run_dashboard(f"{work}/d{number}.jsonl.zst"))
        told = (f"{name} {rate:.1f} tokens/s {cpu:.2f} s/kt" for name, ((rate, cpu), *_) in
                ((name, values[::-1]) for name, values in runs.items()))
        print("  ".join(told), flush=True)
rates = {name: [rate for rate, _ in values] for name, values in runs.items()}
cpus = {name: [cpu for _, cpu in values] for name, values in runs.items()}
print(f"{'':20}{'tokens/s':>10}{'CPU':>10}")
for one, other in (("record", "bare"), ("dashboard", "bare"), ("dashboard", "record")):
    median = statistics.median(rates[one]) / statistics.median(rates[other])
    cpu = statistics.median(cpus[one]) / statistics.median(cpus[other])
    print(f"{one + ' / ' + other:20}{median:10.3f}{cpu:10.3f}")
