"""Layers and changes put on top of each other by the kernel's overlayfs, mounted by an ordinary user.

Below a root's folder:

    lower/0, lower/1, …   links to the layers, lowest first; below them, 0 has the engine's own mount points
    upper/                what was written, in overlayfs' form
    work/                 overlayfs' own
    merged/               where it is mounted, in a container's mount namespace only

An overlay's mount options may be 4096 bytes long at most, hence the short names.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pocket_engine.filesystems import make_mount_points
from pocket_engine.modes import lifted
from pocket_engine.runners import Root

OPAQUE = "user.overlay.opaque"


def prepare(root: Root) -> None:
    """Make the root's folder ready for a first start. What a start cut short has left there is taken over."""
    for name in ("lower", "upper", "work", "merged"):
        (root.folder / name).mkdir(parents=True, exist_ok=True)
    make_mount_points(root.folder / "lower" / "0")
    for number, layer in enumerate(root.layers, start=1):
        link = root.folder / "lower" / str(number)
        link.unlink(missing_ok=True)
        link.symlink_to(layer)


def mounting(root: Root) -> dict[str, Any]:
    """What the launcher mounts. With `volatile` no fsync, and no container's end, waits for a disk."""
    lower = ":".join(str(number) for number in range(len(root.layers), -1, -1))
    return {
        "overlay": f"userxattr,volatile,lowerdir={lower},upperdir=../upper,workdir=../work",
        "folder": str(root.folder / "lower"),
        "target": str(root.folder / "merged"),
        # A volatile mount's mark. Where the kernel finds one it refuses, for fear of a power cut in between.
        "stale": str(root.folder / "work/work/incompat"),
    }


def changes(root: Root) -> Iterator[tuple[str, int]]:
    """The paths that differ from the layers, sorted: 0 modified, 1 added, 2 deleted (`docker diff`)."""
    lower = [root.folder / "lower/0", *root.layers]
    yield from sorted(_changes_below("", root.folder / "upper", lower[::-1], hidden=False))


def _changes_below(path: str, upper: Path, lower: list[Path], hidden: bool) -> Iterator[tuple[str, int]]:
    """The changes in one folder.

    Args:
        path: the folder inside, without a slash at its end.
        upper: what was written in it.
        lower: the same folder in the layers, as far as they can be seen through each other, highest first.
        hidden: whether none of it shows any more, because the folder was removed and made again.
    """
    entries = {entry.name: entry for entry in os.scandir(upper)}
    for name, entry in entries.items():
        below = _visible(name, lower)
        status = entry.stat(follow_symlinks=False)
        if is_whiteout(status):
            if below:
                yield f"{path}/{name}", 2
        elif not stat.S_ISDIR(status.st_mode):
            yield f"{path}/{name}", 0 if below else 1
        else:
            folder = Path(entry.path)
            with lifted(folder, stat.S_IRWXU):
                within = list(_changes_below(f"{path}/{name}", folder, below, hidden or is_opaque(folder)))
            if not below:
                yield f"{path}/{name}", 1
            elif within or _differ(status, below[0].lstat()):
                yield f"{path}/{name}", 0
            yield from within
    if hidden:
        names = {name for folder in lower if folder.is_dir() for name in _names(folder)}
        for name in names - entries.keys():
            if _visible(name, lower):
                yield f"{path}/{name}", 2


def _visible(name: str, folders: list[Path]) -> list[Path]:
    """What a name stands for in folders on top of each other: one file, or the folders that are merged."""
    found: list[Path] = []
    for folder in folders:
        try:
            with lifted(folder, stat.S_IXUSR):
                status = (folder / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if is_whiteout(status):
            break
        if not stat.S_ISDIR(status.st_mode):
            return found or [folder / name]
        found.append(folder / name)
        if is_opaque(folder / name):
            break
    return found


def _differ(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_mtime_ns) != (other.st_mode, other.st_mtime_ns)


def freeze(root: Root) -> Path:
    """What was written, in a layer's form: the upper folder, without overlayfs' notes to itself."""
    upper = root.folder / "upper"
    _clean(upper)
    return upper


def _clean(folder: Path) -> None:
    with lifted(folder, stat.S_IRWXU):
        times = folder.stat()
        for entry in os.scandir(folder):
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                _clean(Path(entry.path))
            elif stat.S_ISREG(mode):
                with lifted(entry.path, stat.S_IRUSR | stat.S_IWUSR):
                    _forget_notes(entry.path)
            elif stat.S_ISSOCK(mode):  # No tar has a place for one.
                os.unlink(entry.path)
        _forget_notes(folder)
        os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


def _forget_notes(path: str | Path) -> None:
    """Take away overlayfs' notes on where a file came from; they are true in this one overlay only."""
    for name in os.listxattr(path):
        if name.startswith("user.overlay.") and name != OPAQUE:
            os.removexattr(path, name)


def _names(folder: Path) -> list[str]:
    with lifted(folder, stat.S_IRUSR):
        return os.listdir(folder)


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it stands for a file that was deleted."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: str | Path) -> bool:
    """Whether a folder hides the folders of its name in the layers below."""
    try:
        with lifted(folder, stat.S_IRUSR):
            return os.getxattr(folder, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise
