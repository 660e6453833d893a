"""Answers that go on: frames, JSON lines, and connections that a view takes over."""

import array
import fcntl
import json
import socket
import termios
import time
from collections.abc import Iterable, Iterator
from typing import Any

import flask
from flask import Response

from pocket_engine.api.serving import Hijacked
from pocket_engine.api.versions import api_version

_RAW = "application/vnd.docker.raw-stream"
_MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
_HEAD_SECONDS = 0.1
_LOOK_SECONDS = 0.0005
_TOLD_APART = (1, 42)  # From this version of the API on, the type says whether there are frames.


def content_type(multiplexed: bool) -> str:
    """The media type of a program's output, with or without frames."""
    return _MULTIPLEXED if multiplexed and api_version() >= _TOLD_APART else _RAW


def chunks(content: Iterable[bytes], media_type: str, status: int = 200) -> Response:
    """An answer whose headers go out at once, and each chunk as it comes.

    Args:
        content: the chunks; b"" means that there is nothing yet, about every half second.
        media_type: of the whole.
        status: the HTTP status code.
    """

    def with_headers_first() -> Iterator[bytes]:
        yield b""
        yield from content

    return Response(with_headers_first(), status, content_type=media_type)


def json_lines(items: Iterable[dict[str, Any] | None]) -> Response:
    """An answer of JSON objects, one a line, each as it comes; None means that there is nothing yet."""
    lines = (b"" if item is None else json.dumps(item).encode() + b"\r\n" for item in items)
    return chunks(lines, "application/json")


def hijack(media_type: str) -> socket.socket:
    """Take the connection over, and tell the client so. The view returns `Hijacked()` when it is done.

    Args:
        media_type: of what the client will read.
    """
    connection: socket.socket = flask.request.environ["werkzeug.socket"]
    if flask.request.headers.get("Upgrade"):
        head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    else:
        head = "HTTP/1.1 200 OK\r\n"
    connection.sendall(f"{head}Content-Type: {media_type}\r\n\r\n".encode())
    _await_reader(connection)
    return connection


def _await_reader(connection: socket.socket) -> None:
    """Wait until the client has read the head, but not for long.

    Many, docker-py among them, read the head through a buffer and what follows without it: they would lose
    what arrives together with the head.
    """
    deadline = time.monotonic() + _HEAD_SECONDS
    unread = array.array("i", [0])
    while time.monotonic() < deadline:
        fcntl.ioctl(connection, termios.TIOCOUTQ, unread)
        if not unread[0]:
            return
        time.sleep(_LOOK_SECONDS)


__all__ = ["Hijacked", "chunks", "content_type", "hijack", "json_lines"]
