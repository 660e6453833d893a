"""`docker load`: images from one tar.

Read is all that `docker save` writes and has written: `manifest.json` with paths to configs and layers; and
OCI layouts that have only their `index.json`. The tar's names never become names on disk.
"""

import json
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import BadRequest, EngineError, in_words
from pocket_engine.images import platforms
from pocket_engine.images.compression import decompressed_stream
from pocket_engine.images.media_types import INDEXES
from pocket_engine.images.progress import progress
from pocket_engine.images.references import parse
from pocket_engine.images.store import ImageStore
from pocket_engine.strict_tar import StrictTarInfo

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class _Packed:
    """One image in an archive: the names of its files there."""

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]


def load(
    store: ImageStore, data_root: DataRoot, archive: BinaryIO, quiet: bool = False
) -> Iterator[dict[str, Any]]:
    """Unpack images.

    Args:
        store: where they go.
        data_root: has room for what is half done.
        archive: the tar, compressed or not.
        quiet: whether to leave progress out.

    Yields:
        The items of the API's stream.

    Raises:
        EngineError: it is no such archive, or it is broken. Images that were finished stay.
    """
    scratch = data_root.scratch("load")
    try:
        contents = _Contents(scratch, archive)
        for packed in contents.images():
            yield from _load(store, contents, packed, quiet)
    except OSError as error:
        raise in_words(error) from error
    finally:
        remove_tree(scratch)


def _load(store: ImageStore, contents: "_Contents", packed: _Packed, quiet: bool) -> Iterator[dict[str, Any]]:
    config = contents.file(packed.config).read_bytes()
    try:
        diff_ids = json.loads(config)["rootfs"]["diff_ids"] or []
    except (ValueError, KeyError, TypeError):
        raise EngineError(f"{packed.config} is no image's config: it names no layers") from None
    if len(diff_ids) != len(packed.layers):
        raise EngineError(
            f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(packed.layers)}"
        )
    with store.awaiting() as await_layer:
        for diff_id, layer in zip(diff_ids, packed.layers, strict=True):
            if await_layer(diff_id):
                continue
            file = contents.file(layer)
            size = file.stat().st_size
            store.layers.add_file(file, diff_id=diff_id)
            if not quiet:
                yield progress("Loading layer", diff_id, size, size)
        names = [parse(tag).with_default_tag() for tag in packed.tags]
        earlier = [store.find(str(name)) for name in names]
        image = store.add_config(config, names=names)
    for name, old in zip(names, earlier, strict=True):
        if old and old != image.id:
            left = f"renaming the old one with ID {old} to empty string"
            yield {"stream": f"The image {name} already exists, {left}\n"}
        yield {"stream": f"Loaded image: {name}\n"}
    if not packed.tags:
        yield {"stream": f"Loaded image ID: {image.id}\n"}
    store.tell("load", image, image.id)


class _Contents:
    """The files of an archive, unpacked under numbers, and where to find them by their names in it."""

    def __init__(self, folder: Path, archive: BinaryIO) -> None:
        self._files: dict[str, Path] = {}
        self._links: dict[str, str] = {}  # Where several images share a layer, older engines write links.
        self._unpack(folder, decompressed_stream(archive))

    def _unpack(self, folder: Path, plain: BinaryIO) -> None:
        try:
            with tarfile.open(fileobj=plain, mode="r|", bufsize=_CHUNK, tarinfo=StrictTarInfo) as tar:
                for number, member in enumerate(tar):
                    name = _clean(member.name)
                    if member.isfile():
                        self._files[name] = folder / str(number)
                        self._copy(tar, member, self._files[name])
                    elif member.issym():
                        self._links[name] = _clean(posixpath.join(posixpath.dirname(name), member.linkname))
                    elif member.islnk():
                        self._links[name] = _clean(member.linkname)
        except EOFError:
            raise EngineError("unexpected EOF") from None
        except (tarfile.TarError, zlib.error, lzma.LZMAError) as error:
            raise EngineError(f"Error processing tar file(exit status 1): {error}") from error

    def _copy(self, tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> None:
        content = cast(BinaryIO, tar.extractfile(member))
        with open(file, "wb") as copy:
            while chunk := content.read(_CHUNK):
                copy.write(chunk)
        if file.stat().st_size != member.size:
            raise EOFError

    def file(self, name: str) -> Path:
        """The file of that name. Raises EngineError."""
        found = _clean(name)
        found = self._links.get(found, found)
        if found not in self._files:
            raise EngineError(f"the archive is incomplete: it names {name}, which is not in it")
        return self._files[found]

    def images(self) -> list[_Packed]:
        """What is in it. Raises EngineError when that is nothing we know."""
        if "manifest.json" in self._files:
            return [
                _Packed(entry["Config"], tuple(entry["Layers"] or ()), tuple(entry.get("RepoTags") or ()))
                for entry in self._json("manifest.json") or []
            ]
        if "index.json" in self._files:
            return [
                self._oci_image(manifest, (manifest.get("annotations") or {}))
                for manifest in self._json("index.json")["manifests"]
            ]
        raise BadRequest(
            "unrecognized image format: the archive has neither manifest.json nor index.json. Save the image "
            "with `docker save`; what `docker export` wrote is read by `docker import`"
        )

    def _oci_image(self, described: dict[str, Any], annotations: dict[str, str]) -> _Packed:
        content = self._json(_blob(described))
        if described.get("mediaType") in INDEXES:
            here = platforms.host()
            for entry in content["manifests"]:
                if here.fits(entry.get("platform") or {}):
                    return self._oci_image(entry, annotations)
            raise EngineError(f"the archive has no image for {here}")
        name = annotations.get("io.containerd.image.name", "")
        return _Packed(
            _blob(content["config"]),
            tuple(_blob(layer) for layer in content["layers"]),
            (name,) if name else (),
        )

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.file(name).read_bytes())
        except ValueError as error:
            raise EngineError(f"{name} in the archive is no JSON: {error}") from error


def _clean(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")


def _blob(described: dict[str, Any]) -> str:
    return f"blobs/{described['digest'].replace(':', '/')}"
