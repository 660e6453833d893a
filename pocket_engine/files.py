"""A container's files, read and written from outside as `docker cp` does.

Symbolic links are followed inside the container's root, by hand: neither an absolute one nor a `..` leads out
of it. All files belong to the engine's user. The owner that the container sees is in the xattr
`user.pocket.owner`, as `UID:GID`, unless it is 0:0; symbolic links and special files cannot have one.

This module is also run in child processes that everybody waits for: it imports little.
"""

import bz2  # noqa: F401  tarfile would load these only when an archive needs them,
import contextlib
import errno
import gzip  # noqa: F401  and in a container's root there is nothing to load them from.
import lzma
import os
import shutil
import stat
import tarfile
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from pocket_engine.errors import BadRequest, EngineError, Forbidden, NotFound
from pocket_engine.modes import lifted
from pocket_engine.strict_tar import StrictTarInfo

OWNER = "user.pocket.owner"
_MOST_LINKS = 40  # As the kernel.
_CHUNK = 64 * 1024

# Go's mode bits, which the API shows.
_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}

_TAR_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


class Tree:
    """The files of one container.

    Args:
        root: the folder that is `/`.
        container: its id, for messages.
        mounts: what else is shown: for each absolute path inside, the file or folder that stands there.
        read_only: which of these paths may not be written; `/` is the root.
    """

    def __init__(
        self,
        root: str,
        container: str,
        mounts: Mapping[str, str] | None = None,
        read_only: Collection[str] = (),
    ) -> None:
        self._root = root.rstrip("/")
        self._container = container
        self._mounts = dict(sorted((mounts or {}).items(), key=lambda mount: len(mount[0]), reverse=True))
        self._read_only = read_only

    def stat(self, path: str) -> dict[str, Any]:
        """Docker's path stat: name, size, mode (Go's bits), mtime, linkTarget.

        Raises:
            NotFound: there is no such file.
        """
        inside = self._find(path)
        status = os.lstat(self._outside(inside))
        is_link = stat.S_ISLNK(status.st_mode)
        return {
            "name": _base(path),
            "size": status.st_size,
            "mode": _go_mode(status.st_mode),
            "mtime": _rfc3339(status.st_mtime_ns),
            "linkTarget": self._resolve(inside) if is_link else "",
        }

    def pack(self, path: str, archive: BinaryIO) -> None:
        """Write a tar of a file or folder, named by the path's last part.

        Raises:
            NotFound: there is no such file.
        """
        inside = self._find(path)
        with _writing(archive) as tar:
            self._add(tar, inside, _base(path), {})

    def export(self, archive: BinaryIO) -> None:
        """Write a tar of everything, named from the root."""
        with _writing(archive) as tar:
            links: dict[tuple[int, int], str] = {}
            for name in sorted(os.listdir(self._outside("/"))):
                self._add(tar, f"/{name}", name, links)

    def unpack(self, path: str, archive: BinaryIO, no_overwrite: bool = False) -> None:
        """Unpack a tar, compressed or not, into the folder `path`, with its owners, modes and times.

        Device nodes are left out: an ordinary user cannot make them.

        Args:
            path: the folder.
            archive: where to read.
            no_overwrite: whether a file may not take the place of a folder, nor a folder that of a file.

        Raises:
            NotFound: there is no such folder.
            BadRequest: the archive is broken, or climbs out of the folder.
            Forbidden: the folder cannot be written.
            EngineError: `path` is no folder, or the disk is full.
        """
        folder = self._resolve(path)
        if not os.path.lexists(self._outside(folder)):
            raise self._missing(path)
        if not os.path.isdir(self._outside(folder)):
            raise EngineError("extraction point is not a directory")
        self._check_writable(folder)
        try:
            with tarfile.open(fileobj=archive, mode="r|*", tarinfo=StrictTarInfo) as tar:
                self._extract_all(tar, folder, no_overwrite)
        except EOFError:
            raise BadRequest("Error processing tar file(exit status 1): unexpected EOF") from None
        except (tarfile.TarError, lzma.LZMAError) as error:
            raise BadRequest(f"Error processing tar file(exit status 1): {error}") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EngineError(f"Error processing tar file(exit status 1): {reason}") from None

    # Paths.

    def _find(self, path: str) -> str:
        """The path inside of a file that exists. A link at its end is followed if a slash comes after."""
        if not path:
            raise BadRequest("bad parameter: path cannot be empty")
        inside = self._resolve(path, follow_last=path.endswith(("/", "/.", "/..")))
        try:
            os.lstat(self._outside(inside))
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(path) from None
        return inside

    def _missing(self, path: str) -> NotFound:
        return NotFound(f"Could not find the file {path} in container {self._container}")

    def _resolve(self, path: str, follow_last: bool = True) -> str:
        """An absolute path inside, free of links and dots. What does not exist is taken for a folder."""
        left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        at, links = "/", 0
        while left:
            part = left.pop()
            if part == "..":
                at = os.path.dirname(at)
                continue
            at = os.path.join(at, part)
            if not left and not follow_last:
                break
            try:
                target = os.readlink(self._outside(at))
            except OSError:  # No link, or not there at all.
                continue
            links += 1
            if links > _MOST_LINKS:
                raise EngineError(f"{path}: {os.strerror(errno.ELOOP).lower()}")
            at = "/" if target.startswith("/") else os.path.dirname(at)
            left += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        return at

    def _mount_of(self, inside: str) -> str:
        for target in self._mounts:
            if inside == target or inside.startswith(f"{target}/"):
                return target
        return "/"

    def _outside(self, inside: str) -> str:
        target = self._mount_of(inside)
        if target in self._mounts:
            return self._mounts[target] + inside[len(target) :]
        return self._root + inside

    def _check_writable(self, folder: str) -> None:
        target = self._mount_of(folder)
        if target in self._read_only:
            raise Forbidden(
                "container rootfs is marked read-only"
                if target == "/"
                else "mounted volume is marked read-only"
            )

    # Packing.

    def _add(self, tar: tarfile.TarFile, inside: str, name: str, links: dict[tuple[int, int], str]) -> None:
        """Add a file, or a folder with all that is in it.

        Args:
            links: the names of the files so far that have more than one.
        """
        path = self._outside(inside)
        try:
            status = os.lstat(path)
        except FileNotFoundError:  # A program has removed it meanwhile.
            return
        kind = _TAR_TYPES.get(stat.S_IFMT(status.st_mode))
        if kind is None:  # A socket.
            return
        member = tarfile.TarInfo(name)
        member.type = kind
        member.mode = stat.S_IMODE(status.st_mode)
        member.mtime = int(status.st_mtime)
        member.uid, member.gid = owner(path)
        if kind == tarfile.SYMTYPE:
            member.linkname = os.readlink(path)
        elif kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        elif kind == tarfile.REGTYPE:
            first = links.setdefault((status.st_dev, status.st_ino), name) if status.st_nlink > 1 else name
            if first == name:
                _add_file(tar, member, path)
                return
            member.type, member.linkname = tarfile.LNKTYPE, first
        tar.addfile(member)
        if kind == tarfile.DIRTYPE:
            with lifted(path, stat.S_IRUSR | stat.S_IXUSR):
                for entry in sorted(os.listdir(path)):
                    self._add(tar, os.path.join(inside, entry), os.path.join(name, entry), links)

    # Unpacking.

    def _extract_all(self, tar: tarfile.TarFile, folder: str, no_overwrite: bool) -> None:
        folders: list[tuple[str, tarfile.TarInfo]] = []
        for member in tar:
            name = os.path.normpath(member.name.lstrip("/") or ".")
            if name.split("/")[0] == "..":
                raise BadRequest(f'"{member.name}" is outside of "{folder}"')
            inside = self._place(folder, name)
            path = self._outside(inside)
            _make_room(path, inside, member, folder, no_overwrite)
            self._extract(tar, member, path, folder)
            if member.isdir():
                folders.append((path, member))
        # Last: until then a folder must be writable, and writing in it changes its time.
        for path, member in reversed(folders):
            os.chmod(path, member.mode & 0o7777)
            os.utime(path, (member.mtime, member.mtime))

    def _place(self, folder: str, name: str) -> str:
        """The path inside of a member. Links on the way, this archive's too, are followed."""
        if name == ".":
            return folder
        parent = self._resolve(os.path.join(folder, os.path.dirname(name)))
        os.makedirs(self._outside(parent), mode=0o755, exist_ok=True)
        return os.path.join(parent, os.path.basename(name))

    def _extract(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, folder: str) -> None:
        if member.isdir():
            os.makedirs(path, mode=0o700, exist_ok=True)
            set_owner(path, member.uid, member.gid)
        elif member.issym():
            os.symlink(member.linkname, path)
            os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)
        elif member.islnk():
            first = self._place(folder, os.path.normpath(member.linkname.lstrip("/")))
            os.link(self._outside(first), path, follow_symlinks=False)
        elif member.isfifo():
            os.mkfifo(path, member.mode & 0o7777)
        elif member.isreg():
            content = tar.extractfile(member)
            assert content is not None
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
            set_owner(path, member.uid, member.gid)
            os.chmod(path, member.mode & 0o7777)
            os.utime(path, (member.mtime, member.mtime))


