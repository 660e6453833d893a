"""A copy of what a container wrote, so that `docker commit` can use it up."""

import os
import stat
from pathlib import Path

from pocket_engine.modes import lifted

_CHUNK = 1 << 30


def copy(source: Path, target: Path) -> None:
    """Copy a folder with modes, times, extended attributes, hard links and whiteouts.

    Args:
        source: the folder; its modes may keep its own owner out.
        target: an empty folder.
    """
    _copy_content(str(source), str(target), {})
    _copy_attributes(str(source), str(target))


def _copy_content(source: str, target: str, names: dict[tuple[int, int], str]) -> None:
    with lifted(source, stat.S_IRWXU), os.scandir(source) as entries:
        for entry in entries:
            _copy_entry(entry, f"{target}/{entry.name}", names)


def _copy_entry(entry: os.DirEntry[str], target: str, names: dict[tuple[int, int], str]) -> None:
    status = entry.stat(follow_symlinks=False)
    mode, identity = status.st_mode, (status.st_dev, status.st_ino)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(entry.path), target)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
        return
    if stat.S_ISSOCK(mode):  # No layer has a place for one.
        return
    if not stat.S_ISDIR(mode) and identity in names:
        os.link(names[identity], target)
        return
    if stat.S_ISDIR(mode):
        os.mkdir(target, 0o700)
        _copy_content(entry.path, target, names)
    elif stat.S_ISREG(mode):
        _copy_file(entry.path, target)
    else:
        os.mknod(target, mode, status.st_rdev)
    names[identity] = target
    _copy_attributes(entry.path, target)


def _copy_file(source: str, target: str) -> None:
    with lifted(source, stat.S_IRUSR):
        reader = os.open(source, os.O_RDONLY)
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while os.copy_file_range(reader, writer, _CHUNK):
            pass
    finally:
        os.close(reader)
        os.close(writer)


def _copy_attributes(source: str, target: str) -> None:
    status = os.stat(source, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
        with lifted(source, stat.S_IRUSR):
            for name in os.listxattr(source):
                if name.startswith("user."):
                    os.setxattr(target, name, os.getxattr(source, name))
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
