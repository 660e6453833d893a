"""The engine: its parts, put together."""

import fcntl
import os
import uuid
from collections.abc import Sequence

from pocket_engine.build import steps
from pocket_engine.build.builder import Builder
from pocket_engine.containers.container import Parts
from pocket_engine.containers.store import Containers
from pocket_engine.data_root import DataRoot, read_json, remove_tree, write_json
from pocket_engine.events import Events
from pocket_engine.images.registry import Registry
from pocket_engine.images.store import ImageStore
from pocket_engine.networks.networks import Networks
from pocket_engine.runners import choosing
from pocket_engine.volumes import Volumes


class DataRootInUse(Exception):
    """Another engine works in the data root; the message says what to do."""


class Engine:
    """All parts of one engine. What a part needs of others is given to its constructor here.

    Args:
        data_root: where everything lies; no other engine may work there.
        runner: the name of the one to take; None: the first that works.
        mirrors: URLs of copies of Docker Hub, asked before it.

    Attributes:
        id: stays the same as long as the data root does.
        mirrors: as given.
        events, runner, images, networks, volumes, registry, builder, containers: its parts.

    Raises:
        DataRootInUse: another engine works there.
        NoRunner: containers cannot be run here.
        ValueError: a mirror is none that may be asked.
    """

    def __init__(self, data_root: DataRoot, runner: str | None = None, mirrors: Sequence[str] = ()) -> None:
        self.data_root, self.mirrors = data_root, tuple(mirrors)
        self._lock = _lock(data_root)  # Held as long as this process lives, however it ends.
        data_root.use_reserve()
        _sweep(data_root)
        self.id = _identity(data_root)
        self.events = Events()
        self.runner = choosing.choose(data_root, runner)
        self.images = ImageStore(data_root, self.events)
        self.networks = Networks(data_root, self.events)
        self.volumes = Volumes(data_root, self.events)
        self.registry = Registry(self.images, data_root, mirrors)
        self.containers = Containers(
            data_root, Parts(self.runner, self.images, self.networks, self.volumes, self.events)
        )
        self.builder = Builder(steps.Parts(data_root, self.images, self.registry, self.containers))

    def start(self) -> None:
        """Start what ran before, as its restart policies say."""
        self.data_root.keep_reserve()
        self.containers.resume()

    def close(self) -> None:
        """Stop what runs, and give the data root up."""
        self.containers.close()
        os.close(self._lock)


def _lock(data_root: DataRoot) -> int:
    lock = os.open(data_root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise DataRootInUse(
            f"Another engine works in {data_root.path}. Use that, or choose another folder with --data-root."
        ) from None
    return lock


def _sweep(data_root: DataRoot) -> None:
    """Remove what a crash left unfinished."""
    for leftover in (data_root / "tmp").iterdir():
        if leftover.is_dir() and not leftover.is_symlink():
            remove_tree(leftover)
        else:
            leftover.unlink()


def _identity(data_root: DataRoot) -> str:
    file = data_root / "id"
    if not file.exists():
        write_json(file, str(uuid.uuid4()))
    return read_json(file)
