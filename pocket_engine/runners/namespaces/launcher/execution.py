"""The last steps in a sandbox: be the user, take the limits, become the program."""

import os
import resource
import signal
from typing import Any, NoReturn

from pocket_engine.runners import signals

from . import kernel, namespaces
from .capabilities import limit_capabilities
from .channel import Channel
from .users import Identity

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


def die_with_the_engine(channel: Channel) -> None:
    """Let the kernel kill this process when the engine ends."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if channel.engine_has_ended():  # Before the kernel was told.
        os._exit(1)


def become_program(channel: Channel) -> NoReturn:
    """Become the program that the request describes; its `user` and `group` are told before.

    Raises:
        Refused, NoSuchUser: it cannot be started.
    """
    request, program = channel.request, channel.request["program"]
    identity = Identity(program["user"], program["groups"])
    _change_folder(program["folder"])
    _set_limits(program["rlimits"])
    _limit_processes(request["pids_limit"])
    _become(identity, request)
    if not program["privileged"]:
        limit_capabilities(request["capabilities"])
    if request["no_new_privileges"]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    die_with_the_engine(channel)  # Once more: the kernel forgets it when a process changes its user.
    environment = dict(variable.split("=", 1) for variable in program["environment"] if "=" in variable)
    environment["HOME"] = environment.get("HOME") or identity.home
    if identity.groups and "LD_PRELOAD" in environment:
        # The kernel knows one group only; the preloaded library tells the program of the others.
        groups = ",".join(map(str, identity.groups))
        environment["POCKET_IDENTITY"] = f"{identity.user}:{identity.group}:{groups}"
    executable = _look_up(program["arguments"][0], environment.get("PATH", ""))
    channel.tell(user=identity.user, group=identity.group)
    os.umask(0o022)
    signals.reset()
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
        except (OSError, ValueError, OverflowError):  # More than the hard limit, or than all limits.
            raise Refused(f"error setting rlimit type {number}: operation not permitted") from None


def _limit_processes(most: int) -> None:
    """Limit the processes and threads of the container. The kernel counts them for each user namespace."""
    if most:
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))


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
