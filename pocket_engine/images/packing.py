"""From a folder in overlayfs' form to a layer's tar. The same folder gives the same bytes."""

import os
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO

from pocket_engine.filesystems.whiteouts import is_whiteout
from pocket_engine.images.unpacking import (
    OPAQUE,
    OPAQUE_MARK,
    OWNER,
    WHITEOUT_PREFIX,
)
from pocket_engine.modes import readable


def pack(folder: Path, archive: BinaryIO) -> int:
    """Write the tar of a layer: sorted, times in whole seconds, owners as the image has them.

    Args:
        folder: the unpacked layer. Modes that keep its owner from reading are lifted while it is read.
        archive: where to write; is asked for its place, and never sought.

    Returns:
        How many entries it has; 0 when the layer changes nothing.
    """
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        packing = _Packing(tar)
        packing.add_content(str(folder), "")
    return packing.entries


class _Packing:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.entries = 0
        self.first_names: dict[tuple[int, int], str] = {}  # Of files with several, by device and inode.

    def add_content(self, folder: str, prefix: str) -> None:
        if _xattr(folder, OPAQUE) == b"y":
            self._mark(prefix + OPAQUE_MARK)
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            self._add(entry.path, prefix, entry.name, status)

    def _add(self, path: str, prefix: str, name: str, status: os.stat_result) -> None:
        member = tarfile.TarInfo(prefix + name)
        member.mode = stat.S_IMODE(status.st_mode)
        member.mtime = int(status.st_mtime)
        if is_whiteout(status):
            self._mark(prefix + WHITEOUT_PREFIX + name)
        elif stat.S_ISLNK(status.st_mode):
            member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
            self._write(member)
        elif stat.S_ISFIFO(status.st_mode):
            member.type = tarfile.FIFOTYPE
            self._write(member)
        elif stat.S_ISDIR(status.st_mode):
            member.type = tarfile.DIRTYPE
            with readable(path):
                member.uid, member.gid = _owner(path)
                self._write(member)
                self.add_content(path, f"{member.name}/")
        elif stat.S_ISREG(status.st_mode):
            self._add_file(path, member, status)

    def _add_file(self, path: str, member: tarfile.TarInfo, status: os.stat_result) -> None:
        first_name = self.first_names.setdefault((status.st_dev, status.st_ino), member.name)
        with readable(path):
            member.uid, member.gid = _owner(path)
            if first_name != member.name:
                member.type, member.linkname = tarfile.LNKTYPE, first_name
                self._write(member)
                return
            member.size = status.st_size
            with open(path, "rb") as content:
                self._write(member, content)

    def _mark(self, name: str) -> None:
        self._write(tarfile.TarInfo(name))

    def _write(self, member: tarfile.TarInfo, content: BinaryIO | None = None) -> None:
        self.tar.addfile(member, content)
        self.tar.members.clear()  # type: ignore[attr-defined]  # It would keep them all.
        self.entries += 1


def _owner(path: str) -> tuple[int, int]:
    owner = _xattr(path, OWNER)
    if not owner:
        return 0, 0
    uid, _, gid = owner.partition(b":")
    return int(uid), int(gid)


def _xattr(path: str, name: str) -> bytes:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:  # Not there, or a file system that has none.
        return b""
