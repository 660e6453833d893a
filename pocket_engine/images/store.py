"""All images: their records, names and layers.

    images/<id>.json     the record of one image; its config is a blob
    images/tags.json     which name means which image

A thing is written after what it refers to, and removed before it: blob, layer, record, name, and back.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocket_engine.containers import timestamps
from pocket_engine.data_root import DataRoot, read_json, write_json
from pocket_engine.errors import BadRequest, NotFound
from pocket_engine.events import Events
from pocket_engine.images.image import Image
from pocket_engine.images.layers import LayerStore
from pocket_engine.images.references import Reference, parse
from pocket_engine.images.tags import Tags

Listener = Callable[
    [str, str, str], None
]  # An event: its action, the image's id, and the name that was used.


@dataclass(frozen=True)
class Use:
    """A container that was made from an image.

    Attributes:
        container_id: 64 hexadecimal digits.
        running: whether it runs, or is paused.
    """

    container_id: str
    running: bool


class ImageStore:
    """The images of a data root. Threads may use it at the same time.

    Args:
        data_root: where they are. What an earlier engine left unfinished there is removed.
        events: where it tells what happens.
    """

    def __init__(self, data_root: DataRoot, events: Events) -> None:
        self.layers = LayerStore(data_root)
        self._events = events
        self.lock = threading.RLock()
        self._folder = data_root / "images"
        self._tags = Tags(data_root)
        self._images = {f"sha256:{file.stem}": self._read(file) for file in self._records()}
        self._awaited: Counter[str] = Counter()  # By how many each layer is.
        self._collect_garbage()

    def get(self, name: str) -> Image:
        """The image of a name.

        Args:
            name: an id, the beginning of one, a repository with or without tag, or one with a digest.

        Raises:
            BadRequest: that is no name.
            NotFound: there is no such image.
        """
        with self.lock:
            image_id = self.find(name)
            if image_id is None:
                shown = (
                    name
                    if name.startswith("sha256:") or _is_id(name)
                    else str(parse(name).with_default_tag())
                )
                raise NotFound(f"No such image: {shown}")
            return self._images[image_id]

    def find(self, name: str) -> str | None:
        """Like `get`, but the id only, and None for an image that is not here."""
        with self.lock:
            if _is_id(name):
                image_id = name if name.startswith("sha256:") else f"sha256:{name}"
                return image_id if image_id in self.ids() else None
            found = self._tags.get(parse(name).with_default_tag())
            if found:
                return found
            prefix = f"sha256:{name.removeprefix('sha256:')}"
            matches = [image_id for image_id in self.ids() if image_id.startswith(prefix)]
            return matches[0] if len(matches) == 1 else None

    def by_id(self, image_id: str) -> Image:
        """The image of a whole id; also one that was removed by force under a container."""
        with self.lock:
            if image_id not in self._images:
                raise NotFound(f"No such image: {image_id}")
            return self._images[image_id]

    def all(self) -> list[Image]:
        """All images, the newest first."""
        with self.lock:
            images = [self._images[image_id] for image_id in self.ids()]
        return sorted(images, key=lambda image: image.created, reverse=True)

    def ids(self) -> Iterable[str]:
        """The ids of all images; the caller holds `lock`."""
        return [image_id for image_id, image in self._images.items() if not image.removed]

    def children(self, image_id: str) -> list[Image]:
        """The images that were built here on this one."""
        with self.lock:
            return [image for image in self.all() if image.parent == image_id]

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """The unpacked layers of an image, lowest first. One that is there twice: only the higher counts."""
        highest_first = dict.fromkeys(reversed(image.diff_ids))
        return tuple(self.layers.path(diff_id) for diff_id in reversed(highest_first))

    def size(self, image: Image) -> int:
        """Bytes of all files in an image's layers."""
        return sum(self.layers.get(diff_id).size for diff_id in image.diff_ids)

    def create(
        self, config: dict[str, Any], parent: str = "", container_config: dict[str, Any] | None = None
    ) -> Image:
        """Add an image whose layers are here already.

        Args:
            config: as OCI and Docker define it.
            parent: the id of the image on which it was built, or empty.
            container_config: what the container did that made it; becomes part of the config.

        Returns:
            The image. The same config gives the same image.

        Raises:
            NotFound: a layer is not here.
        """
        if container_config is not None:
            config = config | {"container_config": container_config}
        return self.add_config(json.dumps(config, sort_keys=True, separators=(",", ":")).encode(), parent)

    def add_config(self, content: bytes, parent: str = "", names: Iterable[Reference] = ()) -> Image:
        """Like `create`, with the very bytes of the config: they are what the id is made of.

        Args:
            content: the bytes.
            parent: the id of the image on which it was built, or empty.
            names: given to it at once, before anybody can remove it as one that has none.

        Raises:
            BadRequest: the bytes are no config.
            NotFound: a layer is not here.
        """
        try:
            config = json.loads(content)
            diff_ids = config["rootfs"]["diff_ids"] or []
        except (ValueError, KeyError, TypeError):
            raise BadRequest("invalid image config: it names no layers (rootfs.diff_ids)") from None
        with self.lock:
            for diff_id in diff_ids:
                self.layers.get(diff_id)
            image_id = self.layers.add_blob(content)
            known = self._images.get(image_id)
            if known is None or known.removed:
                image = Image(image_id, config, parent)
                self._write(image)
            for name in names:
                self.give_name(image_id, name)
            return self._images[image_id]

    def tag(self, image_id: str, reference: str | Reference) -> None:
        """Give an image a name, with `:latest` when it has no tag. Raises BadRequest, NotFound."""
        name = (parse(reference) if isinstance(reference, str) else reference).with_default_tag()
        self.give_name(image_id, name)
        self.tell("tag", self.get(image_id), str(name))

    def give_name(self, image_id: str, name: Reference) -> None:
        """Like `tag`, for a whole name, and without an event: a pull, a push or a load has one of its own."""
        with self.lock:
            image = self.get(image_id)
            self._tags.set(name, image.id)
            self._write(image.tagged_at(timestamps.now()))

    def untag(self, reference: Reference) -> None:
        """Take a name away; the image stays."""
        with self.lock:
            image_id = self._tags.get(reference)
            if image_id is None:
                raise NotFound(f"No such image: {reference}")
            self._tags.remove(reference)
            image = self._images[image_id]
        self.tell("untag", image, image_id)

    def names(self, image_id: str) -> list[Reference]:
        """All names of an image, with tags and with digests, sorted."""
        with self.lock:
            return self._tags.of(image_id)

    def tagged(self, repository: str) -> list[Reference]:
        """All names with tags in a repository, which is named as people write it."""
        with self.lock:
            return self._tags.in_repository(repository)

    def references(self, image_id: str) -> tuple[list[str], list[str]]:
        """The names of an image as the API shows them: those with tags, those with digests."""
        names = self.names(image_id)
        return [str(name) for name in names if name.tag], [str(name) for name in names if name.digest]

    @contextmanager
    def awaiting(self) -> Iterator[Callable[[str], bool]]:
        """Keep layers from being removed until the image that needs them has been created.

        Layers that were finished stay also when that fails: the next attempt does not fetch them again. What
        nobody came back for is removed at the next start.

        Yields:
            A function to call with a layer's id before counting on it, or adding it: whether it is here.
        """
        awaited: list[str] = []

        def await_layer(diff_id: str) -> bool:
            with self.lock:
                awaited.append(diff_id)
                self._awaited[diff_id] += 1
                return self.layers.find(diff_id) is not None

        try:
            yield await_layer
        finally:
            with self.lock:
                self._awaited.subtract(awaited)
                self._awaited = +self._awaited

    def discard(self, image: Image, keep_layers: bool) -> list[str]:
        """Forget an image that has no name any more; `removal` decides when.

        Args:
            image: which.
            keep_layers: a container stands on them. They go when `sweep` finds it gone.

        Returns:
            The ids of the layers that went with it.
        """
        with self.lock:
            if keep_layers:
                self._write(image.as_removed())
                return []
            del self._images[image.id]
            (self._folder / f"{image.id.removeprefix('sha256:')}.json").unlink()
            self.layers.blob(image.id).unlink()
            in_use = {diff_id for other in self._images.values() for diff_id in other.diff_ids}
            gone = [diff_id for diff_id in image.diff_ids if diff_id not in in_use | self._awaited.keys()]
            for diff_id in gone:
                self.layers.remove(diff_id)
            return gone

    def sweep(self, in_use: Callable[[str], list[Use]]) -> None:
        """Let go of the layers of images that were removed by force, when their containers are gone too."""
        with self.lock:
            for image in [image for image in self._images.values() if image.removed]:
                if not in_use(image.id):
                    self.discard(image, keep_layers=False)

    def tell(self, action: str, image: Image, name: str) -> None:
        """Publish an event.

        Args:
            action: "tag", "untag", "delete", "pull", "push", "load", "save" or "import".
            image: of what.
            name: the name that was used.
        """
        self._events.publish("image", action, image.id, {**image.labels, "name": name})

    def _records(self) -> list[Path]:
        return [file for file in self._folder.glob("*.json") if _is_id(file.stem)]

    def _read(self, file: Path) -> Image:
        image_id = f"sha256:{file.stem}"
        config = json.loads(self.layers.blob(image_id).read_bytes())
        return Image(image_id, config, **read_json(file))

    def _write(self, image: Image) -> None:
        record = {"parent": image.parent, "last_tagged": image.last_tagged, "removed": image.removed}
        write_json(self._folder / f"{image.id.removeprefix('sha256:')}.json", record)
        self._images[image.id] = image

    def _collect_garbage(self) -> None:
        in_use = {diff_id for image in self._images.values() for diff_id in image.diff_ids}
        for diff_id in self.layers.all():
            if diff_id not in in_use:
                self.layers.remove(diff_id)
        self.layers.collect_garbage(blobs=set(self._images))
        for file in self._folder.glob(".*"):
            file.unlink()


def _is_id(name: str) -> bool:
    digits = name.removeprefix("sha256:")
    return len(digits) == 64 and all(digit in "0123456789abcdef" for digit in digits)
