"""A container's view of the file system: its root, /proc, /dev, /sys and what is mounted from outside."""

import contextlib
import os
from typing import Any

from . import kernel

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_READ_ONLY_IN_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_MISMATCH = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)
_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


class Outside:
    """The machine's own file system, for as long as something from it is still to be mounted.

    Args:
        root: the folder that becomes `/`; something is mounted on it.
    """

    def __init__(self, root: str) -> None:
        self._folder = os.open("/", os.O_DIRECTORY | os.O_PATH)
        os.chdir(root)
        # The old root is stacked upon the new one, where only this file descriptor still reaches it.
        kernel.pivot_root(".", ".")

    def bind(self, source: str, target: str, read_only: bool = False) -> None:
        """Show a file or folder of the machine at a path inside, which is made when it does not exist.

        Args:
            source: its real path; no part of it is a symbolic link.
        """
        os.chdir(self._folder)
        source = source.lstrip("/") or "."
        target = _make_mount_point(target, os.path.isdir(source))
        kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)
        if read_only:
            kernel.mount_read_only(target, recursive=True)

    def close(self) -> None:
        """Go inside for good."""
        os.chdir(self._folder)
        kernel.unmount(".")
        os.close(self._folder)
        os.chdir("/")


def enter_root(root: dict[str, Any]) -> Outside:
    """Make a root file system `/`.

    Args:
        root: what `Filesystem.mounting` said of it.
    """
    kernel.mount("none", "/", flags=kernel.MS_PRIVATE | kernel.MS_REC)
    if "bind" in root:
        target = root["bind"]
        kernel.mount(target, target, flags=kernel.MS_BIND)
    else:
        target = root["target"]
        _remove(root["stale"])
        os.chdir(root["folder"])
        kernel.mount("overlay", target, "overlay", data=root["overlay"])
    return Outside(target)


def _remove(folder: str) -> None:
    if not os.path.isdir(folder):
        return
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(folder)


def mount_system(outside: Outside, shm_size: int, terminal: str | None) -> bool:
    """Mount /proc, /sys and /dev.

    Args:
        outside: where the devices are.
        shm_size: bytes of /dev/shm.
        terminal: the path outside of the program's terminal.

    Returns:
        Whether /proc is the container's own; if not, it shows the machine's processes.
    """
    for folder in ("/proc", "/sys", "/dev"):
        os.makedirs(folder, exist_ok=True)
    has_own_proc = _mount_proc(outside)
    with contextlib.suppress(OSError):  # Not everywhere is there one to show.
        outside.bind("/sys", "/sys", read_only=True)
    kernel.mount("tmpfs", "/dev", "tmpfs", kernel.MS_NOSUID, "mode=755,size=65536k")
    for name in _DEVICES:
        outside.bind(f"/dev/{name}", f"/dev/{name}")
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts")
    kernel.mount("devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "ptmxmode=666,mode=620")
    mount_memory("/dev/shm", shm_size, 0o1777)
    os.mkdir("/dev/mqueue")
    with contextlib.suppress(OSError):  # Some kernels have none.
        kernel.mount("mqueue", "/dev/mqueue", "mqueue", _PLAIN)
    if terminal:
        outside.bind(terminal, "/dev/console")
    return has_own_proc


def _mount_proc(outside: Outside) -> bool:
    try:
        kernel.mount("proc", "/proc", "proc", _PLAIN)
    except PermissionError:  # Something covers a part of the machine's own, which a new one would uncover.
        outside.bind("/proc", "/proc")
        return False
    for name in _READ_ONLY_IN_PROC:
        with contextlib.suppress(FileNotFoundError):
            kernel.mount(f"/proc/{name}", f"/proc/{name}", flags=kernel.MS_BIND | kernel.MS_REC)
            kernel.mount_read_only(f"/proc/{name}", recursive=True)
    return True


def mount_memory(target: str, size: int, mode: int) -> None:
    """Mount a file system in memory.

    Args:
        target: where.
        size: its limit in bytes; 0 is no limit.
        mode: the permission bits of its root.
    """
    target = _make_mount_point(target, is_folder=True)
    data = f"mode={mode:o}" + (f",size={size}" if size else "")
    kernel.mount("tmpfs", target, "tmpfs", _PLAIN, data)


def mount_all(outside: Outside, mounts: list[dict[str, Any]]) -> None:
    """Mount what a sandbox asks for.

    Raises:
        OSError: its text is runc's.
    """
    for wanted in mounts:
        source, target = wanted["source"], wanted["target"]
        try:
            if source is None:
                mount_memory(target, wanted["size"], wanted["mode"])
                if wanted["read_only"]:
                    kernel.mount_read_only(target)
            else:
                outside.bind(source, target, wanted["read_only"])
        except OSError as error:
            reason = (error.strerror or "").lower()
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                reason += _MISMATCH
            what = f'error mounting "{source or "tmpfs"}" to rootfs at "{target}": {reason}'
            raise OSError(error.errno, what) from None


def _make_mount_point(path: str, is_folder: bool) -> str:
    """Make what is not there to be mounted on, also where a link leads to nothing; its real path."""
    path = os.path.realpath(path)
    if os.path.exists(path):
        return path
    os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
    if not is_folder:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o755))
    return path
