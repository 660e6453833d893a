"""A root file system that is a copy of its layers, for where nothing can be mounted.

Below a root's folder:

    copy/       the root file system, made before a container's first start
    finished    written when the copy was complete: what has changed since then is newer than this file

Most of an image is programs, below /usr. Nobody writes into those: package managers put new files in the
place of old ones. So these are copied once for each layer, and containers have hard links to that copy
(of symbolic links too: a file system makes a name much faster than an inode):

    DATA_ROOT/programs/<layer>/…

A program that does write into one changes it for the other containers of its image too, never for the image.
Before a link is made, the copy is compared with the layer, and made again if it differs.
"""

import contextlib
import filecmp
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.filesystems import MOUNT_POINTS, MOUNTED_FILES, make_mount_points
from pocket_engine.filesystems.copying import copy_file, copy_link, finish_folders, make_folder, owner
from pocket_engine.filesystems.merging import Entry, merged, opened
from pocket_engine.filesystems.whiteouts import white_out
from pocket_engine.runners import Root

MODIFIED, ADDED, DELETED = 0, 1, 2

PROGRAMS = ("/bin/", "/lib/", "/lib64/", "/sbin/", "/usr/")


class Copies:
    """Makes roots by copying. For its methods see `pocket_engine.filesystems.Filesystem`.

    Args:
        data_root: the engine's folder.
    """

    def __init__(self, data_root: DataRoot) -> None:
        self._layers = data_root / "layers"
        self._programs = data_root / "programs"
        self._programs.mkdir(exist_ok=True)

    def prepare(self, root: Root) -> None:
        """Copy the layers, if that is not done yet. What a start cut short has left there is removed."""
        if (root.folder / "finished").exists():
            return
        copy = root.folder / "copy"
        if copy.exists():
            remove_tree(copy)
        copy.mkdir(parents=True)
        self._forget_removed_layers()
        self._copy(root, copy)
        (root.folder / "finished").touch()

    def mounting(self, root: Root) -> dict[str, Any]:
        return {"bind": str(root.folder / "copy")}

    def changes(self, root: Root) -> Iterator[tuple[str, int]]:
        difference = _difference(root)
        for path in sorted({*difference, *_folders_above(difference)}):
            yield path, difference.get(path, MODIFIED)

    def freeze(self, root: Root) -> Path:
        copy, frozen = root.folder / "copy", root.folder / "frozen"
        frozen.mkdir()
        difference = _difference(root)
        folders: list[tuple[str, os.stat_result]] = []
        for path in sorted({*difference, *_folders_above(difference)}):
            old, new = f"{copy}{path}", f"{frozen}{path}"
            if difference.get(path) == DELETED:
                white_out(new)
                continue
            status = os.lstat(old)
            if stat.S_ISDIR(status.st_mode):
                os.chmod(old, 0o700)
                make_folder(old, new)
                folders.append((new, status))
            elif stat.S_ISREG(status.st_mode) and difference[path] == MODIFIED and status.st_nlink > 1:
                copy_file(old, status, new)  # Others may have it, too.
            elif not stat.S_ISSOCK(status.st_mode):  # No tar has a place for one.
                os.rename(old, new)
        finish_folders(folders)
        return frozen

    def _copy(self, root: Root, target: Path) -> None:
        folders: list[tuple[str, os.stat_result]] = []
        names: dict[tuple[int, int], str] = {}  # Of files with several: where the first is now.
        for inside, entry in merged([str(layer) for layer in root.layers]):
            to = f"{target}{inside}"
            mode = entry.status.st_mode
            if entry.is_folder:
                make_folder(entry.path, to)
                folders.append((to, entry.status))
            elif stat.S_ISREG(mode):
                first = names.setdefault((entry.status.st_dev, entry.status.st_ino), to)
                if first != to:
                    os.link(first, to)
                else:
                    self._place(entry, root.layers[entry.layer], inside, to)
            elif stat.S_ISLNK(mode):
                self._place(entry, root.layers[entry.layer], inside, to)
            elif stat.S_ISFIFO(mode):
                os.mkfifo(to, stat.S_IMODE(mode))
        make_mount_points(target)
        finish_folders(folders)

    def _place(self, entry: Entry, layer: Path, inside: str, to: str) -> None:
        if layer.parent == self._layers and inside.startswith(PROGRAMS):
            with contextlib.suppress(
                OSError
            ):  # Some file systems have no hard links, or no more for this file.
                os.link(self._program(entry, layer, inside), to, follow_symlinks=False)
                return
        _copy_entry(entry, to)

    def _program(self, entry: Entry, layer: Path, inside: str) -> str:
        """The copy of a layer's file that containers share."""
        shared = f"{self._programs}/{layer.name}{inside}"
        try:
            if _looks_like(entry, os.lstat(shared)) and _owner(entry, shared) == _owner(entry, entry.path):
                return shared
        except FileNotFoundError:
            os.makedirs(os.path.dirname(shared), exist_ok=True)
        unfinished = f"{shared}.{secrets.token_hex(8)}"
        _copy_entry(entry, unfinished)
        os.replace(unfinished, shared)
        return shared

    def _forget_removed_layers(self) -> None:
        for folder in self._programs.iterdir():
            if not (self._layers / folder.name).exists():
                remove_tree(folder)


