"""The runner that starts programs under PRoot."""

import platform
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pocket_engine.data_root import DataRoot
from pocket_engine.files import Tree
from pocket_engine.filesystems.copies import Copies
from pocket_engine.runners import CannotStart, Program, Root, Running, Sandbox, Streams
from pocket_engine.runners.namespaces.launcher.capabilities import mask
from pocket_engine.runners.namespaces.launcher.users import Identity, NoSuchUser
from pocket_engine.runners.proot import finding, starter
from pocket_engine.runners.proot.running import Monitored
from pocket_engine.runners.proot.view import View

NOTES = (
    "PRoot looks at each system call of a container: one takes 20 to 100 microseconds more.",
    "Containers see each other's processes, and the machine's, in /proc; only for what `docker exec` "
    "starts is the container's first process number 1.",
    "No limit on processes (--pids-limit), on the size of tmpfs mounts, or on /dev/shm.",
    "Read-only file systems, capabilities and owners of files are kept by the preloaded library, "
    "which programs without a C library are free of.",
)


class ProotRunner:
    """Runs programs under PRoot. For its methods see `pocket_engine.runners.Runner`.

    Args:
        data_root: the engine's folder.

    Raises:
        CannotStart: no PRoot works here; the message tells why.
    """

    name = "proot"
    notes: tuple[str, ...] = NOTES

    def __init__(self, data_root: DataRoot) -> None:
        processor = platform.machine()
        if processor not in starter.PROCESSORS:
            raise CannotStart(f"it knows the processors {' and '.join(starter.PROCESSORS)}, not {processor}")
        self._proot = finding.find(data_root)
        self._processor = processor
        self._copies = Copies(data_root)

    def prepare(self, root: Root) -> None:
        self._copies.prepare(root)

    def start(self, sandbox: Sandbox, program: Program, streams: Streams) -> Monitored:
        view = self._view(sandbox)
        view.make_folders()
        starter.write(view.starter, self._processor)
        return self._start(sandbox, view, program, streams)

    def enter(self, sandbox: Sandbox, first: Running, program: Program, streams: Streams) -> Monitored:
        assert isinstance(first, Monitored)
        if first.has_ended():
            raise CannotStart(f"Container {sandbox.id} is not running")
        return self._start(sandbox, self._view(sandbox), program, streams, first)

    def _start(
        self,
        sandbox: Sandbox,
        view: View,
        program: Program,
        streams: Streams,
        first: Monitored | None = None,
    ) -> Monitored:
        files = view.files()
        identity = _identity(program, view)
        folder = files.working_folder(program.folder, make=first is None)
        environment = dict(entry.split("=", 1) for entry in program.environment if "=" in entry)
        environment["HOME"] = environment.get("HOME") or identity.home
        path = files.executable(program.arguments[0], environment.get("PATH", ""), folder)
        binds = list(view.binds())
        if first:  # Whoever looks for a container's first process looks for number 1.
            binds.append((f"/proc/{first.pid}", "/proc/1"))
        environment |= _told_to_library(sandbox, program, view, identity)
        return Monitored(
            [
                *(self._proot.path, "-v", "-1", "-r", str(view.root), "-w", folder),
                *("-i", f"{identity.user}:{identity.group}"),
                *(argument for source, target in binds for argument in ("-b", f"{source}:{target}!")),
                starter.INSIDE,
                *starter.arguments(path, environment, program.arguments),
            ],
            # Its acceleration by seccomp is left out of Debian's builds, and corrupts its memory in others.
            {**self._proot.environment, "PROOT_NO_SECCOMP": "1", "PROOT_TMP_DIR": str(view.own)},
            streams,
            _limits(program),
            first,
        )

    def _view(self, sandbox: Sandbox) -> View:
        return View(sandbox, Path(self._copies.mounting(sandbox.root)["bind"]))

    def files(self, sandbox: Sandbox, first: Running | None) -> Tree:
        return self._view(sandbox).files()

    def changes(self, root: Root) -> Iterator[tuple[str, int]]:
        return self._copies.changes(root)

    def freeze(self, root: Root) -> Path:
        return self._copies.freeze(root)

    def export(self, root: Root, archive: BinaryIO, first: Running | None) -> None:
        Tree(self._copies.mounting(root)["bind"], "").export(archive)


def _identity(program: Program, view: View) -> Identity:
    try:
        return Identity(program.user, list(program.groups), str(view.root))
    except NoSuchUser as error:
        raise CannotStart(str(error)) from None


def _limits(program: Program) -> list[tuple[int, int, int]]:
    limits = []
    for name, (soft, hard) in program.rlimits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None:
            raise CannotStart(f"invalid rlimit type: {name}")
        limits.append((number, soft, hard))
    return limits


def _told_to_library(sandbox: Sandbox, program: Program, view: View, identity: Identity) -> dict[str, str]:
    """What the preloaded library cannot learn from the kernel; see `native/pocket.h`."""
    ids = [str(identity.user), str(identity.group)]
    if identity.groups:
        ids.append(",".join(map(str, identity.groups)))
    told = {"POCKET_HOSTNAME": sandbox.hostname, "POCKET_IDENTITY": ":".join(ids)}
    if not program.privileged:
        told["POCKET_CAPABILITIES"] = f"{mask(sandbox.capabilities):x}"
    if view.read_only:
        told |= {"POCKET_READ_ONLY": ":".join(view.read_only), "POCKET_WRITABLE": ":".join(view.writable)}
    return told
