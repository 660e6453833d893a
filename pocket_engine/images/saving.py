"""`docker save`: images as one tar.

It serves every reader: it is an OCI layout (`oci-layout`, `index.json`, `blobs/`), as Docker Engines save it
since version 25, and has `manifest.json` and `repositories` beside it for older ones, which follow the paths
in there.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pocket_engine.errors import NotFound
from pocket_engine.images.image import Image
from pocket_engine.images.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from pocket_engine.images.references import Reference, parse
from pocket_engine.images.store import ImageStore

_CHUNK = 64 * 1024


@dataclass
class _Chosen:
    image: Image
    names: list[Reference]


def save(store: ImageStore, names: Sequence[str]) -> Iterator[bytes]:
    """Pack images, to be loaded elsewhere.

    Args:
        store: where they are.
        names: of images. A repository without a tag stands for all of its tags, an id for the bare image.

    Returns:
        The bytes of the tar, as they are made.

    Raises:
        NotFound: one is not here; raised at once, before the first byte.
    """
    chosen: dict[str, _Chosen] = {}
    for wanted in names:
        for image, name in _resolve(store, wanted):
            entry = chosen.setdefault(image.id, _Chosen(image, []))
            if name and name not in entry.names:
                entry.names.append(name)
    return _packed(store, list(chosen.values()))


def _resolve(store: ImageStore, wanted: str) -> list[tuple[Image, Reference | None]]:
    image_id = store.find(wanted)
    if image_id and image_id.removeprefix("sha256:").startswith(wanted.removeprefix("sha256:")):
        return [(store.get(image_id), None)]
    name = parse(wanted)
    if name.tag or name.digest:
        return [(store.get(wanted), name if name.tag else None)]
    tagged = store.tagged(name.familiar_name)
    if not tagged:
        raise NotFound(f"No such image: {wanted}")
    return [(store.get(str(reference)), reference) for reference in tagged]


def _packed(store: ImageStore, chosen: list[_Chosen]) -> Iterator[bytes]:
    index: list[dict[str, Any]] = []
    manifest: list[dict[str, Any]] = []
    repositories: dict[str, dict[str, str]] = {}
    written: set[str] = set()
    for entry in chosen:
        image = entry.image
        config = store.layers.blob(image.id).read_bytes()
        yield from _file(_path(image.id), config)
        for diff_id in image.diff_ids:
            if diff_id not in written:
                written.add(diff_id)
                yield from _layer(store, diff_id)
        oci = _oci_manifest(store, image, len(config))
        digest = f"sha256:{hashlib.sha256(oci).hexdigest()}"
        yield from _file(_path(digest), oci)
        described = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(oci)}
        index += [described | {"annotations": _annotations(name)} for name in entry.names] or [described]
        manifest.append(
            {
                "Config": _path(image.id),
                "RepoTags": [str(name) for name in entry.names] or None,
                "Layers": [_path(diff_id) for diff_id in image.diff_ids],
            }
        )
        for name in entry.names:
            top = image.diff_ids[-1] if image.diff_ids else image.id
            repositories.setdefault(name.familiar_name, {})[name.tag] = top.removeprefix("sha256:")
    yield from _file("index.json", _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": index}))
    yield from _file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    yield from _file("manifest.json", _json(manifest))
    if repositories:
        yield from _file("repositories", _json(repositories))
    yield tarfile.NUL * tarfile.BLOCKSIZE * 2
    for entry in chosen:
        store.tell("save", entry.image, entry.image.id)


def _oci_manifest(store: ImageStore, image: Image, config_size: int) -> bytes:
    layers = [store.layers.get(diff_id) for diff_id in image.diff_ids]
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": image.id, "size": config_size},
            "layers": [
                {"mediaType": OCI_LAYER, "digest": layer.diff_id, "size": layer.tar_size} for layer in layers
            ],
        }
    )


def _annotations(name: Reference) -> dict[str, str]:
    full_name = f"{name.domain}/{name.path}:{name.tag}"
    return {"io.containerd.image.name": full_name, "org.opencontainers.image.ref.name": name.tag}


def _layer(store: ImageStore, diff_id: str) -> Iterator[bytes]:
    size = store.layers.get(diff_id).tar_size
    yield _header(_path(diff_id), size)
    with store.layers.tar(diff_id) as tar:
        while chunk := tar.read(_CHUNK):
            yield chunk
    yield _padding(size)


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content)) + content + _padding(len(content))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return tarfile.NUL * (-size % tarfile.BLOCKSIZE)


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
