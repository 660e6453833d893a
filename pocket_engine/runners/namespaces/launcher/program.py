"""Starts a container's first program, or another one beside it."""

import contextlib
import fcntl
import os
import resource
import signal
import sys
import termios
from typing import Any, NoReturn

from . import kernel, mounts, namespaces
from .capabilities import limit_capabilities
from .channel import Channel
from .users import Identity, NoSuchUser

NOT_FOUND, NOT_EXECUTABLE, OTHERWISE = 127, 126, 128
_STARTED_IN_VAIN = 255  # runc's exit code where the kernel refuses a program that looked well.


class Refused(Exception):
    """A program cannot be started.

    Args:
        message: why, in runc's words.
        exit_code: what the container ends with.
    """

    def __init__(self, message: str, exit_code: int = OTHERWISE) -> None:
        super().__init__(message)
        self.message, self.exit_code = message, exit_code


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
        _die_with_the_engine(channel)
        os.setsid()
        terminal = os.ttyname(0) if channel.request["program"]["terminal"] else None
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if not joined:
            channel.tell(has_own_proc=_build_sandbox(channel.request, terminal))
        _become_program(channel, channel.request, channel.request["program"])
    os._exit(1)


@contextlib.contextmanager
def _telling(channel: Channel) -> Any:
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


def _die_with_the_engine(channel: Channel) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if channel.engine_has_ended():  # Before the kernel was told.
        os._exit(1)


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


def _become_program(channel: Channel, request: dict[str, Any], program: dict[str, Any]) -> NoReturn:
    identity = Identity(program["user"], program["groups"])
    _change_folder(program["folder"])
    _set_limits(program["rlimits"])
    if request["pids_limit"]:
        # Counted for each user namespace, and for those within it; threads count, as in a cgroup.
        resource.setrlimit(resource.RLIMIT_NPROC, (request["pids_limit"],) * 2)
    _become(identity, request)
    if not program["privileged"]:
        limit_capabilities(request["capabilities"])
    if request["no_new_privileges"]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _die_with_the_engine(channel)  # Once more: the kernel forgets it when a process changes its user.
    environment = dict(variable.split("=", 1) for variable in program["environment"] if "=" in variable)
    environment["HOME"] = environment.get("HOME") or identity.home
    if identity.groups and "LD_PRELOAD" in environment:
        # The kernel knows one group only; the preloaded library tells the program of the others.
        groups = ",".join(map(str, identity.groups))
        environment["POCKET_IDENTITY"] = f"{identity.user}:{identity.group}:{groups}"
    executable = _look_up(program["arguments"][0], environment.get("PATH", ""))
    channel.tell(user=identity.user, group=identity.group)
    os.umask(0o022)
    _reset_signals()
    try:
        os.execve(executable, program["arguments"], environment)
    except OSError as error:
        reason = (error.strerror or "").lower()
        os.write(2, f"exec {executable}: {reason}\n".encode())
        os._exit(_STARTED_IN_VAIN)


def _change_folder(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise Refused(f'chdir to cwd ("{folder}") set in config.json failed: {reason}') from None


def _become(identity: Identity, request: dict[str, Any]) -> None:
    """Be that user. Programs of one user share a namespace, or one could not see another's files in /proc."""
    wanted = [identity.user, identity.group]
    if wanted == [0, 0]:
        return
    if "namespaces" in request and wanted == request["own_identity"]:
        namespaces.join(request["namespaces"], ("own",))
    else:
        namespaces.become(*wanted)


def _set_limits(limits: dict[str, tuple[int, int]]) -> None:
    for name, pair in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None:
            raise Refused(f"invalid rlimit type: {name}")
        try:
            resource.setrlimit(number, pair)
        except (
            OSError,
            ValueError,
        ):  # ValueError: above the hard limit, which an ordinary user cannot raise.
            raise Refused(f"error setting rlimit type {number}: operation not permitted") from None


def _look_up(name: str, search_path: str) -> str:
    if "/" in name:
        if not os.path.exists(name):
            raise Refused(f'exec: "{name}": stat {name}: no such file or directory', NOT_FOUND)
        if os.path.isdir(name):
            raise Refused(f'exec: "{name}": is a directory', NOT_EXECUTABLE)
        if not os.access(name, os.X_OK):
            raise Refused(f'exec: "{name}": permission denied', NOT_EXECUTABLE)
        return name
    for folder in search_path.split(":"):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise Refused(f'exec: "{name}": executable file not found in $PATH', NOT_FOUND)


def _reset_signals() -> None:
    """Python ignores some, and the engine may have blocked others; a program expects to find none of that."""
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):  # Those that cannot be caught.
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
