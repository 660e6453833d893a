"""What a container is to the kernel: the words that the engine and its runners share.

A runner gives a program a root file system of its own. There are two: `namespaces`, where the kernel lets
ordinary users make namespaces, and `proot`, where it does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Root:
    """A root file system: layers that nobody writes, and one folder for what is written on top.

    Attributes:
        layers: the unpacked layers, lowest first.
        folder: the runner's own: what it needs to keep the changes apart from the layers.
    """

    layers: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine that appears inside.

    Attributes:
        source: where it is on this machine; None for a file system in memory (`tmpfs`).
        target: the absolute path inside.
        read_only: whether writing to it fails.
        size: for a tmpfs, its limit in bytes; 0 is no limit.
        mode: for a tmpfs, the permission bits of its root.
    """

    source: Path | None
    target: str
    read_only: bool = False
    size: int = 0
    mode: int = 0o1777


@dataclass(frozen=True)
class Sandbox:
    """All that is fixed for a container's life: its files, its identity, its limits.

    Attributes:
        id: 64 hexadecimal digits.
        root: its files.
        hostname: what `hostname` says inside.
        mounts: folders from outside, in the order in which they are mounted. /etc/hosts, /etc/hostname,
            /etc/resolv.conf and the network table are among them.
        read_only: whether the root (not the mounts) refuses to be written.
        capabilities: names such as `CAP_CHOWN` that its programs may have at most.
        no_new_privileges: whether programs inside can gain any by starting others.
        pids_limit: how many processes and threads there may be; 0 is no limit.
        shm_size: bytes of /dev/shm.
        host_network: True: the network is the machine's own; the preloaded library leaves addresses alone.
        address: the real loopback address of this container, e.g. `127.66.0.2`; empty with host_network.
    """

    id: str
    root: Root
    hostname: str
    mounts: tuple[Mount, ...] = ()
    read_only: bool = False
    capabilities: frozenset[str] = frozenset()
    no_new_privileges: bool = False
    pids_limit: int = 0
    shm_size: int = 64 * 1024 * 1024
    host_network: bool = False
    address: str = ""


@dataclass(frozen=True)
class Program:
    """One program to start in a sandbox.

    Attributes:
        arguments: the program and its arguments; looked up in the environment's PATH inside.
        environment: all of its variables, as `NAME=value`.
        folder: the working directory inside; made when it does not exist.
        user: as Docker writes it: "", "app", "10001", "app:staff", "10001:10001".
        groups: more groups, names or numbers.
        terminal: whether stdin, stdout and stderr are one terminal (the file descriptor given as stdin).
        privileged: for exec: all capabilities that the engine can give.
        rlimits: pairs such as {"nofile": (1024, 1024)}.
    """

    arguments: tuple[str, ...]
    environment: tuple[str, ...] = ()
    folder: str = "/"
    user: str = ""
    groups: tuple[str, ...] = ()
    terminal: bool = False
    privileged: bool = False
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Streams:
    """The three file descriptors that a program gets. The caller closes its copies after the start."""

    stdin: int
    stdout: int
    stderr: int


class CannotStart(Exception):
    """A program could not be started.

    Attributes:
        message: the reason in runc's words, e.g. `exec: "nosuch": executable file not found in $PATH`.
        exit_code: 127 when there is no such file, 126 when it may not be executed, 128 for all else.
    """

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.message, self.exit_code = message, exit_code


class Running(Protocol):
    """A program that was started in a sandbox."""

    pid: int  # The program's own process id, as this machine sees it.

    def wait(self) -> int:
        """Block until it has ended; its exit code, or 128 plus the signal's number. May be called by many."""

    def kill(self, signal: int) -> None:
        """Send it a signal. Nothing happens when it has ended."""

    def destroy(self) -> None:
        """Kill it (a container's first program: and all others of the container), and wait for the end."""

    def pids(self) -> list[int]:
        """The machine's ids of it and its descendants (a container's first program: all of the container)."""


class Files(Protocol):
    """The files of one sandbox, its mounts included, as its own programs would see them."""

    def stat(self, path: str) -> dict:
        """Docker's path stat: name, size, mode (Go's bits), mtime, linkTarget. Raises NotFound."""

    def pack(self, path: str, archive: BinaryIO) -> None:
        """Write a tar of a file or folder to `archive`, named by the path's last part. Raises NotFound."""

    def unpack(self, path: str, archive: BinaryIO, no_overwrite: bool = False) -> None:
        """Unpack a tar into a folder, with owners and modes. Raises NotFound, BadRequest, Forbidden."""


class Runner(Protocol):
    """A way to run programs with a root file system of their own."""

    name: str  # "namespaces" or "proot".
    notes: tuple[str, ...]  # What a learner should know of it; shown as Warnings in `docker info`.

    def prepare(self, root: Root) -> None:
        """Make the root's folder ready for a first start."""

    def start(self, sandbox: Sandbox, program: Program, streams: Streams) -> Running:
        """Start a container's first program. Raises CannotStart."""

    def enter(self, sandbox: Sandbox, first: Running, program: Program, streams: Streams) -> Running:
        """Start another program beside the first one (`docker exec`). Raises CannotStart."""

    def files(self, sandbox: Sandbox, first: Running | None) -> Files:
        """The files of a sandbox; `first` is its first program when it runs, else None."""

    def changes(self, root: Root) -> Iterator[tuple[str, int]]:
        """The paths that differ from the layers: 0 modified, 1 added, 2 deleted (`docker diff`)."""

    def freeze(self, root: Root) -> Path:
        """What was written, as a folder in a layer's form (see `images.layers`). The root is used up."""

    def export(self, root: Root, archive: BinaryIO, first: Running | None) -> None:
        """Write the whole file system, without mounts, as a tar (`docker export`)."""
