"""Stands over one program under PRoot: tells how it ends, and sees that nothing outlives it.

Runs without the site's packages, for somebody waits for it, with these arguments:

    REPORT UNTIL LIMITS PROOT [ARGUMENT …]

    REPORT  a file descriptor that gets the lines `started PROGRAM PROOT` (process ids) and `ended CODE`,
            or `failed REASON`
    UNTIL   a file descriptor: when its other end closes, all ends; or -1 for a container's first program
    LIMITS  resource limits, as `NUMBER:SOFT:HARD,…`

SIGTERM tells it to end all; the kernel sends it when the engine has ended. When the monitor is killed itself,
the kernel tells PRoot (SIGQUIT), which kills all that it traces. When PRoot is killed, its programs live on,
but nobody translates their paths any more: the monitor kills those.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time

from pocket_engine.runners import signals

from .refusing import refuse_newer_calls

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# So many seconds PRoot has to kill what it traces; then it is done for it.
PATIENCE = 1.0

_prctl = ctypes.CDLL(None).prctl


def main() -> None:
    """Do as the arguments say."""
    _, report, until, limits, *proot = sys.argv
    os.set_inheritable(int(report), False)
    if int(until) >= 0:
        os.set_inheritable(int(until), False)
    Monitor(int(report), int(until)).run(proot, limits)


class Monitor:
    """One program and all that it starts.

    Args:
        report: the file descriptor that the engine reads at its other end.
        until: one whose closing at the other end ends all, or -1.
    """

    def __init__(self, report: int, until: int) -> None:
        self._report, self._until = report, until
        self._is_first = until < 0
        self._proot = 0  # Its process id while it lives.
        self._program = 0
        self._code: int | None = None
        self._must_end = False

    def run(self, proot: list[str], limits: str) -> None:
        """Start PRoot, and stay until nothing of it is left."""
        if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
            self._tell("failed the kernel does not list the children of processes in /proc")
            return
        woken = _wake_on_signals()
        signal.signal(signal.SIGTERM, self._end)
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # When the engine ends, not killed like its other children: a process that PRoot has just forked asks
        # to be traced by whoever is its parent, and would wait for ever for the machine's first process.
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        self._proot = self._start(proot, limits)
        _let_go_of_streams()

        events = select.poll()
        events.register(woken, select.POLLIN)
        if not self._is_first:
            events.register(self._until, 0)  # Closing is always told.
        while self._is_anything_to_wait_for():
            for descriptor, _ in events.poll(None if self._program else 1):
                if descriptor == woken:
                    os.read(woken, 4096)
                else:
                    self._must_end = True
        self._sweep()
        if not self._program:
            self._tell("failed PRoot ended before the program began")
        elif self._is_first:
            self._tell(f"ended {self._code}")

    def _start(self, proot: list[str], limits: str) -> int:
        monitor = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            _prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)
            if os.getppid() == monitor:
                os.setpgid(0, 0)  # So the kernel wakes it when it is stopped (paused) and the monitor ends.
                os.umask(0o022)
                signals.reset()
                for limit in filter(None, limits.split(",")):
                    number, soft, hard = map(int, limit.split(":"))
                    resource.setrlimit(number, (soft, hard))
                refuse_newer_calls()
                os.execv(proot[0], proot)
        except (OSError, ValueError) as error:
            self._tell(f"failed {error}")
        os._exit(1)

    def _is_anything_to_wait_for(self) -> bool:
        self._look_for_program()
        return self._reap() and not self._must_end

    def _end(self, number: int, frame: object) -> None:
        self._must_end = True

    def _look_for_program(self) -> None:
        """The first process that the kernel gives to this one is what the starter became; see `starter`."""
        if self._program:
            return
        adopted = [child for child in _children(os.getpid()) if child != self._proot]
        if adopted:
            self._program = adopted[0]
            self._tell(f"started {self._program} {self._proot}")

    def _reap(self) -> bool:
        """Take note of all that has ended; whether anything is left."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if ended is None:
                return True
            self._look_for_program()  # It may have begun and ended since; once waited for, it is not listed.
            pid, status = os.waitpid(ended.si_pid, 0)
            if pid == self._proot:
                self._proot = 0
                self._must_end = True
            elif pid == self._program:
                self._note_end(status)

    def _note_end(self, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        self._code = 128 - code if code < 0 else code
        if self._is_first:
            self._must_end = True  # The end is told when all others have ended, too.
        else:
            self._tell(f"ended {self._code}")

    def _sweep(self) -> None:
        """Kill all that is left, and wait for it."""
        patient_until = time.monotonic()
        if self._proot:
            os.kill(self._proot, signal.SIGQUIT)
            os.kill(self._proot, signal.SIGCONT)
            patient_until += PATIENCE
        while self._reap():
            if not self._proot or time.monotonic() > patient_until:
                for pid in _descendants(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # The engine has ended, and all ends with it.
            os.write(self._report, f"{line}\n".encode())


def _children(pid: int) -> list[int]:
    """The processes that a process, or one of its threads, is the parent of; also those not reaped yet."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It, or the thread, has just ended.
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as listed:
                found += map(int, listed.read().split())
    return found


def _descendants(pid: int) -> list[int]:
    found = _children(pid)
    for child in found:  # Grows while it is read.
        found += _children(child)
    return found


def _wake_on_signals() -> int:
    """A file descriptor that can be read when a child has ended or another signal has come."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return readable


def _let_go_of_streams() -> None:
    """Whoever reads the program's output must see its end when the program closes it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
