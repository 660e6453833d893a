"""From what a step has done to an image."""

import copy
import secrets
from pathlib import Path
from typing import Any

from pocket_engine import __version__
from pocket_engine.build.state import State
from pocket_engine.containers import timestamps
from pocket_engine.images import platforms
from pocket_engine.images.image import Image
from pocket_engine.images.progress import short
from pocket_engine.images.store import ImageStore


def new_container_id() -> str:
    """An id for the container of a step: 64 hexadecimal digits."""
    return secrets.token_hex(32)


def commit(
    images: ImageStore,
    state: State,
    container_config: dict[str, Any],
    container_id: str = "",
    changes: Path | None = None,
) -> Image:
    """Make the image that a step leaves.

    Args:
        images: where it is kept.
        state: the stage; its config becomes the image's.
        container_config: what the step did; its Cmd becomes the entry of history.
        container_id: of the container that did it; empty when there was none.
        changes: a folder in a layer's form, which is used up; None when no file can have changed.
    """
    now = timestamps.now()
    base: dict[str, Any] = state.image.config if state.image else {}
    diff_ids = list(state.image.diff_ids) if state.image else []
    step: dict[str, Any] = {"created": now, "created_by": " ".join(container_config["Cmd"])}
    with images.awaiting() as await_layer:
        layer = images.layers.add_folder(changes) if changes else None
        if layer is None or layer.empty:
            step["empty_layer"] = True
        else:
            await_layer(layer.diff_id)
            diff_ids.append(layer.diff_id)
        author = state.author or base.get("author", "")
        if author:
            step["author"] = author
        here = platforms.host()
        config = {
            "architecture": base.get("architecture") or here.architecture,
            **({"variant": base["variant"]} if base.get("variant") else {}),
            "os": base.get("os") or here.os,
            "author": author,
            "config": copy.deepcopy(state.config),
            "created": now,
            "docker_version": __version__,
            "history": [*(base.get("history") or []), step],
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        if container_id:
            config["container"] = container_id
            container_config = container_config | {"Hostname": short(container_id)}
        return images.create(config, state.image_id, container_config)
