"""The memory limit. Without control groups nobody enforces it but the engine, which looks now and then."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable

_LOOK_EVERY_SECONDS = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


def used(pid: int) -> int:
    """The bytes of memory that a process has to itself: no files, nothing shared. 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


class MemoryLimit:
    """Kills the largest process of a container that takes more than it may, as the kernel would.

    Args:
        limit: tells the limit in bytes; 0 is none. It can change while the container runs.
        pids: tells the container's processes.
        exceeded: is called before a process is killed.
    """

    def __init__(
        self, limit: Callable[[], int], pids: Callable[[], list[int]], exceeded: Callable[[], None]
    ) -> None:
        self._limit, self._pids, self._exceeded = limit, pids, exceeded
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Begin, or go on, when there is a limit."""
        if self._limit() and self._thread is None:
            self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The container has ended."""
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            sizes = {pid: used(pid) for pid in self._pids()}
            if sizes and 0 < self._limit() < sum(sizes.values()):
                self._exceeded()
                with contextlib.suppress(ProcessLookupError):
                    os.kill(max(sizes, key=lambda pid: sizes[pid]), signal.SIGKILL)
