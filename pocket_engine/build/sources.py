"""What COPY and ADD read: files of the context or of another image, downloads, archives that ADD unpacks."""

import hashlib
import lzma
import os
import posixpath
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from pocket_engine.build import patterns
from pocket_engine.build.fetching import fetched
from pocket_engine.build.stream import Telling
from pocket_engine.build.tree import Entry, Tree
from pocket_engine.errors import EngineError
from pocket_engine.images.compression import compression_of, decompressed
from pocket_engine.images.progress import progress
from pocket_engine.images.unpacking import unpack
from pocket_engine.modes import readable

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One file or folder to copy.

    Attributes:
        tree: where it is.
        entry: the file or folder; links to it were followed.
        name: what it is called in a folder that it is copied into.
        is_download: whether it came from a URL.
    """

    tree: Tree
    entry: Entry
    name: str
    is_download: bool = False


def find(tree: Tree, written: str) -> list[Source]:
    """The files and folders that a source of COPY or ADD means.

    Args:
        tree: the context or an image.
        written: a path from its root, perhaps with wildcards.

    Raises:
        FileNotFoundError: there is none of that name.
        PermissionError: it is outside.
    """
    path = posixpath.normpath(written.lstrip("/") or ".")
    if path.split("/")[0] == "..":
        raise PermissionError(f"forbidden path outside the build context: {written} ()")
    if patterns.has_wildcards(path):
        return [Source(tree, entry, name) for entry, name in _matches(tree, tree.root, path.split("/"))]
    entry = tree.find(path)
    if entry is None:
        raise FileNotFoundError(path)
    return [Source(tree, entry, posixpath.basename(path))]


def _matches(tree: Tree, folder: Entry, parts: list[str]) -> Iterator[tuple[Entry, str]]:
    try:
        expression = re.compile(patterns.translate(parts[0]), re.DOTALL)
    except patterns.BadPattern:
        return
    for child in tree.content(folder):
        if expression.fullmatch(child.name):
            entry = tree.find(child.path)
            if entry is None:
                continue
            if len(parts) == 1:
                yield entry, child.name
            elif entry.is_folder:
                yield from _matches(tree, entry, parts[1:])


def checksum(source: Source) -> str:
    """What identifies a source to the cache: names, modes and content. Dates and owners make no difference.

    Returns:
        `file:` or `dir:` and a SHA-256; of a download the SHA-256 only.
    """
    digest = hashlib.sha256()
    if not source.entry.is_folder:
        _hash(digest, source.name, source.entry)
        return f"{'' if source.is_download else 'file:'}{digest.hexdigest()}"
    top = source.entry.path.rstrip("/")
    for entry in source.tree.walk(source.entry):
        _hash(digest, entry.path.removeprefix(top), entry)
    return f"dir:{digest.hexdigest()}"


def checksum_of_many(checksums: list[str]) -> str:
    """One checksum for several sources."""
    return f"multi:{hashlib.sha256(','.join(checksums).encode()).hexdigest()}"


def _hash(digest: Any, name: str, entry: Entry) -> None:
    status, place = entry.status, entry.places[0]
    link = os.readlink(place) if entry.is_link else ""
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    digest.update(f"{name}\0{status.st_mode:o}\0{size}\0{link}\0".encode(errors="surrogateescape"))
    if size:
        with readable(place), open(place, "rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)


def unpacked(source: Source, folder: Path) -> Tree | None:
    """The files of an archive that ADD unpacks, or None when the source is no archive.

    Args:
        source: a file.
        folder: empty; the files are unpacked there.

    Raises:
        EngineError: the archive is broken, or climbs out of its folder.
    """
    with readable(source.entry.places[0]), open(source.entry.places[0], "rb") as file:
        compression = compression_of(file.read(6))
        file.seek(0)
        try:
            with tarfile.open(fileobj=decompressed(file, compression), mode="r|"):
                pass
        except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, EngineError):
            return None
        file.seek(0)
        unpack(decompressed(file, compression), folder)
    return Tree((folder,))


def download(url: str, into_folder: bool, folder: Path) -> Telling[Source]:
    """Fetch a file for ADD. Yields the items that tell the client how far it is; returns the Source.

    Args:
        url: of the file.
        into_folder: whether the destination is a folder, so that the file needs a name of its own.
        folder: empty; the file is written there.

    Raises:
        EngineError: it cannot be fetched, or has no name.
    """
    name = posixpath.basename(url.partition("?")[0].partition("#")[0].split("://", 1)[1].partition("/")[2])
    file = folder / (name or "download")
    with fetched(url) as response:
        total = int(response.headers.get("Content-Length") or 0)
        with open(file, "wb") as copy:
            for chunk in response.iter_content(_CHUNK):
                copy.write(chunk)
                item = progress("Downloading", "", copy.tell(), total)
                yield {key: value for key, value in item.items() if key != "id"}
        modified = response.headers.get("Last-Modified")
    yield {"stream": "\n"}
    if into_folder and not name:
        raise EngineError(f"cannot determine filename for source {url}")
    time = _timestamp(modified)
    os.utime(file, (time, time))
    file.chmod(0o600)
    tree = Tree((folder,))
    entry = tree.find(file.name)
    assert entry is not None  # It was just written.
    return Source(tree, entry, name, is_download=True)


def _timestamp(http_date: str | None) -> float:
    try:
        return parsedate_to_datetime(http_date or "").timestamp()
    except ValueError:
        return 0
