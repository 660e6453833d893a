"""What is to be seen of layers on top of each other."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pocket_engine.filesystems.overlay import is_opaque
from pocket_engine.filesystems.whiteouts import is_whiteout


@dataclass(frozen=True, slots=True)  # An image has thousands.
class Entry:
    """One file, folder or link of a root file system.

    Attributes:
        path: where it is on disk.
        status: what lstat() says.
        layer: the position of the folder that it comes from.
    """

    path: str
    status: os.stat_result
    layer: int

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def merged(folders: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """All that is to be seen, with its path inside; each folder comes before its content.

    Args:
        folders: the layers, lowest first.
    """
    return _merged("", list(enumerate(folders))[::-1])


def _merged(inside: str, folders: list[tuple[int, str]]) -> Iterator[tuple[str, Entry]]:
    found: dict[str, list[Entry]] = {}
    with ExitStack() as stack:  # What is in them can be read as long as it is gone through.
        for layer, folder in folders:
            stack.enter_context(opened(folder, os.stat(folder).st_mode, stat.S_IRUSR | stat.S_IXUSR))
            with os.scandir(folder) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    found.setdefault(entry.name, []).append(Entry(entry.path, status, layer))
        for name, places in found.items():
            highest = places[0]
            if is_whiteout(highest.status):
                continue
            yield f"{inside}/{name}", highest
            if highest.is_folder:
                yield from _merged(f"{inside}/{name}", list(_seen_through(places)))


def _seen_through(entries: list[Entry]) -> Iterator[tuple[int, str]]:
    """The folders that are merged: down to a file, a whiteout, or one that hides all below it."""
    for entry in entries:
        if not entry.is_folder:
            return
        yield entry.layer, entry.path
        if is_opaque(entry.path):
            return


@contextmanager
def opened(path: str, mode: int, needed: int) -> Iterator[None]:
    """Lift a mode that keeps the owner out of a file or folder, for a while.

    Args:
        path: the file.
        mode: as it is.
        needed: the bits that it must have.
    """
    if mode & needed == needed:
        yield
        return
    os.chmod(path, stat.S_IMODE(mode) | needed)
    try:
        yield
    finally:
        os.chmod(path, stat.S_IMODE(mode))
