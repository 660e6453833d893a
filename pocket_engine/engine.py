"""The engine: its parts, put together."""

import fcntl
import logging
import os
import uuid
from datetime import UTC, datetime

from pocket_engine.data_root import DataRoot, read_json, remove_tree, write_json
from pocket_engine.events import Events
from pocket_engine.volumes import Volumes

log = logging.getLogger(__name__)


class DataRootInUse(Exception):
    """Another engine works in the data root; the message says what to do."""


class Engine:
    """All parts of one engine. What a part needs of others is given to its constructor here.

    Args:
        data_root: where everything lies; no other engine may work there.

    Attributes:
        id: stays the same as long as the data root does.
        started_at: when, in UTC.

    Raises:
        DataRootInUse: another engine works there.
    """

    def __init__(self, data_root: DataRoot) -> None:
        self.data_root = data_root
        self._lock = _lock(data_root)  # Held as long as this process lives, however it ends.
        _sweep(data_root)
        self.id = _identity(data_root)
        self.started_at = datetime.now(UTC)
        self.events = Events()
        self.volumes = Volumes(data_root, self.events)

    @property
    def is_busy(self) -> bool:
        """Whether a container runs."""
        return False

    def start(self) -> None:
        """Start what ran before, as its restart policies say."""

    def close(self) -> None:
        """Stop what runs, and give the data root up."""
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
