"""Small tars and images for tests."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable

from pocket_engine.images.image import Image
from pocket_engine.images.store import ImageStore


def member(name: str, kind: bytes = tarfile.REGTYPE, **attributes: object) -> tarfile.TarInfo:
    """An entry of a tar, without content."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A tar of entries; a name with a content is a file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for one in members:
            if isinstance(one, tuple):
                info = member(one[0], size=len(one[1]))
                archive.addfile(info, io.BytesIO(one[1]))
            else:
                archive.addfile(one)
    return content.getvalue()


def add_image(
    store: ImageStore,
    layers: Iterable[bytes],
    *names: str,
    parent: str = "",
    created: str = "2026-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    compressed: bool = False,
) -> Image:
    """An image of these tars, in the store."""
    diff_ids = [
        store.layers.add_tar(io.BytesIO(gzip.compress(layer) if compressed else layer)).diff_id
        for layer in layers
    ]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["sh"], "Labels": labels},
        "history": [{"created": created, "created_by": f"step {index}"} for index, _ in enumerate(diff_ids)],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    image = store.add_config(json.dumps(config).encode(), parent)
    for name in names:
        store.tag(image.id, name)
    return image
