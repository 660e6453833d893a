"""Child processes of the engine and their descendants, as the kernel shows them."""

import contextlib
import os
import signal
import threading
from pathlib import Path


class ChildProcess:
    """A direct child of the engine, reaped as soon as it ends.

    It is reaped whether or not somebody waits for it: a process-id namespace cannot end before its zombies.

    Args:
        pid: its process id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._exit_code = 0
        threading.Thread(target=self._reap, name=f"reaping {pid}", daemon=True).start()

    def _reap(self) -> None:
        # Until it is reaped nobody else gets its process id. So first wait, and reap under the lock.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._exit_code = code if code >= 0 else 128 - code
            self._ended.set()

    def wait(self) -> int:
        """Block until it has ended; its exit code, or 128 plus the signal's number."""
        self._ended.wait()
        return self._exit_code

    def kill(self, signal_number: int) -> None:
        """Send it a signal. Nothing happens when it has ended."""
        with self._lock:
            if not self._ended.is_set():
                os.kill(self.pid, signal_number)

    def destroy(self) -> None:
        """Kill it, and wait for the end."""
        self.kill(signal.SIGKILL)
        self.wait()

    def has_ended(self) -> bool:
        """Whether it has."""
        return self._ended.is_set()

    def open(self, name: str) -> int:
        """Open one of its files in /proc, such as `ns/mnt`.

        Raises:
            FileNotFoundError: it has ended.
        """
        with self._lock:
            if self._ended.is_set():
                raise FileNotFoundError(f"process {self.pid} has ended")
            try:
                return os.open(f"/proc/{self.pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            except ProcessLookupError:
                raise FileNotFoundError(f"process {self.pid} has ended") from None


def tree(pid: int) -> list[int]:
    """A process and all its descendants; nothing when it has ended."""
    if not os.path.exists(f"/proc/{pid}"):
        return []
    found = [pid]
    for parent in found:  # Grows as it is walked.
        with contextlib.suppress(OSError):  # One has ended in the meantime.
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found
