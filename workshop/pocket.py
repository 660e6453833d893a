"""The embedded engine of this user: start it, stop it.

CannotStart             it does not come up; the message has the reason from its log
"""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pocket_engine import locations
from workshop.errors import PlainError
from workshop.repository import ROOT

IDLE_SECONDS = 3600  # So long after its last use it leaves, when no container runs.
START_SECONDS = 30  # Usually one or two; a slow disk reads its modules for longer.
STOP_SECONDS = 30  # Its containers get ten to end by themselves.
POLL_SECONDS = 0.05


class CannotStart(PlainError):
    """The embedded engine does not come up. The message has the reason, and where its log is."""


def start() -> None:
    """Start the engine, unless it answers already. When this returns, it does.

    Raises:
        CannotStart: it ended, or does not answer in time.
    """
    folder = locations.cache()
    log = folder / "engine.log"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder / "start.lock"):
            if _owner() is None:
                _wait_for(_launch(log), log)
    except OSError as error:
        raise CannotStart(f"its folder cannot be used: {error}") from error


def stop() -> bool:
    """Stop the engine and what runs on it; its images stay. False where it does not run."""
    process = _owner()
    if process is None:
        return False
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    # It leaves its socket first, and then stops what runs.
    while (_is_alive(process) or _owner() == process) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return True


def _launch(log: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pocket_engine", "--idle", str(IDLE_SECONDS)]
    with log.open("wb") as output:
        # A session of its own: neither Ctrl-C nor the end of a kernel is meant for it.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait_for(process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while _owner() is None:
        if process.poll() is not None:
            raise CannotStart(f"{_last_line(log)} (its log: {log})")
        if time.monotonic() > deadline:
            process.kill()
            raise CannotStart(f"it did not answer within {START_SECONDS} s (its log: {log})")
        time.sleep(POLL_SECONDS)


def _owner() -> int | None:
    """The id of the process that listens on the socket; None where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(locations.socket()))
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # A zombie, when this process started it.


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("pocket_engine: ") if lines else "it ended without a word"


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock, so that two notebooks do not start two engines."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
