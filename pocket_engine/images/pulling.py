"""One pull: from a name to an image in the store."""

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import EngineError, NotFound
from pocket_engine.errors import in_words as disk_in_words
from pocket_engine.images import platforms
from pocket_engine.images.distribution import Remote
from pocket_engine.images.image import Image
from pocket_engine.images.media_types import (
    CONFIGS,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
)
from pocket_engine.images.platforms import Platform
from pocket_engine.images.progress import progress, step
from pocket_engine.images.references import Reference
from pocket_engine.images.refusals import Refusal, in_words
from pocket_engine.images.store import ImageStore

PARALLEL = 3  # Layers at a time, as a Docker Engine does it.
ACCEPT = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))

_REPORT_SECONDS = 0.1


@dataclass(frozen=True)
class Manifest:
    """A manifest as a registry gave it, its digest checked.

    Attributes:
        digest: of its bytes.
        media_type: what it is.
        size: bytes.
        content: the JSON.
    """

    digest: str
    media_type: str
    size: int
    content: dict[str, Any]


def fetch_manifest(remote: Remote, name: Reference, reference: str) -> Manifest:
    """Fetch a manifest, or a list of them, by tag or digest.

    Args:
        remote: the registry.
        name: of the image; its repository is asked.
        reference: the tag or digest.

    Raises:
        EngineError: it is not there, not for us, or not what its digest says.
    """
    try:
        answer = remote.manifest(name.path, reference, ACCEPT)
    except Refusal as refusal:
        raise in_words(refusal, name.familiar_name, str(name)) from refusal
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    if reference.startswith("sha256:") and digest != reference:
        raise EngineError(f"manifest verification failed for digest {reference}: its bytes are {digest}")
    try:
        content = json.loads(answer.content)
        declared = answer.headers.get("Content-Type", "").partition(";")[0]
        media_type = content.get("mediaType") or declared
    except (ValueError, AttributeError) as error:
        raise EngineError(f"{name}: the registry's manifest is no JSON object: {error}") from error
    if media_type not in INDEXES | MANIFESTS:
        raise EngineError(
            f'{name}: media type "{media_type}" is not supported: it must be pushed again by a Docker Engine '
            "that is not older than 1.10"
        )
    return Manifest(digest, media_type, len(answer.content), content)


def choose(remote: Remote, name: Reference, found: Manifest, platform: Platform) -> Manifest:
    """From a list of manifests the one for a platform; a single one is what it is. Raises EngineError."""
    if found.media_type not in INDEXES:
        return found
    entries = [entry for entry in found.content.get("manifests") or [] if entry.get("platform")]
    for entry in entries:
        if platform.fits(entry["platform"]):
            return choose(remote, name, fetch_manifest(remote, name, entry["digest"]), platform)
    offered = platforms.in_words(entry["platform"] for entry in entries)
    raise NotFound(
        f"no matching manifest for {platform} in the manifest list entries: {name} is there for {offered}"
    )


