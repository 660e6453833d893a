"""A container becomes an image: `docker commit`."""

import copy
import json
import platform
import shlex
from typing import Any

from pocket_engine.containers import lifecycle, snapshot, timestamps
from pocket_engine.containers.container import Container
from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import BadRequest
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
    merged = {**record.config, **{name: value for name, value in config.items() if value}}
    for change in changes:
        _apply(merged, change)
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
        "architecture": below.get("architecture") or platform.machine(),
        "os": "linux",
        "created": created,
        "author": author,
        "comment": comment,
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


def _apply(config: dict[str, Any], change: str) -> None:
    instruction, _, rest = change.strip().partition(" ")
    rest = rest.strip()
    match instruction.upper():
        case "CMD" | "ENTRYPOINT" as name:
            config["Cmd" if name == "CMD" else "Entrypoint"] = _command(rest, config)
        case "ENV":
            config["Env"] = _merged_variables(config["Env"] or [], _pairs(rest))
        case "LABEL":
            config["Labels"] = {**(config["Labels"] or {}), **_pairs(rest)}
        case "EXPOSE":
            ports: dict[str, Any] = {port if "/" in port else f"{port}/tcp": {} for port in rest.split()}
            config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}
        case "VOLUME":
            paths = json.loads(rest) if rest.startswith("[") else rest.split()
            config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}
        case "USER":
            config["User"] = rest
        case "WORKDIR":
            config["WorkingDir"] = rest
        case "STOPSIGNAL":
            config["StopSignal"] = rest
        case "ONBUILD":
            config["OnBuild"] = [*(config.get("OnBuild") or []), rest]
        case other:
            raise BadRequest(f"{other.lower()} is not a valid change command")


def _command(text: str, config: dict[str, Any]) -> list[str]:
    try:
        parts = json.loads(text)
    except ValueError:
        return [*(config.get("Shell") or ["/bin/sh", "-c"]), text]
    return [str(part) for part in parts]


def _pairs(text: str) -> dict[str, str]:
    """`a=1 b="two words"`, or the old `a 1`."""
    words = shlex.split(text)
    if words and "=" not in words[0]:
        return {words[0]: text.partition(" ")[2].strip()}
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _merged_variables(variables: list[str], new: dict[str, str]) -> list[str]:
    kept = [variable for variable in variables if variable.partition("=")[0] not in new]
    return kept + [f"{name}={value}" for name, value in new.items()]
