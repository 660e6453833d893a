"""What the builder needs of the rest of the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pocket_engine.containers.store import Containers
from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.images.registry import Registry
from pocket_engine.images.store import ImageStore


@dataclass(frozen=True)
class Parts:
    """The parts of the engine that builds work with.

    Attributes:
        data_root: where unfinished things are kept.
        images: where images come from and go to.
        registry: where images come from that are not here.
        containers: in which RUN runs programs.
        checksums: of files in images, by image, name and path. They never change.
    """

    data_root: DataRoot
    images: ImageStore
    registry: Registry
    containers: Containers
    checksums: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @contextmanager
    def scratch(self, kind: str) -> Iterator[Path]:
        """A new empty folder that is removed in the end, whatever is in it."""
        folder = self.data_root.scratch(kind)
        try:
            yield folder
        finally:
            remove_tree(folder)