def owner(path: str) -> tuple[int, int]:
    """The user and group that the container sees as a file's owner."""
    try:
        with lifted(path, stat.S_IRUSR):
            user, group = os.getxattr(path, OWNER, follow_symlinks=False).split(b":")
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
            return 0, 0
        raise
    return int(user), int(group)


def set_owner(path: str, user: int, group: int) -> None:
    """Record whom the container is to see as the owner of a file or folder."""
    if (user, group) != (0, 0):
        os.setxattr(path, OWNER, f"{user}:{group}".encode())
    elif owner(path) != (0, 0):
        os.removexattr(path, OWNER)


def _make_room(path: str, inside: str, member: tarfile.TarInfo, folder: str, no_overwrite: bool) -> None:
    """Remove what stands in a member's place. A folder stays for a folder."""
    try:
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if no_overwrite and is_folder and not member.isdir():
        raise EngineError(f'cannot overwrite directory "{inside}" with non-directory "{folder}"')
    if no_overwrite and not is_folder and member.isdir():
        raise EngineError(f'cannot overwrite non-directory "{inside}" with directory "{folder}"')
    if is_folder and not member.isdir():
        shutil.rmtree(path)
    elif not is_folder:
        os.unlink(path)


def _add_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    with lifted(path, stat.S_IRUSR), open(path, "rb") as content:
        member.size = os.fstat(content.fileno()).st_size
        tar.addfile(member, _Exactly(content))


class _Exactly:
    """A file that a program may be cutting shorter: zeros follow, because the tar has promised its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


@contextlib.contextmanager
def _writing(archive: BinaryIO) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=archive, mode="w|", bufsize=_CHUNK, format=tarfile.PAX_FORMAT) as tar:
        yield tar


def _base(path: str) -> str:
    if path.endswith("/."):
        return "."
    return os.path.basename(path.rstrip("/")) or "/"


def _go_mode(mode: int) -> int:
    bits = sum(go for bit, go in _GO_BITS.items() if mode & bit)
    return stat.S_IMODE(mode) & 0o777 | _GO_TYPES.get(stat.S_IFMT(mode), 0) | bits


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"
