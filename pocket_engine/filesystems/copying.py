"""Copies of files with all that a layer knows of them: mode, owner and times."""

import fcntl
import os
import stat

from pocket_engine.filesystems.merging import opened

OWNER = "user.pocket.owner"
_FICLONE = 0x40049409  # From linux/fs.h: share a file's blocks until one of the two is written.


def copy_file(source: str, status: os.stat_result, target: str) -> None:
    """Copy a file's content, without its bytes passing through here, and what is known of it.

    Args:
        source: the file.
        status: what lstat() says of it.
        target: what does not exist yet.
    """
    with opened(source, status.st_mode, stat.S_IRUSR):
        reading = os.open(source, os.O_RDONLY)
    writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _copy_content(reading, writing)
        _copy_owner(reading, writing)
        os.fchmod(writing, stat.S_IMODE(status.st_mode))
        os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(reading)
        os.close(writing)


def _copy_content(reading: int, writing: int) -> None:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        while os.copy_file_range(reading, writing, 1 << 30):
            pass


def copy_link(source: str, status: os.stat_result, target: str) -> None:
    """Copy a symbolic link."""
    os.symlink(os.readlink(source), target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def make_folder(source: str, target: str) -> None:
    """Make a folder like another one; its mode and times are set when it is full, by `finish_folders`."""
    os.mkdir(target, 0o700)
    _copy_owner(source, target)


def finish_folders(folders: list[tuple[str, os.stat_result]]) -> None:
    """Set the modes and times of folders, each named after those that it is in."""
    for path, status in reversed(folders):
        os.chmod(path, stat.S_IMODE(status.st_mode))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def owner(path: str | int) -> bytes:
    """A file's owner as a layer records it; empty for root."""
    try:
        return os.getxattr(path, OWNER)
    except OSError:
        return b""


def _copy_owner(source: str | int, target: str | int) -> None:
    recorded = owner(source)
    if recorded:
        os.setxattr(target, OWNER, recorded)
