"""`docker import`: a file system's tar becomes an image of one layer."""

from collections.abc import Callable
from typing import Any, BinaryIO, cast

import requests

from pocket_engine.containers import timestamps
from pocket_engine.errors import BadRequest, EngineError
from pocket_engine.images import platforms
from pocket_engine.images.hosts import CONNECT_SECONDS, SILENCE_SECONDS
from pocket_engine.images.image import Image
from pocket_engine.images.store import ImageStore


def import_tar(
    store: ImageStore, archive: BinaryIO, config: dict[str, Any], comment: str, platform: str = ""
) -> Image:
    """Make an image of a tar.

    Args:
        store: where it goes.
        archive: compressed or not.
        config: what its containers run.
        comment: shown in its history.
        platform: for which its programs are made; empty for this machine's.

    Raises:
        EngineError: the tar is broken or hostile, or the disk is full.
    """
    made_for = platforms.parse(platform)
    layer = store.layers.add_tar(archive)
    created = timestamps.now()
    image = store.create(
        {
            "architecture": made_for.architecture,
            "os": made_for.os,
            "created": created,
            "comment": comment,
            "config": config,
            "history": [{"created": created, "comment": comment}],
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        }
    )
    store.tell("import", image, image.id)
    return image


def from_url(url: str, use: Callable[[BinaryIO], Image]) -> Image:
    """Read an archive from the web.

    Args:
        url: of HTTP; without a scheme it is taken for `http://`.
        use: makes the image of it.

    Raises:
        BadRequest: nobody answers there, or has no such thing.
    """
    timeout = (CONNECT_SECONDS, SILENCE_SECONDS)
    try:
        with requests.get(url, stream=True, timeout=timeout) as answer:
            if answer.status_code >= 400:
                raise BadRequest(f"Got HTTP status code >= 400: {answer.status_code} {answer.reason}")
            return use(cast(BinaryIO, answer.raw))
    except requests.RequestException as error:
        raise EngineError(f"cannot download {url}: {error}") from error
