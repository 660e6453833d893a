"""Where everything lies on disk, and how a file is written so that a crash never leaves half of it."""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

_RESERVE_BYTES = 1 << 20


class DataRoot:
    """The engine's folder. Each kind of thing has a room of its own in it.

    A thing is finished in `tmp/` and then renamed into its room, so that whatever is in a room is whole.

    Args:
        path: the folder; made when it does not exist.
    """

    ROOMS = ("blobs/sha256", "layers", "images", "containers", "networks", "volumes", "tmp")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = path / "reserve"
        for room in self.ROOMS:
            (path / room).mkdir(parents=True, exist_ok=True, mode=0o700)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def scratch(self, kind: str) -> Path:
        """A new empty folder in `tmp/`; what a crash leaves there is removed at the next start."""
        folder = self.unused(kind)
        folder.mkdir()
        return folder

    def unused(self, kind: str) -> Path:
        """A name in `tmp/` for what is renamed to it, to be removed. That needs no room on a full disk."""
        return self.path / "tmp" / f"{kind}-{secrets.token_hex(8)}"

    def keep_reserve(self) -> None:
        """Set some room aside, if there is any, for what must be possible on a full disk: start, remove."""
        if self._reserve.exists():
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
        except OSError:
            self.use_reserve()

    def use_reserve(self) -> None:
        """Give the room free that was set aside."""
        self._reserve.unlink(missing_ok=True)


def write_json(file: Path, content: Any) -> None:
    """Replace a file in one step: readers, and the next start, see the old content or the new."""
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        unfinished.write_text(json.dumps(content))
        os.replace(unfinished, file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_json(file: Path) -> Any:
    """The content of a file that `write_json` wrote."""
    return json.loads(file.read_text())


def remove_tree(folder: Path) -> None:
    """Remove a folder, also one with folders in it that their owner may not write."""

    def unlock(function: Any, path: str, error: Any) -> None:
        if isinstance(error[1], FileNotFoundError):
            return
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, onerror=unlock)
        else:
            os.unlink(path)

    shutil.rmtree(folder, onerror=unlock)
