"""Programs in a container: the first one, and those beside it."""

import fcntl
import os
import threading

from pocket_engine.runners.processes import ChildProcess, tree

_NS_GET_USERNS = 0xB701


class Entered(ChildProcess):
    """A program beside a container's first one."""

    def pids(self) -> list[int]:
        """Its process id and those of its descendants."""
        return tree(self.pid)


class First(ChildProcess):
    """A container's first program: process 1 inside, with which all others end.

    Args:
        pid: its process id as the machine sees it.
        user, group: as whom it runs, as the container sees it.
    """

    def __init__(self, pid: int, user: int, group: int) -> None:
        super().__init__(pid)
        self.user, self.group = user, group
        self._entered: list[Entered] = []
        self._entered_lock = threading.Lock()

    def add(self, entered: Entered) -> None:
        """Another program is in the container now."""
        with self._entered_lock:
            self._entered = [other for other in self._entered if not other.has_ended()] + [entered]

    def pids(self) -> list[int]:
        """The machine's ids of all processes of the container."""
        with self._entered_lock:
            entered = [program.pid for program in self._entered if not program.has_ended()]
        return [pid for top in (self.pid, *entered) for pid in tree(top)]

    def namespaces(self) -> dict[str, int]:
        """Open file descriptors of what the container lives in. The caller closes them.

        `user` is the container's namespace, `own` the one of the program's user.

        Raises:
            FileNotFoundError: it has ended.
        """
        opened: dict[str, int] = {}
        try:
            for kind in ("mnt", "ipc", "uts", "pid"):
                opened[kind] = self.open(f"ns/{kind}")
            opened["user"] = fcntl.ioctl(opened["mnt"], _NS_GET_USERNS)
            opened["own"] = self.open("ns/user")
        except OSError:
            for descriptor in opened.values():
                os.close(descriptor)
            raise
        return opened
