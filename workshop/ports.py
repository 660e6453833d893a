"""Ask for host ports politely: take the usual one where it is free, else the next."""

import errno
import os
import socket
from collections.abc import Iterator

import psutil

from workshop.errors import PlainError

ATTEMPTS = 100


class PortTaken(PlainError):
    """Somebody else listens on a port that was asked for."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port, on any of this machine's addresses."""
    return all(_can_bind(family, address, port) for family, address in _wildcards())


def next_free(port: int) -> int:
    """The first free port, starting at `port`.

    Raises:
        PortTaken: none of the hundred ports from there is free.
    """
    for candidate in range(port, port + ATTEMPTS):
        if is_free(candidate):
            return candidate
    raise PortTaken(
        f"no port from {port} to {port + ATTEMPTS - 1} is free; stop something that listens there"
    )


def choose(wanted: int | None, usual: int) -> int:
    """The port that was asked for, or else the usual one or the next that is free.

    Raises:
        PortTaken: somebody else has the port that was asked for.
    """
    if wanted is None:
        return next_free(usual)
    if not is_free(wanted):
        raise PortTaken(
            f"Port {wanted} is taken by {owner(wanted)}. "
            f"Stop that, or ask for another: {next_free(wanted)} is free."
        )
    return wanted


def owner(port: int) -> str:
    """Who listens on the port, e.g. `python3 (process 4711)`; `another process` where we may not know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"


def _wildcards() -> Iterator[tuple[socket.AddressFamily, str]]:
    yield socket.AF_INET, "0.0.0.0"
    yield socket.AF_INET, "127.0.0.1"  # macOS lets a wildcard listener and this one coexist.
    if socket.has_ipv6:
        yield socket.AF_INET6, "::"


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # Like servers do: the last connections of an earlier one do not count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:  # On Windows that option would share a port that somebody listens on.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined]
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return family == socket.AF_INET6 and not _is_in_use(error)
    return True


def _is_in_use(error: OSError) -> bool:
    return error.errno in (errno.EADDRINUSE, errno.EACCES)
