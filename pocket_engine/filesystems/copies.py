"""A root file system that is a full copy of its layers, for where nothing can be mounted.

Below a root's folder:

    copy/       the root file system, made when a container is first started
    finished    written when the copy was complete; what has changed since then changed later than this file

A copy costs time and disk, but no program can damage a layer through it, however it writes.
"""

import fcntl
import filecmp
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pocket_engine.data_root import remove_tree
from pocket_engine.filesystems import MOUNT_POINTS, MOUNTED_FILES, make_mount_points
from pocket_engine.filesystems.overlay import is_opaque, is_whiteout
from pocket_engine.runners import Root

OWNER = "user.pocket.owner"
FICLONE = 0x40049409  # From linux/fs.h: share a file's blocks until one of the two is written.

MODIFIED, ADDED, DELETED = 0, 1, 2


@dataclass(frozen=True)
class _Entry:
    """One file, folder or link of a root file system: its path on disk, and what lstat() says."""

    path: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def prepare(root: Root) -> None:
    """Copy the layers, if that is not done yet. What a start cut short has left there is removed."""
    if (root.folder / "finished").exists():
        return
    copy = root.folder / "copy"
    if copy.exists():
        remove_tree(copy)
    copy.mkdir(parents=True)
    _copy(root.layers, copy)
    make_mount_points(copy)
    (root.folder / "finished").touch()


def mounting(root: Root) -> dict[str, Any]:
    """What the launcher of `runners.namespaces` mounts as `/`."""
    return {"bind": str(root.folder / "copy")}


def changes(root: Root) -> Iterator[tuple[str, int]]:
    """The paths that differ from the layers, sorted: 0 modified, 1 added, 2 deleted (`docker diff`)."""
    difference = _difference(root)
    for path in sorted({*difference, *_folders_above(difference)}):
        yield path, difference.get(path, MODIFIED)


def freeze(root: Root) -> Path:
    """What was written, in a layer's form. The copy is used up."""
    copy, frozen = root.folder / "copy", root.folder / "frozen"
    frozen.mkdir()
    difference = _difference(root)
    folders: list[tuple[str, os.stat_result]] = []
    for path in sorted({*difference, *_folders_above(difference)}):
        old, new = f"{copy}{path}", f"{frozen}{path}"
        if difference.get(path) == DELETED:
            os.mknod(new, stat.S_IFCHR, 0)
            continue
        status = os.lstat(old)
        if stat.S_ISDIR(status.st_mode):
            os.chmod(old, 0o700)
            _make_folder(old, new)
            folders.append((new, status))
        elif not stat.S_ISSOCK(status.st_mode):  # No tar has a place for one.
            os.rename(old, new)
    _finish_folders(folders)
    return frozen


def _folders_above(paths: Iterable[str]) -> set[str]:
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"/"}


_ENGINES_OWN = {f"/{name}" for name in (*MOUNT_POINTS, *MOUNTED_FILES)}
_ENGINES_OWN |= _folders_above(_ENGINES_OWN)


def _difference(root: Root) -> dict[str, int]:
    """What was changed, path by path; of a folder that was removed, the folder only."""
    before = dict(_merged("", _highest_first(root.layers)))
    after = dict(_merged("", [str(root.folder / "copy")]))
    finished = (root.folder / "finished").stat().st_mtime_ns
    found: dict[str, int] = {}
    for path, entry in after.items():
        if path not in before:
            if not (path in _ENGINES_OWN and (entry.is_folder or entry.status.st_size == 0)):
                found[path] = ADDED
        elif _is_modified(before[path], entry, finished):
            found[path] = MODIFIED
    for path in before.keys() - after.keys():
        above = os.path.dirname(path)
        if above == "/" or (above in after and after[above].is_folder):
            found[path] = DELETED
    return found


