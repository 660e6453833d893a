"""Layers on disk.

    layers/<diff id>/        the unpacked layer, in the form that overlayfs mounts with `userxattr`
    layers/<diff id>.json    its record, written last: a layer without one was never finished
    blobs/sha256/<digest>    its tar as it came, or uncompressed when it was made here

All are finished in `tmp/` and renamed. That is enough against a killed engine, which is what happens on
laptops and hubs; against a power cut it is not: nothing waits for the disk.
"""

import hashlib
import os
import stat
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pocket_engine.data_root import DataRoot, read_json, remove_tree, write_json
from pocket_engine.errors import EngineError, NotFound, in_words
from pocket_engine.images.compression import compression_of, decompressed
from pocket_engine.images.packing import pack
from pocket_engine.images.unpacking import unpack

_CHUNK = 64 * 1024  # More is no faster, and what many threads free together is not given back soon.


@dataclass(frozen=True)
class Layer:
    """One unpacked layer.

    Attributes:
        diff_id: `sha256:…` of its uncompressed tar; its name in an image's config.
        digest: `sha256:…` of the blob; the same when that is not compressed.
        size: bytes of its files.
        tar_size: bytes of its uncompressed tar.
        compression: of the blob: `gzip`, `zstd`, `xz`, `bzip2`, or empty.
        skipped: the device nodes that the tar has and an ordinary user cannot make.
        empty: whether it changes nothing.
    """

    diff_id: str
    digest: str
    size: int
    tar_size: int
    compression: str = ""
    skipped: tuple[str, ...] = ()
    empty: bool = False


