"""A program that a monitor stands over, as the engine sees it."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pocket_engine
from pocket_engine.runners import CannotStart, Streams
from pocket_engine.runners.processes import tree
from pocket_engine.runners.spawning import spawn

_HOME = Path(pocket_engine.__file__).parent.parent
_MONITOR = f"import sys; sys.path.insert(0, {str(_HOME)!r}); from {__package__}.monitor import main; main()"
_KILLED = 128 + signal.SIGKILL


class Monitored:
    """A program under PRoot. For its methods see `pocket_engine.runners.Running`.

    Args:
        command: PRoot and its arguments.
        environment: PRoot's own.
        streams: the program's.
        limits: resource limits: the number, the soft and the hard one.
        first: the container's first program, when this is another one: it ends when that does.

    Raises:
        CannotStart: it did not begin.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        streams: Streams,
        limits: Sequence[tuple[int, int, int]] = (),
        first: "Monitored | None" = None,
    ) -> None:
        self._is_first = first is None
        self._beside: list[Monitored] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._exit_code = _KILLED  # When the monitor cannot tell any more.
        told, report = os.pipe()
        self._told = os.fdopen(told)
        watched = () if first is None else (first._told.fileno(),)
        try:
            self._monitor = spawn(
                [
                    *(sys.executable, "-I", "-S", "-c", _MONITOR),
                    *(str(report), str(watched[0] if watched else -1)),
                    ",".join(f"{number}:{soft}:{hard}" for number, soft, hard in limits),
                    *command,
                ],
                env=environment,
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
                pass_fds=(report, *watched),
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(f"PRoot cannot be started: {error.strerror}") from error
        finally:
            os.close(report)
        self.pid, self._proot = self._begin()
        if first:
            first._beside.append(self)
        threading.Thread(target=self._watch, name=f"watching {self.pid}", daemon=True).start()

    def _begin(self) -> tuple[int, int]:
        match self._told.readline().split(maxsplit=1):
            case ["started", pids]:
                program, proot = map(int, pids.split())
                return program, proot
            case ["failed", reason]:
                message = reason.strip()
            case _:
                message = "its monitor was killed"
        self._monitor.wait()
        self._told.close()
        raise CannotStart(f"the program did not begin: {message}")

    def _watch(self) -> None:
        end = self._told.readline()
        for other in self._beside:
            other._monitor.wait()
        with self._lock:
            if end:
                self._exit_code = int(end.split()[1])
            self._ended.set()
        self._monitor.wait()
        self._told.close()

    def wait(self) -> int:
        self._ended.wait()
        return self._exit_code

    def kill(self, number: int) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._ended.is_set():
                return
            # PRoot keeps SIGSTOP from its programs, so PRoot itself is stopped: they get no further then.
            if number == signal.SIGSTOP:
                os.kill(self._proot, signal.SIGSTOP)
            os.kill(self.pid, number)
            if number in (signal.SIGCONT, signal.SIGKILL):
                os.kill(self._proot, signal.SIGCONT)

    def destroy(self) -> None:
        if self._is_first:
            self._monitor.terminate()
        else:
            self.kill(signal.SIGKILL)
        self.wait()

    def has_ended(self) -> bool:
        """Whether it has."""
        return self._ended.is_set()

    def pids(self) -> list[int]:
        found = self._own_pids()
        for other in self._beside:
            found += other._own_pids()
        return found

    def _own_pids(self) -> list[int]:
        helpers = {self._monitor.pid, *tree(self._proot)}
        return [pid for pid in tree(self._monitor.pid) if pid not in helpers]
