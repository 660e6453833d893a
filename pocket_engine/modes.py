"""Modes that keep a file's own owner out: no obstacle for root, but the engine is an ordinary user."""

import contextlib
import os
import stat
from collections.abc import Iterator


@contextlib.contextmanager
def lifted(path: str | os.PathLike[str], bits: int) -> Iterator[None]:
    """Allow the owner something for as long as it is needed.

    Args:
        path: a file or folder of this user; for a symbolic link nothing needs to be done.
        bits: what is needed, such as `stat.S_IRUSR`.
    """
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    if os.geteuid() == 0 or mode & bits == bits:
        yield
        return
    os.chmod(path, mode | bits)
    try:
        yield
    finally:
        os.chmod(path, mode)


def readable(path: str | os.PathLike[str]) -> contextlib.AbstractContextManager[None]:
    """Allow the owner to read a file, or to list a folder and go in, for as long as it is needed."""
    is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
    return lifted(path, stat.S_IRUSR | stat.S_IXUSR if is_folder else stat.S_IRUSR)
