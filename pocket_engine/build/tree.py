"""The files of an image, seen without mounting anything: its layers, put on top of each other."""

import errno
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pocket_engine.filesystems.overlay import is_opaque
from pocket_engine.filesystems.whiteouts import is_whiteout
from pocket_engine.modes import readable

_MOST_LINKS = 40  # As many as the kernel follows in one path.


@dataclass(frozen=True)
class Entry:
    """A file, folder or link.

    Attributes:
        path: where it is inside, without symbolic links on the way.
        places: where it is on disk. A folder may be in several layers at once, the highest is first.
        status: of the highest.
    """

    path: str
    places: tuple[str, ...]
    status: os.stat_result

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self.path)

    @property
    def is_folder(self) -> bool:
        """Whether it is one, and no link to one."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    def read(self) -> bytes:
        """A file's content."""
        with readable(self.places[0]):
            return Path(self.places[0]).read_bytes()


class Tree:
    """Files in layers.

    Args:
        layers: folders in a layer's form, lowest first.
    """

    def __init__(self, layers: Sequence[Path]) -> None:
        self._layers = tuple(str(layer) for layer in reversed(layers))

    @property
    def root(self) -> Entry:
        """The topmost folder."""
        status = (
            os.stat(self._layers[0]) if self._layers else os.stat_result((stat.S_IFDIR | 0o755, *[0] * 9))
        )
        return Entry("/", self._layers, status)

    def find(self, path: str, follow: bool = True) -> Entry | None:
        """What a path leads to, or None. Links are followed as after a chroot: nothing leads outside.

        Args:
            path: from the root.
            follow: whether the last part, when it is a link, is followed too.

        Raises:
            OSError: the links go in circles.
        """
        trail = [self.root]
        to_go = path.split("/")[::-1]
        links = 0
        while to_go:
            part = to_go.pop()
            if part in ("", "."):
                continue
            if part == "..":
                trail = trail[:-1] or trail
                continue
            entry = self._child(trail[-1], part)
            if entry is None:
                return None
            if not entry.is_link or (not follow and not any(to_go)):
                trail.append(entry)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(entry.places[0])
            trail = trail[:1] if target.startswith("/") else trail
            to_go += target.split("/")[::-1]
        return trail[-1]

    def content(self, folder: Entry) -> list[Entry]:
        """What is in a folder, sorted by name."""
        names: set[str] = set()
        for place in folder.places:
            with readable(place):
                names.update(os.listdir(place))
        found = (self._child(folder, name) for name in sorted(names))
        return [entry for entry in found if entry is not None]

    def walk(self, top: Entry) -> Iterator[Entry]:
        """What is below a folder; each folder before its content, all sorted."""
        for entry in self.content(top):
            yield entry
            if entry.is_folder:
                yield from self.walk(entry)

    def _child(self, folder: Entry, name: str) -> Entry | None:
        """What a name in a folder stands for: the highest layer's file, or folders that are merged."""
        if not folder.is_folder:
            return None
        places: list[str] = []
        highest: os.stat_result | None = None
        for parent in folder.places:
            place = f"{parent}/{name}"
            try:
                status = os.lstat(place)
            except FileNotFoundError:
                continue
            if is_whiteout(status) or (places and not stat.S_ISDIR(status.st_mode)):
                break
            places.append(place)
            highest = highest or status
            if not stat.S_ISDIR(status.st_mode) or is_opaque(place):
                break
        if highest is None:
            return None
        return Entry(posixpath.join(folder.path, name), tuple(places), highest)
