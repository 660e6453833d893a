"""A sandbox's files, reached by a child process in its namespaces."""

import contextlib
import os
import shutil
import subprocess
from dataclasses import asdict
from typing import Any, BinaryIO

from pocket_engine.errors import BadRequest, EngineError, Forbidden, NotFound
from pocket_engine.runners import Mount, Sandbox
from pocket_engine.runners.namespaces.children import Child
from pocket_engine.runners.namespaces.first import First

_ERRORS = {error.status: error for error in (BadRequest, Forbidden, NotFound)}


class FilesInside:
    """The files of one sandbox. For its methods see `pocket_engine.runners.Files`.

    Args:
        sandbox: whose files.
        mounting: how its root is mounted, see `Filesystem.mounting`.
        first: its first program when it runs: then the files are seen with all that is mounted there.
    """

    def __init__(self, sandbox: Sandbox, mounting: dict[str, Any], first: First | None) -> None:
        self._first = first
        self._request = {
            "container": sandbox.id,
            "root": mounting,
            "mounts": [mount_request(mount) for mount in sandbox.mounts],
            "mounted": {mount.target: mount.target for mount in sandbox.mounts},
            "read_only": [mount.target for mount in sandbox.mounts if mount.read_only]
            + ["/"] * sandbox.read_only,
        }

    def stat(self, path: str) -> dict[str, Any]:
        return ask({**self._request, "action": "stat", "path": path}, self._first)

    def pack(self, path: str, archive: BinaryIO) -> None:
        ask({**self._request, "action": "pack", "path": path}, self._first, to=archive)

    def unpack(self, path: str, archive: BinaryIO, no_overwrite: bool = False) -> None:
        request = {**self._request, "action": "unpack", "path": path, "no_overwrite": no_overwrite}
        ask(request, self._first, source=archive)


def export(mounting: dict[str, Any], archive: BinaryIO, first: First | None) -> None:
    """Write a root's whole file system, without mounts, as a tar."""
    request = {"container": "", "root": mounting, "mounts": [], "mounted": {}, "read_only": []}
    ask({**request, "action": "export"}, first, to=archive)


def ask(
    request: dict[str, Any], first: First | None, source: BinaryIO | None = None, to: BinaryIO | None = None
) -> Any:
    """Let a child process act on a container's files.

    Args:
        request: see `launcher.filesystem`.
        first: the container's first program when it runs.
        source: an archive to be read.
        to: where an archive is written.

    Raises:
        EngineError: what the child could not do.
    """
    namespaces = _namespaces(first)
    try:
        if namespaces:
            request = {**request, "namespaces": namespaces}
        child = Child(
            "filesystem",
            request,
            tuple(namespaces.values()),
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE if to else subprocess.DEVNULL,
        )
    finally:
        for descriptor in namespaces.values():
            os.close(descriptor)
    try:
        if source and child.process.stdin:
            with (
                contextlib.suppress(BrokenPipeError),
                child.process.stdin,
            ):  # It has read enough, and says why.
                shutil.copyfileobj(source, child.process.stdin)
        if to and child.process.stdout:
            with child.process.stdout:
                shutil.copyfileobj(child.process.stdout, to)
    except BaseException:
        child.process.kill()
        raise
    finally:
        told = child.outcome()
    if "error" in told:
        raise _ERRORS.get(told["status"], EngineError)(told["error"])
    return told["result"]


def _namespaces(first: First | None) -> dict[str, int]:
    try:
        return first.namespaces() if first else {}
    except FileNotFoundError:  # It has just ended, and its mounts with it.
        return {}


def mount_request(mount: Mount) -> dict[str, Any]:
    """A mount for the launcher, its source without symbolic links: inside they would mean something else."""
    return {**asdict(mount), "source": os.path.realpath(mount.source) if mount.source else None}