def _is_modified(before: _Entry, after: _Entry, finished: int) -> bool:
    """Whether a file was changed since the copy was finished.

    Nobody can set the time of a file's last change (ctime), so what has an old one is as it was.
    """
    old, new = before.status, after.status
    if old.st_mode != new.st_mode:
        return True
    touched = new.st_ctime_ns > finished
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(before.path) != os.readlink(after.path)
    if after.is_folder:
        return touched and (old.st_mtime_ns != new.st_mtime_ns or _owner(before.path) != _owner(after.path))
    if (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
        return True
    return touched and (_owner(before.path) != _owner(after.path) or not _same_content(before, after))


def _same_content(one: _Entry, other: _Entry) -> bool:
    if not stat.S_ISREG(one.status.st_mode):
        return True
    with (
        _opened(one.path, one.status.st_mode, stat.S_IRUSR),
        _opened(other.path, other.status.st_mode, stat.S_IRUSR),
    ):
        return filecmp.cmp(one.path, other.path, shallow=False)


def _highest_first(layers: Sequence[Path]) -> list[str]:
    return [str(layer) for layer in reversed(layers)]


def _merged(prefix: str, folders: Sequence[str]) -> Iterator[tuple[str, _Entry]]:
    """What is to be seen of folders on top of each other, highest first: each folder before its content."""
    found: dict[str, list[_Entry]] = {}
    for folder in folders:
        for entry in _entries(folder):
            found.setdefault(os.path.basename(entry.path), []).append(entry)
    for name, entries in found.items():
        highest = entries[0]
        if is_whiteout(highest.status):
            continue
        yield f"{prefix}/{name}", highest
        if highest.is_folder:
            yield from _merged(f"{prefix}/{name}", list(_seen_through(entries)))


def _seen_through(entries: list[_Entry]) -> Iterator[str]:
    """The folders that are merged: up to a file, a whiteout, or one that hides all below it."""
    for entry in entries:
        if not entry.is_folder:
            return
        yield entry.path
        if is_opaque(entry.path):
            return


def _entries(folder: str) -> list[_Entry]:
    with _opened(folder, os.stat(folder).st_mode, stat.S_IRUSR | stat.S_IXUSR), os.scandir(folder) as found:
        return [_Entry(entry.path, entry.stat(follow_symlinks=False)) for entry in found]


@contextmanager
def _opened(path: str, mode: int, needed: int) -> Iterator[None]:
    """Lift a mode that keeps the owner out, for a while."""
    if mode & needed == needed:
        yield
        return
    os.chmod(path, stat.S_IMODE(mode) | needed)
    try:
        yield
    finally:
        os.chmod(path, stat.S_IMODE(mode))


def _copy(layers: Sequence[Path], target: Path) -> None:
    folders: list[tuple[str, os.stat_result]] = []
    names: dict[tuple[int, int], str] = {}  # Of files with several: where the first was copied to.
    for path, entry in _merged("", _highest_first(layers)):
        to = f"{target}{path}"
        mode = entry.status.st_mode
        if stat.S_ISDIR(mode):
            _make_folder(entry.path, to)
            folders.append((to, entry.status))  # Writing into it would change its times.
        elif stat.S_ISREG(mode):
            identity = (entry.status.st_dev, entry.status.st_ino)
            if identity in names:
                os.link(names[identity], to)
                continue
            if entry.status.st_nlink > 1:
                names[identity] = to
            _copy_file(entry, to)
        elif stat.S_ISLNK(mode):
            os.symlink(os.readlink(entry.path), to)
            _copy_times(to, entry.status)
        elif stat.S_ISFIFO(mode):
            os.mkfifo(to, stat.S_IMODE(mode))
            _copy_times(to, entry.status)
    _finish_folders(folders)


def _make_folder(source: str, target: str) -> None:
    os.mkdir(target, 0o700)
    _copy_owner(source, target)


def _finish_folders(folders: list[tuple[str, os.stat_result]]) -> None:
    """Set modes and times, the innermost first: until then they had to be written into."""
    for path, status in reversed(folders):
        os.chmod(path, stat.S_IMODE(status.st_mode))
        _copy_times(path, status)


def _copy_file(entry: _Entry, to: str) -> None:
    with _opened(entry.path, entry.status.st_mode, stat.S_IRUSR):
        source = os.open(entry.path, os.O_RDONLY)
    target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            fcntl.ioctl(target, FICLONE, source)
        except OSError:
            while os.copy_file_range(source, target, 1 << 30):
                pass
        _copy_owner(source, target)
        os.fchmod(target, stat.S_IMODE(entry.status.st_mode))
        _copy_times(target, entry.status)
    finally:
        os.close(source)
        os.close(target)


def _copy_owner(source: str | int, target: str | int) -> None:
    owner = _owner(source)
    if owner:
        os.setxattr(target, OWNER, owner)


def _owner(path: str | int) -> bytes:
    try:
        return os.getxattr(path, OWNER)
    except OSError:
        return b""


def _copy_times(path: str | int, status: os.stat_result) -> None:
    times = (status.st_atime_ns, status.st_mtime_ns)
    if isinstance(path, int):
        os.utime(path, ns=times)
    else:
        os.utime(path, ns=times, follow_symlinks=False)