class Pull:
    """One image on its way.

    Args:
        store: where it goes.
        data_root: has room for what is half done.
        remote: where it comes from.
        name: its repository is asked.
    """

    def __init__(self, store: ImageStore, data_root: DataRoot, remote: Remote, name: Reference) -> None:
        self._store, self._data_root, self._remote, self._name = store, data_root, remote, name
        self._items: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled = threading.Event()

    def run(
        self, manifest: Manifest, platform: Platform | None, names: Sequence[Reference]
    ) -> Generator[dict[str, Any], None, Image]:
        """Fetch what is not here yet.

        Args:
            manifest: of the image.
            platform: the only one that will do; None: whatever it was made for.
            names: what the image is called here.

        Yields:
            The items of the API's stream.

        Returns:
            The image.

        Raises:
            EngineError: what went wrong. Nothing half is kept.
        """
        scratch = self._data_root.scratch("pull")
        try:
            config = self._config(manifest, scratch)
            self._check_platform(json.loads(config), platform)
            layers = manifest.content["layers"]
            diff_ids = json.loads(config)["rootfs"]["diff_ids"]
            if len(layers) != len(diff_ids):
                raise EngineError(
                    f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(layers)}"
                )
            with self._store.awaiting() as await_layer:
                yield from self._fetch_layers(scratch, zip(layers, diff_ids, strict=True), await_layer)
                return self._store.add_config(config, names=names)
        except Refusal as refusal:
            raise in_words(refusal, self._name.familiar_name, str(self._name)) from refusal
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{self._name}: its manifest or config is not valid: {error}") from error
        except OSError as error:
            raise disk_in_words(error) from error
        finally:
            remove_tree(scratch)

    def config(self, manifest: Manifest) -> dict[str, Any]:
        """The config of the image, without its layers. Raises EngineError."""
        scratch = self._data_root.scratch("config")
        try:
            return json.loads(self._config(manifest, scratch))
        except Refusal as refusal:
            raise in_words(refusal, self._name.familiar_name, str(self._name)) from refusal
        finally:
            remove_tree(scratch)

    def _config(self, manifest: Manifest, scratch: Path) -> bytes:
        described = manifest.content["config"]
        if described["mediaType"] not in CONFIGS:
            raise EngineError(f"{self._name} is no image: unsupported media type {described['mediaType']}")
        file = scratch / "config"
        self._download(described, file, lambda item: None)
        return file.read_bytes()

    def _check_platform(self, config: dict[str, Any], platform: Platform | None) -> None:
        if platform and not platform.fits(config):
            actual = Platform(config.get("os", ""), config.get("architecture", ""), config.get("variant", ""))
            raise NotFound(
                f"image with reference {self._name} was found but does not match the specified platform: "
                f"wanted {platform}, actual: {actual}"
            )

    def _fetch_layers(
        self,
        scratch: Path,
        layers: Iterable[tuple[dict[str, Any], str]],
        await_layer: Callable[[str], bool],
    ) -> Iterator[dict[str, Any]]:
        wanted: dict[str, dict[str, Any]] = {}  # By diff id: a layer may be in an image twice.
        for layer, diff_id in layers:
            is_here = await_layer(diff_id)
            yield step("Already exists" if is_here else "Pulling fs layer", layer["digest"])
            if not is_here:
                wanted[diff_id] = layer
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="pull")
        try:
            futures = [pool.submit(self._fetch, scratch, diff_id, wanted[diff_id]) for diff_id in wanted]
            for future in futures:
                future.add_done_callback(lambda done: self._items.put({}))  # Wakes the loop below.
            while not all(future.done() for future in futures) or not self._items.empty():
                if item := self._items.get():
                    yield item
                for future in futures:
                    if future.done():
                        future.result()
        finally:
            self._cancelled.set()
            pool.shutdown(cancel_futures=True)

    def _fetch(self, scratch: Path, diff_id: str, described: dict[str, Any]) -> None:
        digest = described["digest"]
        file = scratch / digest.replace(":", "-")
        self._download(described, file, self._items.put)
        self._items.put(step("Download complete", digest))
        self._items.put(progress("Extracting", digest, described["size"], described["size"]))
        self._store.layers.add_file(file, digest, diff_id)
        self._items.put(step("Pull complete", digest))

    def _download(
        self, described: dict[str, Any], file: Path, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        """Fetch a blob into a file, and check its digest."""
        digest, size = described["digest"], described["size"]
        told = time.monotonic()
        with open(file, "wb") as copy:

            def start_over() -> None:
                copy.seek(0)
                copy.truncate()

            def retrying(seconds: float) -> None:
                tell(step(f"Retrying in {seconds:.3g} seconds", digest))

            for chunk in self._remote.blob(self._name.path, digest, start_over, retrying):
                if self._cancelled.is_set():
                    raise EngineError("the pull was cancelled")
                copy.write(chunk)
                if time.monotonic() - told >= _REPORT_SECONDS:
                    told = time.monotonic()
                    tell(progress("Downloading", digest, copy.tell(), size))
        tell(step("Verifying Checksum", digest))
        with open(file, "rb") as copied:
            found = f"sha256:{hashlib.file_digest(copied, 'sha256').hexdigest()}"
        if found != digest:
            raise EngineError(
                f"filesystem layer verification failed for digest {digest}: its bytes are {found}"
            )
