"""A container becomes an image: `docker commit`."""

import copy
from typing import Any

from pocket_engine.build.changes import changed
from pocket_engine.containers import lifecycle, snapshot, timestamps
from pocket_engine.containers.container import Container
from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.images import platforms
from pocket_engine.images.image import Image
from pocket_engine.runners import Root

_CONFIG = [
    "Hostname",
    "Domainname",
    "User",
    "ExposedPorts",
    "Env",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Entrypoint",
    "OnBuild",
    "Labels",
    "Healthcheck",
    "StopSignal",
    "Shell",
]


def commit(
    data_root: DataRoot,
    container: Container,
    config: dict[str, Any],
    changes: list[str],
    comment: str = "",
    author: str = "",
    pause: bool = True,
) -> Image:
    """Make an image of what a container is now.

    Args:
        data_root: has room for a copy while this lasts.
        container: which.
        config: what shall differ from the container's Config.
        changes: instructions of a Dockerfile, such as `CMD ["a"]`.
        comment, author: written into the image.
        pause: stop its processes meanwhile, when it runs.

    Raises:
        BadRequest: a change is not allowed.
    """
    record, images = container.record, container.parts.images
    wanted = {name: value for name, value in config.items() if value}
    merged = changed(record.config | wanted, changes)
    scratch = data_root.scratch("commit")
    try:
        _copy(container, scratch, pause)
        frozen = container.parts.runner.freeze(Root(container.root.layers, scratch))
        is_empty = not any(frozen.iterdir())
        layer = None if is_empty else images.layers.add_folder(frozen)
    finally:
        remove_tree(scratch)
    below = images.by_id(record.image).config
    created = timestamps.now()
    history = {
        "created": created,
        "created_by": " ".join(record.arguments),
        "comment": comment,
        "author": author,
    }
    history = {name: value for name, value in history.items() if value}
    image = {
        "architecture": below.get("architecture") or platforms.host().architecture,
        "os": "linux",
        "created": created,
        "author": author,
        "comment": comment,
        "container": container.id,
        "config": {name: merged[name] for name in _CONFIG if name in merged},
        "history": [*below.get("history", []), {**history, **({"empty_layer": True} if is_empty else {})}],
        "rootfs": {
            "type": "layers",
            "diff_ids": [*below["rootfs"]["diff_ids"], *([layer.diff_id] if layer else [])],
        },
    }
    made = images.create(image, parent=record.image, container_config=copy.deepcopy(record.config))
    container.publish("commit", imageID=made.id, imageRef="", comment=comment)
    return made


def _copy(container: Container, target: Any, pause: bool) -> None:
    with container.lock:
        pauses = pause and container.record.state.status == "running"
        if pauses:
            lifecycle.pause(container)
        try:
            snapshot.copy(container.root.folder, target)
        finally:
            if pauses:
                lifecycle.unpause(container)
