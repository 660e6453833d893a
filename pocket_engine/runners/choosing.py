"""Which runner works on this machine: found out by running something, for no setting says it reliably."""

import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.filesystems.copies import Copies
from pocket_engine.runners import CannotStart, Mount, Program, Root, Runner, Sandbox, Streams
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from pocket_engine.runners.proot.runner import ProotRunner

log = logging.getLogger(__name__)

Attempt = Callable[[DataRoot], Runner]

ATTEMPTS: tuple[tuple[str, Attempt], ...] = (
    ("namespaces", lambda data_root: NamespacesRunner()),
    # Where there are no overlays:
    ("namespaces", lambda data_root: NamespacesRunner(Copies(data_root))),
    ("proot", ProotRunner),
)
NAMES = tuple(dict.fromkeys(name for name, _ in ATTEMPTS))

# Where a program and its libraries may be.
PROGRAMS = ("/bin", "/lib", "/lib32", "/lib64", "/usr", "/nix", "/gnu")


class NoRunner(Exception):
    """No runner works here; the message says why each does not."""


def choose(data_root: DataRoot, name: str | None = None) -> Runner:
    """The first runner that works.

    Args:
        data_root: the engine's folder.
        name: one of `NAMES`: no other is tried.

    Raises:
        NoRunner: none works.
    """
    reasons = []
    for attempt_name, attempt in ATTEMPTS:
        if name in (None, attempt_name):
            try:
                runner = attempt(data_root)
                try_out(runner, data_root)
                return runner
            except (CannotStart, OSError) as error:
                log.info("The runner %s does not work here: %s", attempt_name, error)
                reasons.append(f"{attempt_name}: {error}")
    raise NoRunner(
        "Containers cannot be run on this machine. It must allow user namespaces, or have the program proot "
        f"(`sudo apt-get install proot`). What was tried: {'; '.join(reasons)}"
    )


def try_out(runner: Runner, data_root: DataRoot) -> None:
    """Run a program of this machine in an empty root that the machine's folders are mounted in.

    Raises:
        CannotStart: it does not start, or ends otherwise than it should.
    """
    folder = data_root.scratch("trial")
    layer, root = folder / "layer", Root((folder / "layer",), folder / "root")
    layer.mkdir()
    root.folder.mkdir()
    runner.prepare(root)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        running = runner.start(
            Sandbox(secrets.token_hex(32), root, "trial", _machine(), host_network=True),
            Program(("true",), ("PATH=/usr/local/bin:/usr/bin:/bin",)),
            Streams(null, null, null),
        )
        code = running.wait()
        running.destroy()
    finally:
        os.close(null)
        remove_tree(folder)
    if code:
        raise CannotStart(f"a program that does nothing ended with exit code {code}")


def _machine() -> tuple[Mount, ...]:
    folders = [Path(folder) for folder in PROGRAMS if os.path.isdir(folder)]
    return tuple(Mount(folder.resolve(), str(folder), read_only=True) for folder in folders)
