"""A container's files as its programs see them, found from outside."""

import errno
import os
import stat
from pathlib import Path

from pocket_engine.errors import EngineError
from pocket_engine.files import Tree
from pocket_engine.runners import CannotStart, Mount

NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Inside(Tree):
    """The files of a container, for starting a program in it."""

    def working_folder(self, path: str, make: bool) -> str:
        """A working directory's path without symbolic links.

        Args:
            path: as it was asked for.
            make: whether to make it when it is not there.

        Raises:
            CannotStart: it is not there, or is something else, or cannot be made.
        """
        try:
            folder = self._resolve(path)
            if make:
                os.makedirs(self._outside(folder), exist_ok=True)
            elif not stat.S_ISDIR(os.stat(self._outside(folder)).st_mode):
                raise FileExistsError
        except FileExistsError:
            raise CannotStart(_cannot_change_to(path, os.strerror(errno.ENOTDIR))) from None
        except OSError as error:
            raise CannotStart(_cannot_change_to(path, error.strerror or str(error))) from error
        except EngineError as error:
            raise CannotStart(_cannot_change_to(path, error.message)) from error
        return folder

    def make_mount_point(self, mount: Mount, source: Path) -> str:
        """Make the folder or file that something is mounted on; its path without symbolic links.

        Raises:
            CannotStart: it cannot be made, or a folder would be mounted on a file.
        """
        target = self._resolve(mount.target)
        place = Path(self._outside(target))
        try:
            if mount.source is None or source.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            elif place.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            elif not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
        except OSError as error:
            raise CannotStart(
                f'error mounting "{source}" to rootfs at "{mount.target}": {(error.strerror or "").lower()}: '
                "Are you trying to mount a directory onto a file (or vice-versa)? "
                "Check if the specified host path exists and is the expected type"
            ) from None
        return target

    def executable(self, name: str, search_path: str, folder: str) -> str:
        """Where a program is.

        Args:
            name: as it is called.
            search_path: the container's PATH.
            folder: the working directory, which names with a slash are relative to.

        Raises:
            CannotStart: there is no such program (127), or it may not be executed (126).
        """
        if "/" not in name:
            for searched in search_path.split(":"):
                candidate = os.path.join(folder, searched, name)
                mode = self._mode(candidate)
                if stat.S_ISREG(mode) and mode & 0o111:
                    return candidate
            raise CannotStart(f'exec: "{name}": executable file not found in $PATH', NOT_FOUND)
        candidate = os.path.join(folder, name)
        mode = self._mode(candidate)
        if not mode:
            raise CannotStart(f'exec: "{name}": stat {name}: no such file or directory', NOT_FOUND)
        if stat.S_ISDIR(mode):
            raise CannotStart(f'exec: "{name}": is a directory', NOT_EXECUTABLE)
        if not mode & 0o111:
            raise CannotStart(f'exec: "{name}": permission denied', NOT_EXECUTABLE)
        return candidate

    def resolved(self, path: str) -> str:
        """A path inside without symbolic links."""
        return self._resolve(path)

    def _mode(self, path: str) -> int:
        """A file's type and mode; 0 when there is none."""
        try:
            return os.lstat(self._outside(self._resolve(path))).st_mode
        except (OSError, EngineError):
            return 0


def _cannot_change_to(path: str, reason: str) -> str:
    return f'chdir to cwd ("{path}") set in config.json failed: {reason.lower()}'
