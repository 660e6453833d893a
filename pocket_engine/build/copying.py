"""Where COPY, ADD and WORKDIR write: straight into the folder of the next layer.

No container runs for them. The folder has only what is new or changed, in a layer's form, and the folders on
the way to it, which keep their owners and modes.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from pocket_engine.build.tree import Entry, Tree
from pocket_engine.errors import EngineError
from pocket_engine.images.unpacking import OWNER
from pocket_engine.modes import readable

ROOT = b"0:0"


class LayerFolder:
    """The folder of a layer that comes on top of others.

    Args:
        folder: is made, with what is written; `images.layers.add_folder` takes it in the end.
        below: the layers below, lowest first.

    Attributes:
        tree: everything that is to be seen, with what was written so far.
    """

    def __init__(self, folder: Path, below: Sequence[Path]) -> None:
        folder.mkdir()
        self.folder = str(folder)
        self.tree = Tree((*below, folder))
        # Folders get their modes and times last: until then things are written to them.
        self._unfinished: dict[str, tuple[int, int | None]] = {}

    def make_folder(self, path: str, owner: bytes = ROOT) -> str:
        """Make a folder and those on the way to it, with mode 0755, where there are none.

        Args:
            path: absolute; symbolic links in it are followed.
            owner: of those that are made, as `UID:GID`.

        Returns:
            Its path without symbolic links.

        Raises:
            NotADirectoryError: there is something else on the way.
        """
        resolved = ""
        for part in [part for part in path.split("/") if part]:
            wanted = f"{resolved}/{part}"
            entry = self.tree.find(wanted)
            if entry is None:
                dangling = self.tree.find(wanted, follow=False)
                if dangling is not None:
                    resolved = self.make_folder(self._target(dangling), owner)
                    continue
                self._enter(resolved)
                os.mkdir(f"{self.folder}{wanted}", 0o700)
                _set_owner(f"{self.folder}{wanted}", owner)
                self._unfinished[wanted] = (0o755, None)
                resolved = wanted
            elif not entry.is_folder:
                raise NotADirectoryError(f"mkdir {entry.path}: not a directory")
            else:
                resolved = "" if entry.path == "/" else entry.path
        return resolved

    def copy_content(self, source: Tree, folder: Entry, target: str, owner: bytes | None) -> None:
        """Copy what is in a folder into another one.

        Args:
            source: where the folder is.
            folder: which.
            target: exists, and has no symbolic links in its path.
            owner: of all that is copied, as `UID:GID`; None: the source's.
        """
        for entry in source.content(folder):
            path = f"{target}/{entry.name}"
            if not entry.is_folder:
                self.copy_file(entry, path, owner)
                continue
            there = self.tree.find(path, follow=False)
            if there is None or not there.is_folder:
                self._make_room(path)
                os.mkdir(f"{self.folder}{path}", 0o700)
            else:
                self._enter(path)
            _set_owner(f"{self.folder}{path}", owner or _owner(entry.places[0]))
            self._unfinished[path] = (stat.S_IMODE(entry.status.st_mode), entry.status.st_mtime_ns)
            self.copy_content(source, entry, path, owner)

    def copy_file(self, entry: Entry, path: str, owner: bytes | None) -> None:
        """Copy a file or link, with its mode and time; what is there is replaced.

        Args:
            entry: no folder.
            path: has no symbolic links before its last part; the folder exists.
            owner: as `UID:GID`; None: the source's.
        """
        self._make_room(path)
        origin, copy = entry.places[0], f"{self.folder}{path}"
        times = (entry.status.st_atime_ns, entry.status.st_mtime_ns)
        if entry.is_link:
            os.symlink(os.readlink(origin), copy)
            os.utime(copy, ns=times, follow_symlinks=False)
            return
        if stat.S_ISFIFO(entry.status.st_mode):
            os.mkfifo(copy)
        else:
            with readable(origin):
                shutil.copyfile(origin, copy)
        _set_owner(copy, owner or _owner(origin))
        os.chmod(copy, stat.S_IMODE(entry.status.st_mode))
        os.utime(copy, ns=times)

    def finish(self) -> Path:
        """All is written. Returns the folder."""
        for path, (mode, time) in sorted(self._unfinished.items(), reverse=True):  # Inner ones first.
            os.chmod(f"{self.folder}{path}", mode)
            if time is not None:
                os.utime(f"{self.folder}{path}", ns=(time, time))
        return Path(self.folder)

    def _enter(self, path: str) -> None:
        """Have the folders of a path in this layer too, with the owners and modes that they have below."""
        for end in [index for index, character in enumerate(path) if character == "/" and index] + [
            len(path)
        ]:
            on_disk = f"{self.folder}{path[:end]}"
            if not os.path.lexists(on_disk):
                entry = self.tree.find(path[:end])
                assert entry is not None  # The caller has found it.
                os.mkdir(on_disk, 0o700)
                _set_owner(on_disk, _owner(entry.places[0]))
                self._unfinished[path[:end]] = (stat.S_IMODE(entry.status.st_mode), None)

    def _make_room(self, path: str) -> None:
        """Remove what an earlier source of the same step has left under this name."""
        self._enter(os.path.dirname(path).rstrip("/"))
        on_disk = f"{self.folder}{path}"
        if os.path.isdir(on_disk) and not os.path.islink(on_disk):
            shutil.rmtree(on_disk)
            inside = path + "/"
            self._unfinished = {
                name: mode
                for name, mode in self._unfinished.items()
                if name != path and not name.startswith(inside)
            }
        elif os.path.lexists(on_disk):
            os.unlink(on_disk)

    def _target(self, link: Entry) -> str:
        """Where a link leads that leads to nothing yet."""
        return os.path.normpath(os.path.join(os.path.dirname(link.path), os.readlink(link.places[0])))


def owner_of(chown: str, tree: Tree) -> bytes:
    """The owner that `--chown` names, as `UID:GID`.

    Args:
        chown: `user` or `user:group`, names or numbers. A group that is not given has the user's name.
        tree: the image, of which /etc/passwd and /etc/group are read.

    Raises:
        EngineError: there is no such user or group.
    """
    user, *groups = chown.split(":")
    if len(groups) > 1:
        raise EngineError(f"invalid chown string format: {chown}")
    uid = _number(user, tree, "/etc/passwd", "uid for user", "user")
    gid = _number((groups or [user])[0], tree, "/etc/group", "gid for group", "group")
    return b"%d:%d" % (uid, gid)


def _number(name: str, tree: Tree, file: str, what: str, kind: str) -> int:
    if name.isdecimal():
        return int(name)
    failed = f"unable to convert uid/gid chown string to host mapping: can't find {what} {name}"
    entry = tree.find(file)
    if entry is None or entry.is_folder:
        raise EngineError(f"{failed}: open {file}: no such file or directory")
    for line in entry.read().decode(errors="replace").splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2])
    raise EngineError(f"{failed}: no such {kind}: {name}")


def _owner(path: str) -> bytes:
    try:
        return os.getxattr(path, OWNER, follow_symlinks=False)
    except OSError:  # None was set, or the file system has no xattrs.
        return ROOT


def _set_owner(path: str, owner: bytes) -> None:
    if owner != _owner(path):
        os.setxattr(path, OWNER, owner)
