"""What is where for the programs of one container: its copy of the root, the devices, its mounts."""

from collections.abc import Iterator
from pathlib import Path

from pocket_engine.data_root import remove_tree
from pocket_engine.runners import Sandbox
from pocket_engine.runners.proot import starter
from pocket_engine.runners.proot.inside import Inside

_DEVICES = ("full", "null", "ptmx", "pts", "random", "tty", "urandom", "zero")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


class View:
    """All that PRoot shows to the programs of a sandbox. Beside the root, in its folder, are:

        proot/    PRoot's own temporary files
        dev/      /dev: the machine's devices are shown on its empty files
        memory/   the tmpfs mounts, as plain folders: 0, 1, …; emptied at each start

    Args:
        sandbox: whose programs.
        root: the folder that is `/`.

    Attributes:
        root: the same.
        own: where PRoot keeps its files.
        starter: where the starter is written to.

    Raises:
        CannotStart: something cannot be mounted.
    """

    def __init__(self, sandbox: Sandbox, root: Path) -> None:
        folder = sandbox.root.folder
        self.root = root
        self.own = folder / "proot"
        self._sandbox = sandbox
        self._dev, self._memory = folder / "dev", folder / "memory"
        self.starter = self._dev / Path(starter.INSIDE).name
        self._shown: dict[str, str] = {}
        self.read_only, self.writable = (["/"], ["/dev", "/proc"]) if sandbox.read_only else ([], [])
        for number, mount in enumerate(sandbox.mounts):
            source = mount.source.resolve() if mount.source else self._memory / str(number)
            target = self.files().make_mount_point(mount, source)
            self._shown[target] = str(source)
            (self.read_only if mount.read_only else self.writable).append(target)

    def files(self) -> Inside:
        """The files as the programs see them, without the machine's own: /proc, /sys and /dev."""
        return Inside(str(self.root), self._sandbox.id, self._shown, self.read_only)

    def binds(self) -> Iterator[tuple[str, str]]:
        """What PRoot is to show: paths of the machine, and where they are inside."""
        yield from (("/proc", "/proc"), ("/sys", "/sys"), (str(self._dev), "/dev"))
        yield from ((f"/dev/{name}", f"/dev/{name}") for name in _DEVICES)
        yield from ((source, target) for target, source in self._shown.items())

    def make_folders(self) -> None:
        """Make what a container needs beside its root, for a new start."""
        for folder in (self.own, self._dev, self._memory):
            if folder.exists():
                remove_tree(folder)
            folder.mkdir()
        (self._dev / "shm").mkdir()
        (self._dev / "shm").chmod(0o1777)
        for name in _DEVICES:
            (self._dev / name).touch()
        for name, target in _DEVICE_LINKS.items():
            (self._dev / name).symlink_to(target)
        for number, mount in enumerate(self._sandbox.mounts):
            if mount.source is None:
                (self._memory / str(number)).mkdir()
                (self._memory / str(number)).chmod(mount.mode)
