"""One run of a container, from its start to its end."""

import contextlib
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from pocket_engine.containers.health import Health
from pocket_engine.containers.memory import MemoryLimit
from pocket_engine.containers.stdio import Stdio
from pocket_engine.networks import Attachment
from pocket_engine.runners import Running, Sandbox

_SETTLES_IN_ROUNDS = 10


@dataclass
class Run:
    """What there is only while a container runs.

    Attributes:
        sandbox: as the runner got it.
        running: its first program.
        stdio: that program's streams.
        attachment: its place in its networks.
        began: `time.monotonic()` of its start.
        memory: watches its memory.
        health: watches its health; None without a health check.
        is_last: somebody stopped it, and no restart policy starts it again.
    """

    sandbox: Sandbox
    running: Running
    stdio: Stdio
    attachment: Attachment
    began: float
    memory: MemoryLimit | None = None
    health: Health | None = None
    is_last: bool = False

    def wait(self) -> int:
        """Block until all of it has ended, and all that it wrote was copied; its exit code."""
        exit_code = self.running.wait()
        if self.memory:
            self.memory.stop()
        if self.health:
            self.health.stop()
        self.running.destroy()  # What the first program started ends with it.
        self.stdio.finish()
        self.attachment.close()
        return exit_code

    def pause(self) -> None:
        """Stop all of its processes by SIGSTOP: there is no freezer without control groups.

        A tracer (PRoot) would let them go on at once, so it is stopped before them.
        """
        stopped: set[int] = set()
        for _ in range(_SETTLES_IN_ROUNDS):  # One that was not stopped yet may have started another.
            new = set(self.running.pids()) - stopped
            if not new:
                return
            _send(_tracers(new) - stopped, signal.SIGSTOP)
            _send(new, signal.SIGSTOP)
            stopped |= new

    def resume(self) -> None:
        """Let all of its processes go on."""
        pids = set(self.running.pids())
        _send(_tracers(pids), signal.SIGCONT)
        _send(pids, signal.SIGCONT)


def _tracers(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            match = re.search(r"^TracerPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            found.add(int(match[1]) if match else 0)
    return found - {0}


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