def _copy_entry(entry: Entry, to: str) -> None:
    copy = copy_link if stat.S_ISLNK(entry.status.st_mode) else copy_file
    copy(entry.path, entry.status, to)


def _owner(entry: Entry, path: str) -> bytes:
    return (
        b"" if stat.S_ISLNK(entry.status.st_mode) else owner(path)
    )  # It would be that of the link's target.


def _folders_above(paths: Iterable[str]) -> set[str]:
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"/"}


_ENGINES_OWN = {f"/{name}" for name in (*MOUNT_POINTS, *MOUNTED_FILES)}
_ENGINES_OWN |= _folders_above(_ENGINES_OWN)


def _difference(root: Root) -> dict[str, int]:
    """What was changed, path by path; of a folder that was removed, the folder only."""
    missing = dict(merged([str(layer) for layer in root.layers]))
    finished = (root.folder / "finished").stat().st_mtime_ns
    folders = {"/"}
    found: dict[str, int] = {}
    for path, entry in merged([str(root.folder / "copy")]):
        if entry.is_folder:
            folders.add(path)
        before = missing.pop(path, None)
        if before is None:
            if not (path in _ENGINES_OWN and (entry.is_folder or entry.status.st_size == 0)):
                found[path] = ADDED
        elif _is_modified(before, entry, finished):
            found[path] = MODIFIED
    for path in missing:
        if os.path.dirname(path) in folders:
            found[path] = DELETED
    return found


def _is_modified(before: Entry, after: Entry, finished: int) -> bool:
    """Whether something is not any more as it was copied.

    Nobody can set the time of a file's last change (ctime). What has an old one is as it was.
    """
    old, new = before.status, after.status
    if stat.S_ISLNK(new.st_mode):
        return not stat.S_ISLNK(old.st_mode) or os.readlink(before.path) != os.readlink(after.path)
    if old.st_mode != new.st_mode:
        return True
    touched = new.st_ctime_ns >= finished  # The clock of files ticks some hundred times a second.
    if after.is_folder:
        return touched and (old.st_mtime_ns != new.st_mtime_ns or owner(before.path) != owner(after.path))
    if not _looks_like(before, new):
        return True
    return touched and (owner(before.path) != owner(after.path) or not _same_content(before, after))


def _looks_like(entry: Entry, status: os.stat_result) -> bool:
    known = entry.status
    return (known.st_mode, known.st_size, known.st_mtime_ns) == (
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
    )


def _same_content(before: Entry, after: Entry) -> bool:
    """Of a file with more names than in its layer, a link was made since, and that is all that touched it."""
    if not stat.S_ISREG(after.status.st_mode) or after.status.st_nlink > before.status.st_nlink:
        return True
    with (
        opened(before.path, before.status.st_mode, stat.S_IRUSR),
        opened(after.path, after.status.st_mode, stat.S_IRUSR),
    ):
        return filecmp.cmp(before.path, after.path, shallow=False)
