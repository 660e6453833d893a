"""Starts a container's first program, or another one beside it."""

import contextlib
import fcntl
import os
import sys
import termios
from collections.abc import Iterator
from typing import Any, NoReturn

from . import kernel, mounts, namespaces
from .channel import Channel
from .execution import OTHERWISE, Refused, become_program, die_with_the_engine
from .users import NoSuchUser


def main() -> NoReturn:
    """Start the program that the request on the channel (the argument is its file descriptor) describes.

    The program becomes a child of the engine, not of this process, which ends. The channel says `pid`, the
    machine's number of it, `user` and `group`, and for a first program `has_own_proc`; or `error` and
    `exit_code`. It closes when all is said.
    """
    channel = Channel(int(sys.argv[1]))
    with _telling(channel):
        joined = channel.request.get("namespaces")
        if joined:
            namespaces.join(joined, ("user", "mnt", "ipc", "uts", "pid"))
            pid = kernel.fork_sibling()
        else:
            namespaces.make()
            pid = kernel.fork_sibling(kernel.CLONE_NEWPID)
        if pid:
            channel.tell(pid=pid)
            os._exit(0)
        die_with_the_engine(channel)
        os.setsid()
        has_terminal = channel.request["program"]["terminal"]
        if has_terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if not joined:
            # It has no name in a container that was joined: the machine's /dev/pts is not mounted there.
            terminal = os.ttyname(0) if has_terminal else None
            channel.tell(has_own_proc=_build_sandbox(channel.request, terminal))
        become_program(channel)
    os._exit(1)


@contextlib.contextmanager
def _telling(channel: Channel) -> Iterator[None]:
    """Tell the engine why something failed."""
    try:
        yield
    except Refused as error:
        channel.tell(error=error.message, exit_code=error.exit_code)
    except NoSuchUser as error:
        channel.tell(error=str(error), exit_code=OTHERWISE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        channel.tell(error=f"{where}{error.strerror}", exit_code=OTHERWISE)


def _build_sandbox(request: dict[str, Any], terminal: str | None) -> bool:
    outside = mounts.enter_root(request["root"])
    has_own_proc = mounts.mount_system(outside, request["shm_size"], terminal)
    mounts.mount_all(outside, request["mounts"])
    outside.close()
    with contextlib.suppress(OSError):  # Whatever keeps it from being made will keep us from going there.
        os.makedirs(request["program"]["folder"], exist_ok=True)
    kernel.set_hostname(request["hostname"])
    if request["read_only"]:
        kernel.mount_read_only("/")
    return has_own_proc
