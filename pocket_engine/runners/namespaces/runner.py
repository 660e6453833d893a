"""The runner that starts programs in user namespaces."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from pocket_engine.filesystems import Filesystem, overlay
from pocket_engine.runners import CannotStart, Program, Root, Running, Sandbox, Streams
from pocket_engine.runners.namespaces.children import Child
from pocket_engine.runners.namespaces.first import Entered, First
from pocket_engine.runners.namespaces.inside import FilesInside, export, mount_request

_UNLIMITED = "No limit on processes (--pids-limit): the kernel sets none for root, who runs this engine."
_MACHINES_PROC = (
    "Containers see the machine's processes in /proc: a part of /proc is covered here, and so the kernel "
    "lets nobody mount one of their own."
)


class NamespacesRunner:
    """Runs programs in user namespaces. For its methods see `pocket_engine.runners.Runner`.

    Args:
        filesystem: how layers and changes become one.
    """

    name = "namespaces"

    def __init__(self, filesystem: Filesystem = overlay) -> None:
        self._filesystem = filesystem
        self.notes: tuple[str, ...] = (_UNLIMITED,) if os.geteuid() == 0 else ()

    def prepare(self, root: Root) -> None:
        self._filesystem.prepare(root)

    def start(self, sandbox: Sandbox, program: Program, streams: Streams) -> First:
        request = {
            **_program_request(sandbox, program),
            "root": self._filesystem.mounting(sandbox.root),
            "mounts": [mount_request(mount) for mount in sandbox.mounts],
            "read_only": sandbox.read_only,
            "shm_size": sandbox.shm_size,
            "hostname": sandbox.hostname,
        }
        told = _started(Child("program", request, **asdict(streams)))
        if not told["has_own_proc"] and _MACHINES_PROC not in self.notes:
            self.notes += (_MACHINES_PROC,)
        return First(told["pid"], told["user"], told["group"])

    def enter(self, sandbox: Sandbox, first: Running, program: Program, streams: Streams) -> Entered:
        assert isinstance(first, First)
        try:
            namespaces = first.namespaces()
        except FileNotFoundError:
            raise CannotStart(f"Container {sandbox.id} is not running") from None
        request = {
            **_program_request(sandbox, program),
            "namespaces": namespaces,
            "own_identity": [first.user, first.group],
        }
        try:
            child = Child("program", request, tuple(namespaces.values()), **asdict(streams))
        finally:
            for descriptor in namespaces.values():
                os.close(descriptor)
        entered = Entered(_started(child)["pid"])
        first.add(entered)
        return entered

    def files(self, sandbox: Sandbox, first: Running | None) -> FilesInside:
        assert first is None or isinstance(first, First)
        return FilesInside(sandbox, self._filesystem.mounting(sandbox.root), first)

    def changes(self, root: Root) -> Iterator[tuple[str, int]]:
        return self._filesystem.changes(root)

    def freeze(self, root: Root) -> Path:
        return self._filesystem.freeze(root)

    def export(self, root: Root, archive: BinaryIO, first: Running | None) -> None:
        assert first is None or isinstance(first, First)
        export(self._filesystem.mounting(root), archive, first)


def _program_request(sandbox: Sandbox, program: Program) -> dict[str, Any]:
    return {
        "program": asdict(program),
        "capabilities": sorted(sandbox.capabilities),
        "no_new_privileges": sandbox.no_new_privileges,
        "pids_limit": sandbox.pids_limit,
    }


def _started(child: Child) -> dict[str, Any]:
    """What a child told of the program that it started.

    Raises:
        CannotStart: it started none.
    """
    told = child.outcome()
    if "user" in told:
        return told
    if "pid" in told:
        os.waitpid(told["pid"], 0)
    raise CannotStart(told.get("error", "the launcher was killed"), told.get("exit_code", 128))
