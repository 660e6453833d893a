"""How layers and changes become one root file system.

Two have the functions of `Filesystem`: the module `overlay`, where the kernel puts folders on top of each
other, and `copies.Copies`, where it does not.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pocket_engine.runners import Root

# What the engine mounts on. An image rarely has all of it; that it appears is no change of a container's.
MOUNT_POINTS = ("dev/pts", "dev/shm", "proc", "sys", "run/pocket-engine")
MOUNTED_FILES = (
    ".dockerenv",
    "dev/console",
    "etc/hostname",
    "etc/hosts",
    "etc/ld.so.preload",
    "etc/resolv.conf",
    "run/pocket-engine/libpocket.so",
    "run/pocket-engine/network",
)


class Filesystem(Protocol):
    """A way to keep what is written apart from the layers."""

    def prepare(self, root: Root) -> None:
        """Make the root's folder ready for a first start."""

    def mounting(self, root: Root) -> dict[str, Any]:
        """What the launcher of `runners.namespaces` mounts as `/`.

        Either `bind`, a folder; or `overlay`, the options, `folder`, to which their paths are relative,
        `target`, where it is mounted, and `stale`, a folder to be removed before.
        """

    def changes(self, root: Root) -> Iterator[tuple[str, int]]:
        """The paths that differ from the layers: 0 modified, 1 added, 2 deleted."""

    def freeze(self, root: Root) -> Path:
        """What was written, as a folder in a layer's form. The root is used up."""


def make_mount_points(folder: Path) -> None:
    """Make the folders and files that the engine mounts on, where there are none."""
    for name in MOUNT_POINTS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in MOUNTED_FILES:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
