"""One push: an image of the store becomes a manifest, and blobs where the registry lacks them."""

import gzip
import hashlib
import json
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import EngineError
from pocket_engine.errors import in_words as disk_in_words
from pocket_engine.images.distribution import Remote
from pocket_engine.images.image import Image
from pocket_engine.images.media_types import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST
from pocket_engine.images.progress import progress, step
from pocket_engine.images.references import Reference
from pocket_engine.images.refusals import Refusal, Unauthorized
from pocket_engine.images.store import ImageStore

PARALLEL = 3
# The registry is mostly on the same machine or in the same room, where a better compression only costs time.
GZIP_LEVEL = 1

_REPORT_SECONDS = 0.1
_ACTIONS = "pull,push"


@dataclass(frozen=True)
class _Blob:
    digest: str
    file: Path
    size: int


class Push:
    """One image on its way.

    Args:
        store: where it is.
        data_root: has room for compressed layers.
        remote: where it goes.
        name: its repository there, and the tag.
    """

    def __init__(self, store: ImageStore, data_root: DataRoot, remote: Remote, name: Reference) -> None:
        self._store, self._data_root, self._remote, self._name = store, data_root, remote, name
        self._items: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def run(self, image: Image) -> Iterator[dict[str, Any]]:
        """Send what the registry lacks, layers first, the manifest last.

        Yields:
            The items of the API's stream.

        Raises:
            EngineError: what went wrong. Without the manifest the registry shows nothing of it.
        """
        scratch = self._data_root.scratch("push")
        try:
            for diff_id in image.diff_ids:
                yield step("Preparing", diff_id)
            layers = yield from self._send_layers(image, scratch)
            config_file = self._store.layers.blob(image.id)
            config = _Blob(image.id, config_file, config_file.stat().st_size)
            self._send(config, lambda done: None)
            yield from self._send_manifest(config, layers)
        except Refusal as refusal:
            if refusal.status in (401, 403):
                raise Unauthorized(
                    f"denied: requested access to the resource is denied: {refusal}"
                ) from refusal
            raise EngineError(str(refusal)) from refusal
        except OSError as error:
            raise disk_in_words(error) from error
        finally:
            remove_tree(scratch)

    def _send_layers(self, image: Image, scratch: Path) -> Any:
        diff_ids = list(dict.fromkeys(image.diff_ids))  # A layer may be in an image twice.
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="push") as pool:
            futures = {diff_id: pool.submit(self._send_layer, diff_id, scratch) for diff_id in diff_ids}
            for future in futures.values():
                future.add_done_callback(lambda done: self._items.put({}))  # Wakes the loop below.
            while not all(future.done() for future in futures.values()) or not self._items.empty():
                if item := self._items.get():
                    yield item
            return [futures[diff_id].result() for diff_id in image.diff_ids]

    def _send_layer(self, diff_id: str, scratch: Path) -> _Blob:
        blob = self._compressed(diff_id, scratch)
        told = [0.0]

        def tell(done: int) -> None:
            if time.monotonic() - told[0] >= _REPORT_SECONDS:
                told[0] = time.monotonic()
                self._items.put(progress("Pushing", diff_id, done, blob.size))

        was_sent = self._send(blob, tell)
        self._items.put(step("Pushed" if was_sent else "Layer already exists", diff_id))
        return blob

    def _compressed(self, diff_id: str, scratch: Path) -> _Blob:
        """The layer's blob as registries want it. The same layer gives the same bytes each time."""
        layer = self._store.layers.get(diff_id)
        if layer.compression == "gzip":
            file = self._store.layers.blob(layer.digest)
            return _Blob(layer.digest, file, file.stat().st_size)
        file = scratch / diff_id.replace(":", "-")
        with (
            self._store.layers.tar(diff_id) as tar,
            open(file, "wb") as raw,
            gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packing,
        ):
            shutil.copyfileobj(tar, cast(BinaryIO, packing))
        with open(file, "rb") as packed:
            digest = f"sha256:{hashlib.file_digest(packed, 'sha256').hexdigest()}"
        return _Blob(digest, file, file.stat().st_size)

    def _send(self, blob: _Blob, tell: Callable[[int], None]) -> bool:
        """Upload a blob unless the registry has it already; whether it was sent."""
        repository = self._name.path
        try:
            self._remote.ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}", repository, _ACTIONS)
            return False
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        begun = self._remote.ask("POST", f"/v2/{repository}/blobs/uploads/", repository, _ACTIONS)
        place = begun.headers["Location"]
        place += ("&" if "?" in place else "?") + urlencode({"digest": blob.digest})
        self._remote.ask(
            "PUT",
            place,
            repository,
            _ACTIONS,
            body=lambda: _Upload(blob, tell),
            headers={"Content-Type": "application/octet-stream"},
        )
        return True

    def _send_manifest(self, config: _Blob, layers: list[_Blob]) -> Iterator[dict[str, Any]]:
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": DOCKER_CONFIG, "size": config.size, "digest": config.digest},
                "layers": [
                    {"mediaType": DOCKER_LAYER, "size": layer.size, "digest": layer.digest}
                    for layer in layers
                ],
            },
            indent=3,
        ).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self._remote.ask(
            "PUT",
            f"/v2/{self._name.path}/manifests/{self._name.tag}",
            self._name.path,
            _ACTIONS,
            body=lambda: manifest,
            headers={"Content-Type": DOCKER_MANIFEST},
        )
        self._store.give_name(config.digest, self._name.with_digest(digest))
        yield {"status": f"{self._name.tag}: digest: {digest} size: {len(manifest)}"}
        aux = {"Tag": self._name.tag, "Digest": digest, "Size": len(manifest)}
        yield {"progressDetail": {}, "aux": aux}


def _descriptor(media_type: str, blob: _Blob) -> dict[str, Any]:
    return {"mediaType": media_type, "size": blob.size, "digest": blob.digest}


class _Upload:
    """A file as the body of a request: requests learns its length by `len`, and reads."""

    def __init__(self, blob: _Blob, tell: Callable[[int], None]) -> None:
        self._size, self._tell = blob.size, tell
        self._file = open(blob.file, "rb")  # noqa: SIM115 - closed when all has been read, or by its end.

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(max(size, 256 * 1024) if size >= 0 else -1)
        self._tell(self._file.tell())
        if not chunk:
            self._file.close()
        return chunk
