"""Images as the API shows them: in lists, in full, and how they came to be."""

import re
from typing import Any

from pocket_engine.containers import timestamps
from pocket_engine.errors import BadRequest
from pocket_engine.filters import Filters
from pocket_engine.images.image import EMPTY_CONFIG, Image
from pocket_engine.images.references import Reference
from pocket_engine.images.store import ImageStore

NANO = 1_000_000_000
NOT_COUNTED = -1  # What the API says of figures for which nobody has asked.


def summaries(store: ImageStore, filters: Filters, everything: bool = False) -> list[dict[str, Any]]:
    """The list of `docker images`, the newest first.

    Args:
        store: of what.
        filters: `dangling`, `label`, `label!`, `before`, `since`, `until`, `reference`.
        everything: also images without a name on which others were built.

    Raises:
        BadRequest: an unknown filter, or a value that is none.
        NotFound: an image that a filter names is not here.
    """
    filters.only("dangling", "label", "label!", "before", "since", "until", "reference")
    with store.lock:
        before = [store.get(name).created for name in filters["before"]]
        since = [store.get(name).created for name in filters["since"]]
        return [
            _summary(store, image, names)
            for image in store.all()
            if all(image.created < time for time in before)
            and all(image.created > time for time in since)
            and is_older(image, filters)
            and filters.labels(image.labels)
            and (names := _shown_names(store, image, filters, everything)) is not None
        ]


def is_older(image: Image, filters: Filters) -> bool:
    """Whether an image was made before the filter `until`, or there is none. Raises BadRequest."""
    try:
        return all(image.created < timestamps.nanoseconds(until) for until in filters["until"])
    except ValueError as error:
        raise BadRequest(str(error)) from error


def inspect(store: ImageStore, image: Image) -> dict[str, Any]:
    """All that the store knows of an image."""
    tags, digests = store.references(image.id)
    config = image.config
    shown = {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": image.parent,
        "Comment": config.get("comment", ""),
        "Created": config.get("created", timestamps.NEVER),
        "Container": config.get("container", ""),
        "ContainerConfig": EMPTY_CONFIG | image.container_config,
        "DockerVersion": config.get("docker_version", ""),
        "Author": config.get("author", ""),
        "Config": EMPTY_CONFIG | (config.get("config") or {}),
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Size": store.size(image),
        "GraphDriver": {
            "Name": "pocket",
            "Data": {"Layers": ":".join(str(path) for path in store.layer_paths(image))},
        },
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": image.last_tagged},
    }
    if "variant" in config:
        shown["Variant"] = config["variant"]
    return shown


def history(store: ImageStore, image: Image) -> list[dict[str, Any]]:
    """The steps by which an image was made, the last first. Only those that were made here have an id."""
    sizes = [store.layers.get(diff_id).size for diff_id in image.diff_ids]
    steps = []
    for step in image.config.get("history") or []:
        steps.append(
            {
                "Id": "<missing>",
                "Created": timestamps.nanoseconds(step.get("created") or timestamps.NEVER) // NANO,
                "CreatedBy": step.get("created_by", ""),
                "Tags": None,
                "Size": 0 if step.get("empty_layer") or not sizes else sizes.pop(0),
                "Comment": step.get("comment", ""),
            }
        )
    steps.reverse()
    ancestor: str | None = image.id
    for step in steps:
        if not ancestor:
            break
        step |= {"Id": ancestor, "Tags": store.references(ancestor)[0] or None}
        parent = store.get(ancestor).parent
        ancestor = store.find(parent) if parent else None
    return steps


def _summary(store: ImageStore, image: Image, names: list[Reference]) -> dict[str, Any]:
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": [str(name) for name in names if name.tag],
        "RepoDigests": [str(name) for name in names if name.digest],
        "Created": image.created // NANO,
        "Size": store.size(image),
        "SharedSize": NOT_COUNTED,
        "Containers": NOT_COUNTED,
        "Labels": image.labels or None,
    }


def _shown_names(
    store: ImageStore, image: Image, filters: Filters, everything: bool
) -> list[Reference] | None:
    """The names under which an image is listed; None when it is not."""
    names = store.names(image.id)
    dangling = filters.flag("dangling")
    if dangling:
        is_dangling = not any(name.tag for name in names) and not store.children(image.id)
        return names if is_dangling and "reference" not in filters else None
    if "reference" in filters:
        names = [name for name in names if any(_matches(name, glob) for glob in filters["reference"])]
        return names or None
    if names:
        return names
    return [] if dangling is None and (everything or not store.children(image.id)) else None


def _matches(name: Reference, glob: str) -> bool:
    """Whether a shell's pattern fits a name, with or without its tag. A star stops at a slash."""
    pattern = "".join(
        {"*": "[^/]*", "?": "[^/]"}.get(part, part if part.startswith("[") else re.escape(part))
        for part in re.findall(r"\[[^]]*\]|.", glob)
    )
    return any(re.fullmatch(pattern, text) for text in (name.familiar_name, str(name)))
