"""From a layer's tar to a folder in overlayfs' own form, whatever the tar tries.

Nothing is ever written outside of the folder: every name is resolved by hand, symbolic links included, with
the folder as root, as the kernel would after a chroot. What a Docker Engine refuses is refused in its words.

The files become the property of the user who runs the engine. Who owns them in the image is in the xattr
`user.pocket.owner` (`UID:GID`, unless it is 0:0) of files and folders; the kernel has no such xattrs on
symbolic links. Other xattrs, file capabilities among them, are not set, because an ordinary user may not;
they stay in the layer's tar. Device nodes are skipped for the same reason, and reported.
"""

import errno
import lzma
import os
import posixpath
import stat
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO

from pocket_engine.errors import EngineError
from pocket_engine.filesystems.whiteouts import is_whiteout, white_out
from pocket_engine.strict_tar import StrictTarInfo

OWNER = "user.pocket.owner"
OPAQUE = "user.overlay.opaque"
WHITEOUT_PREFIX = ".wh."
OPAQUE_MARK = ".wh..wh..opq"

_CHUNK = 64 * 1024
_BUFFER = 64 * 1024  # tarfile moves the rest of it with each header that it takes out.
_MOST_LINKS = 40  # As many as the kernel follows in one path.


def unpack(archive: BinaryIO, folder: Path) -> list[str]:
    """Unpack the uncompressed tar of a layer.

    Args:
        archive: read to its end, never sought.
        folder: exists and is empty.

    Returns:
        The names of the device nodes that were left out.

    Raises:
        EngineError: the tar is broken or climbs out, or the disk is full. Remove the folder then.
    """
    unpacking = _Unpacking(str(folder))
    try:
        with tarfile.open(fileobj=archive, mode="r|", bufsize=_BUFFER, tarinfo=StrictTarInfo) as tar:
            for member in tar:
                tar.members.clear()  # type: ignore[attr-defined]  # It would keep them all.
                unpacking.add(tar, member)
        while archive.read(_CHUNK):  # What follows the end counts for the digest.
            pass
        unpacking.finish()
    except EOFError:
        raise _broken("unexpected EOF") from None
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so when their data are broken.
            raise _broken(str(error)) from error
        raise _broken(f"{error.filename or folder}: {os.strerror(error.errno).lower()}") from error
    except (tarfile.TarError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise _broken(str(error)) from error
    return unpacking.skipped


def _broken(reason: str) -> EngineError:
    return EngineError(f"Error processing tar file(exit status 1): {reason}")


class _Unpacking:
    def __init__(self, root: str) -> None:
        self.root = root
        self.skipped: list[str] = []
        # Folders get their mode and times last: until then things are written to them.
        self.folders: dict[str, tarfile.TarInfo | None] = {}
        self.resolved = {"": root}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath(member.name).lstrip("/")
        if name == ".." or name.startswith("../"):
            raise _broken(f'"{member.name}" is outside of "/"')
        parent, _, last = name.rpartition("/")
        folder = self._resolve(parent)
        path = f"{folder}/{last}" if name not in ("", ".") else self.root
        if last.startswith(WHITEOUT_PREFIX):
            self._white_out(folder, last)
        elif member.isdir():
            self._make_folder(path)
            self.folders[path] = member
        elif member.ischr() or member.isblk():
            self.skipped.append(name)
        elif path == self.root:
            raise _broken(f'"{member.name}" is no folder')
        else:
            self._make_room(path)
            self._make(tar, member, path)

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if member.isfile():
            self._write(tar, member, path)
        elif member.issym():
            if _climbs_out(member):
                raise _broken(f'invalid symlink "{member.name}" -> "{member.linkname}"')
            os.symlink(member.linkname, path)
            os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)
        elif member.islnk():
            target = posixpath.normpath(member.linkname).lstrip("/")
            if target == ".." or target.startswith("../"):
                raise _broken(f'invalid hardlink "{member.linkname}" -> "{member.name}"')
            parent, _, last = target.rpartition("/")
            os.link(f"{self._resolve(parent)}/{last}", path, follow_symlinks=False)
        elif member.isfifo():
            os.mkfifo(path)
            os.chmod(path, member.mode & 0o7777)
            os.utime(path, (member.mtime, member.mtime))
        else:
            raise _broken(f"unhandled tar header type {member.type[0]}")

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        # Without the buffer, which would read the holes of sparse files too.
        content = tar.extractfile(member).raw  # type: ignore[union-attr]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            blocks: list[tuple[int, int]] = [(0, member.size)]
            if member.sparse is not None:
                blocks = member.sparse  # type: ignore[assignment]
            for offset, size in blocks:
                content.seek(offset)
                os.lseek(descriptor, offset, os.SEEK_SET)
                while size > 0:
                    chunk = content.read(min(size, _CHUNK))
                    if not chunk:
                        raise EOFError
                    _write_all(descriptor, chunk)
                    size -= len(chunk)
            if member.sparse is not None:
                os.ftruncate(descriptor, member.size)
            _set_owner(descriptor, member)  # First: the kernel wants the right to write for it.
            os.fchmod(descriptor, member.mode & 0o7777)
            os.utime(descriptor, (member.mtime, member.mtime))
        except OSError as error:
            error.filename = member.name
            raise
        finally:
            os.close(descriptor)

    def _make_folder(self, path: str) -> None:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            os.mkdir(path, 0o700)
            return
        if not stat.S_ISDIR(status.st_mode):
            self._make_room(path)
            os.mkdir(path, 0o700)
            if is_whiteout(status):  # What the layer has now still hides the lower ones.
                os.setxattr(path, OPAQUE, b"y")

    def _make_room(self, path: str) -> None:
        """Remove what an earlier entry of the same name has left."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            self._remove_folder(path)
        self.resolved = {"": self.root}

    def _remove_folder(self, path: str) -> None:
        for folder, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(f"{folder}/{name}")
            for name in folders:
                inner = f"{folder}/{name}"
                if os.path.islink(inner):
                    os.unlink(inner)
                else:
                    os.rmdir(inner)
        os.rmdir(path)
        self.folders = {
            folder: member
            for folder, member in self.folders.items()
            if folder != path and not folder.startswith(path + "/")
        }

    def _white_out(self, folder: str, last: str) -> None:
        if last == OPAQUE_MARK:
            os.setxattr(folder, OPAQUE, b"y")
            return
        if last.startswith(WHITEOUT_PREFIX * 2):  # Notes of aufs to itself.
            return
        name = last.removeprefix(WHITEOUT_PREFIX)
        if name in ("", ".", ".."):
            raise _broken(f'invalid whiteout "{last}"')
        path = f"{folder}/{name}"
        try:
            white_out(path)
        except FileExistsError:  # A whiteout speaks of the layers below only.
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.setxattr(path, OPAQUE, b"y")

    def _resolve(self, name: str) -> str:
        """Where a folder of the layer is on disk; made when the tar has not told of it."""
        if name in self.resolved:
            return self.resolved[name]
        current, links = self.root, 0
        to_go = name.split("/")[::-1]
        while to_go:
            part = to_go.pop()
            if part == "..":
                current = posixpath.dirname(current) if current != self.root else current
            elif part not in ("", "."):
                path = f"{current}/{part}"
                try:
                    status = os.lstat(path)
                except FileNotFoundError:
                    status = None
                if status and stat.S_ISLNK(status.st_mode):
                    links += 1
                    if links > _MOST_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
                    target = os.readlink(path)
                    current = self.root if target.startswith("/") else current
                    to_go += target.split("/")[::-1]
                    continue
                if status is None or is_whiteout(status):
                    self._make_folder(path)
                    self.folders.setdefault(path, None)
                elif not stat.S_ISDIR(status.st_mode):
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
                current = path
        self.resolved[name] = current
        return current

    def finish(self) -> None:
        for path, member in sorted(self.folders.items(), reverse=True):  # Inner ones first.
            if member is None:
                os.chmod(path, 0o755)
                continue
            _set_owner(path, member)
            os.chmod(path, member.mode & 0o7777)
            os.utime(path, (member.mtime, member.mtime))
        if self.root not in self.folders:
            os.chmod(self.root, 0o755)


def _climbs_out(link: tarfile.TarInfo) -> bool:
    """Whether a symbolic link leads above the root. Harmless here, but Docker refuses it."""
    if link.linkname.startswith("/"):
        return False
    start = posixpath.dirname(link.name.lstrip("/"))
    target = posixpath.normpath(posixpath.join(start, link.linkname))
    return target == ".." or target.startswith("../")


def _set_owner(file: int | str, member: tarfile.TarInfo) -> None:
    if not member.uid and not member.gid:
        return
    try:
        os.setxattr(file, OWNER, b"%d:%d" % (member.uid, member.gid))
    except OSError as error:
        if error.errno != errno.ENOTSUP:  # A file system without them: only lessons on owners miss them.
            raise


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