class LayerStore:
    """All layers of a data root. Threads may use it at the same time.

    Args:
        data_root: where they are.
    """

    def __init__(self, data_root: DataRoot) -> None:
        self._data_root = data_root
        self._lock = threading.Lock()

    def path(self, diff_id: str) -> Path:
        """The folder of an unpacked layer."""
        return self._data_root / "layers" / _hex(diff_id)

    def blob(self, digest: str) -> Path:
        """The file of a blob: of a layer, or of an image's config."""
        return self._data_root / "blobs/sha256" / _hex(digest)

    def find(self, diff_id: str) -> Layer | None:
        """The layer of that id, or None when it is not here."""
        try:
            record = read_json(self._record(diff_id))
        except FileNotFoundError:
            return None
        return Layer(**(record | {"skipped": tuple(record["skipped"])}))

    def get(self, diff_id: str) -> Layer:
        """The layer of that id. Raises NotFound."""
        layer = self.find(diff_id)
        if layer is None:
            raise NotFound(f"layer does not exist: {diff_id}")
        return layer

    def all(self) -> list[str]:
        """The ids of all layers."""
        return [f"sha256:{record.stem}" for record in (self._data_root / "layers").glob("*.json")]

    def add_tar(self, stream: BinaryIO, digest: str = "", diff_id: str = "") -> Layer:
        """Unpack and keep a layer.

        Args:
            stream: its tar, compressed or not.
            digest: what the bytes must hash to; empty when nobody has promised anything.
            diff_id: what the uncompressed bytes must hash to; likewise.

        Raises:
            EngineError: other bytes than promised, a broken or hostile tar, a full disk. Nothing is kept.
        """
        scratch = self._data_root.scratch("layer")
        try:
            file = scratch / "blob"
            with open(file, "wb") as copy:
                while chunk := stream.read(_CHUNK):
                    copy.write(chunk)
            return self.add_file(file, digest, diff_id)
        except OSError as error:
            raise in_words(error) from error
        finally:
            remove_tree(scratch)

    def add_file(self, file: Path, digest: str = "", diff_id: str = "") -> Layer:
        """Like `add_tar`, from a file in the data root's `tmp/`, which is used up. No byte is copied."""
        scratch = self._data_root.scratch("layer")
        try:
            folder = scratch / "diff"
            folder.mkdir()
            with open(file, "rb") as blob:
                compression = compression_of(blob.read(6))
                blob.seek(0)
                packed = plain = _Hashing(blob)
                if compression:
                    plain = _Hashing(decompressed(cast(BinaryIO, packed), compression))
                skipped = unpack(cast(BinaryIO, plain), folder)
                while packed.read(_CHUNK):  # What follows the end of the compressed stream.
                    pass
            _check("layer", digest, packed.digest)
            _check("diff id of layer", diff_id, plain.digest)
            layer = Layer(
                plain.digest,
                packed.digest,
                _size(folder),
                plain.passed,
                compression,
                tuple(skipped),
                empty=not any(folder.iterdir()),
            )
            return self._keep(layer, file, folder)
        except OSError as error:
            raise in_words(error) from error
        finally:
            remove_tree(scratch)

    def add_folder(self, folder: Path) -> Layer:
        """Keep what a container has written.

        Args:
            folder: in a layer's form, on the data root's file system. It is used up.

        Returns:
            The layer. One that is `empty` belongs in no image; history has `empty_layer` for it.
        """
        scratch = self._data_root.scratch("layer")
        try:
            file = scratch / "blob"
            with open(file, "wb") as archive:
                hashing = _Hashing(archive)
                entries = pack(folder, cast(BinaryIO, hashing))
            layer = Layer(hashing.digest, hashing.digest, _size(folder), hashing.passed, empty=not entries)
            return self._keep(layer, file, folder)
        except OSError as error:
            raise in_words(error) from error
        finally:
            remove_tree(scratch)
            remove_tree(folder)

    def tar(self, diff_id: str) -> BinaryIO:
        """The layer's tar, uncompressed: a file to read and close. Raises NotFound."""
        layer = self.get(diff_id)
        return decompressed(open(self.blob(layer.digest), "rb"), layer.compression)

    def add_blob(self, content: bytes) -> str:
        """Keep a small blob, such as an image's config; its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        scratch = self._data_root.scratch("blob")
        try:
            (scratch / "blob").write_bytes(content)
            os.replace(scratch / "blob", self.blob(digest))
        except OSError as error:
            raise in_words(error) from error
        finally:
            remove_tree(scratch)
        return digest

    def remove(self, diff_id: str) -> None:
        """Remove a layer to which nothing refers any more."""
        with self._lock:
            layer = self.find(diff_id)
            if layer is None:
                return
            grave = self._data_root.unused("removed")
            self._record(diff_id).unlink()  # First: without it there is no layer.
            os.replace(self.path(diff_id), grave)
            self.blob(layer.digest).unlink(missing_ok=True)
        remove_tree(grave)

    def collect_garbage(self, blobs: set[str]) -> None:
        """At the start: remove unfinished layers, and the blobs of nobody.

        Args:
            blobs: digests that are in use besides those of layers.
        """
        used = {_hex(digest) for digest in blobs}
        for diff_id in self.all():
            used.add(_hex(self.get(diff_id).digest))
        for folder in (self._data_root / "layers").iterdir():
            if folder.is_dir() and not self._record(folder.name).exists():
                remove_tree(folder)
            elif folder.name.startswith("."):
                folder.unlink()
        for blob in (self._data_root / "blobs/sha256").iterdir():
            if blob.name not in used:
                blob.unlink()

    def _record(self, diff_id: str) -> Path:
        return self._data_root / "layers" / f"{_hex(diff_id)}.json"

    def _keep(self, layer: Layer, blob: Path, folder: Path) -> Layer:
        """Move a finished layer into its place; the record goes last."""
        with self._lock:
            existing = self.find(layer.diff_id)
            if existing is not None:
                return existing
            try:
                os.replace(blob, self.blob(layer.digest))
                mode = folder.stat().st_mode
                os.chmod(folder, 0o700)  # Moving a folder writes its `..`.
                os.replace(folder, self.path(layer.diff_id))
                os.chmod(self.path(layer.diff_id), stat.S_IMODE(mode))
                write_json(self._record(layer.diff_id), asdict(layer))
            except BaseException:
                self.blob(layer.digest).unlink(missing_ok=True)
                remove_tree(self.path(layer.diff_id))
                raise
        return layer


class _Hashing:
    """A file of which every byte that passes is hashed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.passed = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._hash.update(chunk)
        self.passed += len(chunk)
        return chunk

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.passed += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.passed


def _size(folder: Path) -> int:
    """Bytes of files and symbolic links, each inode once; as a Docker Engine counts."""
    sizes = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(f"{parent}/{name}")
            sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def _check(what: str, promised: str, found: str) -> None:
    if promised and promised != found:
        raise EngineError(
            f"filesystem {what} verification failed for digest {promised}: its bytes are {found}"
        )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
