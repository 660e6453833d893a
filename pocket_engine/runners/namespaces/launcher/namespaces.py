"""Namespaces of a container: made for its first program, joined by all others."""

import contextlib
import os

from . import kernel

_KINDS = {
    "user": kernel.CLONE_NEWUSER,
    "mnt": kernel.CLONE_NEWNS,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "pid": kernel.CLONE_NEWPID,
    "own": kernel.CLONE_NEWUSER,
}


def make() -> None:
    """Go on as user 0 of a new user namespace, with mounts, IPC and a hostname apart from the machine's."""
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(PermissionError):  # Only root can leave groups; inside, others show as nogroup.
        os.setgroups([])
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)
    _write("/proc/self/setgroups", "deny")  # Without it the kernel lets nobody but root map a group.
    _map(0, user, 0, group)


def join(descriptors: dict[str, int], kinds: tuple[str, ...]) -> None:
    """Go on in namespaces that are there.

    Args:
        descriptors: a file descriptor for each kind; `own` is the first program's user namespace.
        kinds: which to join, in this order. `user` is first: it gives the right to join the others.
    """
    for kind in kinds:
        kernel.setns(descriptors[kind], _KINDS[kind])


def become(user: int, group: int) -> None:
    """Go on as another user than 0: in a user namespace within the container's, with that one user."""
    kernel.unshare(kernel.CLONE_NEWUSER)
    _map(user, 0, group, 0)


def _map(user: int, outer_user: int, group: int, outer_group: int) -> None:
    _write("/proc/self/uid_map", f"{user} {outer_user} 1")
    _write("/proc/self/gid_map", f"{group} {outer_group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
