"""The build cache: the images that earlier builds left.

A step has been carried out before when its image has a child that was made in the same way: with the
same container config, which has the command, or the comment of a COPY with its checksum, and all of the
image's config.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from pocket_engine.images.image import Image
from pocket_engine.images.store import ImageStore


class Cache(Protocol):
    """Where to look for the image of a step."""

    def find(
        self, parent: Image | None, container_config: dict[str, Any], config: dict[str, Any]
    ) -> Image | None:
        """The image that a step would leave.

        Args:
            parent: what the step starts from; None for scratch.
            container_config: what it does.
            config: of the image that it would leave.
        """


class NoCache:
    """For `--no-cache`."""

    def find(
        self, parent: Image | None, container_config: dict[str, Any], config: dict[str, Any]
    ) -> Image | None:
        """Nothing, ever."""
        return None


class LocalCache:
    """All that was built here.

    Args:
        images: the engine's.
    """

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def find(
        self, parent: Image | None, container_config: dict[str, Any], config: dict[str, Any]
    ) -> Image | None:
        """The newest child of `parent` that was made in the same way."""
        for child in self._images.children(parent.id if parent else ""):
            if _same(child.container_config, container_config) and _extends(_history(child), parent):
                return child
        return None


class GivenCache:
    """The steps of images that the client names (`--cache-from`), and no others. They may have been pulled.

    Args:
        images: the engine's.
        sources: the named ones that are here.
    """

    def __init__(self, images: ImageStore, sources: Sequence[Image]) -> None:
        self._images, self._sources = images, sources
        self._local = LocalCache(images)

    def find(
        self, parent: Image | None, container_config: dict[str, Any], config: dict[str, Any]
    ) -> Image | None:
        """The image of the step in which a source's history agrees with it; made anew when it is not here."""
        known = self._local.find(parent, container_config, config)
        length = len(_history(parent)) + 1
        for source in self._sources:
            past = _history(source)[:length]
            if not _extends(past, parent) or past[-1].get("created_by") != " ".join(container_config["Cmd"]):
                continue
            if parent and source.diff_ids[: len(parent.diff_ids)] != parent.diff_ids:
                continue
            if len(past) == len(_history(source)):
                return source
            if known and _history(known) == past:
                return known
            return self._restore(source, past, parent, container_config, config)
        return None

    def _restore(
        self,
        source: Image,
        past: list[dict[str, Any]],
        parent: Image | None,
        container_config: dict[str, Any],
        config: dict[str, Any],
    ) -> Image:
        layers = sum(not step.get("empty_layer") for step in past)
        rootfs = {"type": "layers", "diff_ids": list(source.diff_ids[:layers])}
        then = {"history": past, "rootfs": rootfs, "created": past[-1].get("created"), "config": config}
        return self._images.create(source.config | then, parent.id if parent else "", container_config)


def _history(image: Image | None) -> list[dict[str, Any]]:
    return (image.config.get("history") or []) if image else []


def _extends(history: list[dict[str, Any]], parent: Image | None) -> bool:
    """Whether a history is that of the parent and one step more."""
    before = _history(parent)
    return len(history) == len(before) + 1 and history[:-1] == before


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def relevant(config: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in config.items() if value and name != "Hostname"}

    return relevant(one) == relevant(other)
