"""The server that the benches over HTTP measure against: a program with mocksrv's flags, on a core of its own."""

import os
import signal
import socket
import subprocess
import sys
import time

PROGRAM = f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/release/fastgen-tui"


class Server:
    """A program that listens, until the block is over. `core` pins it."""

    def __init__(self, command, port, core=None):
        self.command = command if core is None else ["taskset", "-c", str(core), *command]
        self.name, self.port = command[0], port

    def __enter__(self):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.child = subprocess.Popen(self.command, **quiet)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.child.kill()
        sys.exit(f"{self.name} does not listen on port {self.port}")

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()

    def cpu_s(self):
        """CPU seconds that it has used."""
        with open(f"/proc/{self.child.pid}/stat") as stat:
            user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def sets(keys):
    """Flags for a profile's keys."""
    return [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]


def load(streams, tokens, warmup=0):
    """A load of so many streams that all begin at once, with prompts of 32 tokens."""
    keys = {"load.clients": streams, "workload.output_tokens": tokens, "workload.prompt_tokens": 32}
    return keys | {"load.warmup_requests_per_client": warmup, "load.start_jitter": "0s"}
