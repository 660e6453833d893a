"""A client's connection coupled to a program's streams: `docker attach`, `docker exec`, `docker run`."""

import contextlib
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pocket_engine.containers.stdio import Listener
from pocket_engine.errors import BadRequest

_NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2}
_CHUNK = 32 * 1024
_DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"


def frame(stream: str, data: bytes) -> bytes:
    """Output with Docker's header: the stream's number, three zeros, and the length in big-endian order."""
    return struct.pack(">BxxxL", _NUMBERS[stream], len(data)) + data


def detach_keys(text: str) -> bytes:
    """The bytes that mean "detach".

    Args:
        text: such as `ctrl-p,ctrl-q` or `a`; "" is the default.

    Raises:
        BadRequest: one of them is no key.
    """
    keys = b""
    for key in (text or _DEFAULT_DETACH_KEYS).split(","):
        if re.fullmatch(r"ctrl-[a-z@\[\\\]^_]", key):
            keys += bytes([ord(key[-1].upper()) - ord("@")])
        elif len(key) == 1 and key.isascii():
            keys += key.encode()
        else:
            raise BadRequest(f"Invalid detach keys ({text}) provided")
    return keys


class DetachKeys:
    """Looks for a sequence of keys in what a client sends, however it is cut into pieces."""

    def __init__(self, keys: bytes) -> None:
        self._keys, self._seen = keys, 0

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """What of it the program gets, and whether the client detaches."""
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._seen]:
                self._seen += 1
                if self._seen == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._seen]
            self._seen = 1 if byte == self._keys[0] else 0
            if not self._seen:
                passed.append(byte)
        return bytes(passed), False


@dataclass(frozen=True)
class Input:
    """Where a client's input goes.

    Attributes:
        write: takes some of it; returns False when nobody wants any more.
        close: the client sends no more.
        keys: what the client detaches with; None without a terminal.
    """

    write: Callable[[bytes], bool]
    close: Callable[[], None]
    keys: DetachKeys | None


def couple(
    connection: socket.socket,
    listener: Listener,
    streams: Collection[str],
    multiplexed: bool,
    stdin: Input | None,
) -> bool:
    """Copy in both directions until the program has ended, the client hangs up, or detaches.

    Args:
        connection: to the client; it stays open.
        listener: gets what the program writes.
        streams: which of "stdout" and "stderr" the client wants.
        multiplexed: whether each piece of output has a header that names its stream.
        stdin: where the client's input goes; None: nowhere.

    Returns:
        Whether the client detached by its keys.
    """
    detached = threading.Event()
    incoming = threading.Thread(
        target=_listen, args=[connection, listener, stdin, detached], name="attach", daemon=True
    )
    incoming.start()
    while output := listener.get():
        stream, data = output
        if stream in streams:
            try:
                connection.sendall(frame(stream, data) if multiplexed else data)
            except OSError:
                break
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # It also wakes the other thread.
    incoming.join()
    return detached.is_set()


def _listen(
    connection: socket.socket, listener: Listener, stdin: Input | None, detached: threading.Event
) -> None:
    with contextlib.suppress(OSError):
        while data := connection.recv(_CHUNK):
            if stdin is None:
                continue
            leaves = False
            if stdin.keys:
                data, leaves = stdin.keys.pass_on(data)
            if data and not stdin.write(data):
                stdin = None
            if leaves:
                detached.set()
                listener.close()
                return
    if stdin:
        stdin.close()
    _await_hang_up(connection)
    listener.close()


def _await_hang_up(connection: socket.socket) -> None:
    """The client sends no more, but may still listen: wait until it is gone, or we are done."""
    with contextlib.suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(connection, 0)  # A hang-up of both directions is always reported.
        poll.poll()
