"""A build's context: the files that its Dockerfile may COPY, and the Dockerfile."""

import os
import posixpath
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pocket_engine.build import dockerfile
from pocket_engine.build.dockerfile import Dockerfile
from pocket_engine.build.fetching import fetched
from pocket_engine.build.ignore import Ignored
from pocket_engine.build.tree import Tree
from pocket_engine.errors import BadRequest, EngineError, NotImplementedHere
from pocket_engine.images.compression import compression_of, decompressed
from pocket_engine.images.unpacking import unpack

_CHUNK = 64 * 1024
_BLOCK = 512  # Of a tar.


@dataclass(frozen=True)
class Context:
    """A context, unpacked.

    Attributes:
        tree: its files.
        dockerfile: parsed.
    """

    tree: Tree
    dockerfile: Dockerfile


def receive(archive: BinaryIO, folder: Path, dockerfile_name: str) -> Context:
    """Unpack the context that a client sends.

    Args:
        archive: a tar, perhaps compressed; read to its end.
        folder: empty; belongs to the context as long as the build lasts.
        dockerfile_name: where in it the Dockerfile is.

    Raises:
        EngineError: it is no tar, or it climbs out of the folder.
        BadRequest: its Dockerfile is none.
    """
    files = folder / "files"
    _unpack(archive, folder / "archive", files)
    return _context(files, dockerfile_name)


def download(url: str, folder: Path, dockerfile_name: str) -> Context:
    """Fetch a context, or a Dockerfile that needs none.

    Args:
        url: of a tar, perhaps compressed, or of a Dockerfile.
        folder, dockerfile_name: as for `receive`.

    Raises:
        NotImplementedHere: it is a Git repository.
        EngineError: it cannot be fetched, or as for `receive`.
    """
    if not url.startswith(("http://", "https://")) or url.split("#")[0].endswith(".git"):
        raise NotImplementedHere(
            f"this engine does not fetch Git repositories: clone {url} yourself, and build the folder"
        )
    files = folder / "files"
    try:
        with fetched(url) as response:
            if response.headers.get("Content-Type", "").startswith("text/plain"):
                files.mkdir()
                (files / "Dockerfile").write_bytes(response.content)
                dockerfile_name = "Dockerfile"
            else:
                _unpack(cast(BinaryIO, response.raw), folder / "archive", files)
    except EngineError as error:
        raise EngineError(f"error downloading remote context {url}: {error}") from None
    return _context(files, dockerfile_name)


def _unpack(archive: BinaryIO, copy: Path, files: Path) -> None:
    with open(copy, "wb") as received:
        shutil.copyfileobj(archive, received, _CHUNK)
    files.mkdir()
    with open(copy, "rb") as file:
        compression = compression_of(file.read(6))
        file.seek(0)
        if not compression:
            # The docker command, given a Dockerfile by its input, does not fill the archive's last block.
            size = copy.stat().st_size
            os.truncate(copy, size + -size % _BLOCK)
        unpack(decompressed(file, compression), files)
    copy.unlink()


def _context(files: Path, dockerfile_name: str) -> Context:
    tree = Tree((files,))
    name = posixpath.normpath(dockerfile_name)
    if name.lstrip("/").split("/")[0] == "..":
        raise EngineError(f"forbidden path outside the build context: {dockerfile_name} ()")
    name = name.lstrip("/")
    entry = tree.find(name)
    if entry is None and dockerfile_name == "Dockerfile":
        name = "dockerfile"
        entry = tree.find(name)
    if entry is None or entry.is_folder:
        raise EngineError(f"Cannot locate specified Dockerfile: {dockerfile_name}")
    content = entry.read()
    if not content:
        raise BadRequest(f"the Dockerfile ({dockerfile_name}) cannot be empty")
    _leave_out_ignored(tree, name)
    return Context(tree, dockerfile.parse(content))


def _leave_out_ignored(tree: Tree, dockerfile_name: str) -> None:
    """Clients always send the Dockerfile and .dockerignore. If these are ignored, COPY may not find them."""
    entry = tree.find(".dockerignore")
    if entry is None or entry.is_folder:
        return
    ignored = Ignored(entry.read().decode(errors="replace"))
    for name in {dockerfile_name, ".dockerignore"}:
        found = tree.find(name, follow=False)
        if name in ignored and found:
            Path(found.places[0]).unlink()
