"""Run the real services as processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECOMMENDATIONS = ROOT / "services" / "recommendations"
MARKETPLACE = ROOT / "services" / "marketplace"
READY_SECONDS = 30

Start = Callable[..., "Running"]


class Running:
    """A service's process, with the port it listens on and the file its output goes to."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
        self.process, self.port, self.log_file = process, port, log_file

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"exited with {self.process.returncode}:\n{self.log}"
            try:
                return socket.create_connection(("localhost", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not ready within {READY_SECONDS} s:\n{self.log}")

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=20)


def run_to_its_end(
    command: list[str], folder: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `command` in `folder`, where it should end by itself."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "METRICS_PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
