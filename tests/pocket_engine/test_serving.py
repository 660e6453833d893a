"""The server: streams that end with their client, connections that a view takes over, bodies of any size."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import flask
import pytest
from flask import Flask, Response

from pocket_engine.api.serving import Hijacked, Server, Use, listen
from tests.pocket_engine.embedded import eventually


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


@pytest.fixture
def connection(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """A client's connection to the app."""
    path = Path(f"/tmp/pocket-{time.monotonic_ns()}.sock")
    app.wsgi_app = Use(app.wsgi_app)  # type: ignore[method-assign]
    with listen(path) as listener, socket.socket(socket.AF_UNIX) as connection:
        server = Server(app, listener, lambda: False)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        connection.settimeout(10)
        connection.connect(str(path))
        yield connection
        connection.close()
        server.shutdown()
        serving.join()


def request(connection: socket.socket, line: str, *headers: str) -> None:
    connection.sendall("\r\n".join((f"{line} HTTP/1.1", "Host: d", *headers, "", "")).encode())


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_stream_ends_when_its_client_hangs_up(app: Flask, connection: socket.socket):
    closed = threading.Event()

    def lines() -> Iterator[bytes]:
        try:
            yield b"first\n"
            while True:
                time.sleep(0.01)
                yield b""
        finally:
            closed.set()

    app.add_url_rule("/", "stream", lambda: Response(lines()))
    request(connection, "GET /")
    said = b""
    while b"first" not in said:  # It comes at once, though the stream goes on.
        said += connection.recv(1000)
    assert not closed.is_set()
    connection.close()
    assert closed.wait(5)


def test_a_view_takes_the_connection_over(app: Flask, connection: socket.socket):
    def echo() -> Response:
        own = flask.request.environ["werkzeug.socket"]
        own.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n")
        own.sendall(own.recv(100).upper())
        return Hijacked()

    app.add_url_rule("/", "echo", echo, methods=["POST"])
    request(connection, "POST /", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 0")
    assert connection.recv(1000).startswith(b"HTTP/1.1 101 UPGRADED")
    connection.sendall(b"hello")
    assert read_all(connection) == b"HELLO"  # And then the end, though this side is still open.


def test_what_a_client_still_sends_to_a_view_that_has_ended(app: Flask, connection: socket.socket):
    def deaf() -> Response:
        flask.request.environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\nbye")
        eventually(sent.is_set, 5)
        return Hijacked()

    sent = threading.Event()
    app.add_url_rule("/", "deaf", deaf)
    request(connection, "GET /")
    connection.sendall(b"x" * 1000)
    sent.set()
    assert read_all(connection).endswith(b"bye")


@pytest.mark.parametrize("size", [0, 1, 100_000, 30_000_000])
def test_a_large_body_in_chunks(app: Flask, connection: socket.socket, size: int):
    def digest() -> str:
        hashed = hashlib.sha256()
        while part := flask.request.stream.read(65536):
            hashed.update(part)
        return hashed.hexdigest()

    app.add_url_rule("/", "digest", digest, methods=["POST"])
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    request(connection, "POST /", "Transfer-Encoding: chunked")
    for begin in range(0, size, 32768):
        part = body[begin : begin + 32768]
        connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")
    assert read_all(connection).endswith(hashlib.sha256(body).hexdigest().encode())


def test_a_body_that_breaks_off_is_an_error(app: Flask, connection: socket.socket):
    ended: list[BaseException | None] = []

    def read() -> str:
        try:
            flask.request.stream.read()
        except OSError as error:
            ended.append(error)
            raise
        ended.append(None)
        return ""

    app.add_url_rule("/", "read", read, methods=["POST"])
    request(connection, "POST /", "Transfer-Encoding: chunked")
    connection.sendall(b"ff\r\nhalf of it")
    connection.close()
    eventually(lambda: ended, 5)
    assert isinstance(ended[0], OSError)
