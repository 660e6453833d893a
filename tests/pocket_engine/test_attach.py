"""docker attach: a client and a container's first program."""

import socket

import pytest

from pocket_engine.containers.attach import DetachKeys, detach_keys
from pocket_engine.errors import BadRequest
from tests.pocket_engine.containers import Run, image, run, state

__all__ = ["image", "run"]


def test_output_from_the_start(run: Run) -> None:
    container = run("sh", "-c", "echo hello", start=False)
    output = container.attach(stream=True, logs=False)
    container.start()
    assert b"".join(output) == b"hello\n"


def test_input_and_its_end(run: Run) -> None:
    container = run("cat", start=False, stdin_open=True, detach=False)
    connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})._sock
    container.start()
    connection.sendall(b"to and fro")
    connection.shutdown(socket.SHUT_WR)
    received = b""
    while chunk := connection.recv(1024):
        received += chunk
    connection.close()
    assert received == b"\x01\0\0\0\0\0\0\x0ato and fro"
    assert container.wait()["StatusCode"] == 0


def test_a_client_that_is_gone_sends_nothing(run: Run) -> None:
    container = run("cat", start=False, stdin_open=True, detach=False)
    connection = container.attach_socket(params={"stdin": 1, "stream": 1})._sock
    container.start()
    connection.sendall(b"the last words")
    connection.shutdown(socket.SHUT_RDWR)
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"the last words"


def test_what_was_written_before(run: Run) -> None:
    container = run("sh", "-c", "echo hello")
    container.wait()
    assert container.attach(stream=False, logs=True) == b"hello\n"


def test_who_leaves_does_not_end_it(run: Run) -> None:
    container = run("sh", stdin_open=True, tty=True)
    connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})._sock
    connection.settimeout(10)
    connection.sendall(b"\x10\x11")  # Ctrl-p, Ctrl-q.
    while connection.recv(1024):
        pass
    connection.close()
    assert state(container)["Running"]


def test_two_see_the_same(run: Run) -> None:
    container = run("sh", "-c", "echo hello", start=False)
    one, other = (container.attach(stream=True) for _ in range(2))
    container.start()
    assert b"".join(one) == b"".join(other) == b"hello\n"


@pytest.mark.parametrize(
    ("pieces", "passed", "leaves"),
    [
        ([b"abc"], b"abc", False),
        ([b"a\x10\x11b"], b"a", True),
        ([b"a\x10", b"\x11"], b"a", True),
        ([b"\x10a\x11"], b"\x10a\x11", False),
        ([b"\x10\x10\x11"], b"\x10", True),
    ],
)
def test_keys_that_detach(pieces: list[bytes], passed: bytes, leaves: bool) -> None:
    keys = DetachKeys(detach_keys(""))
    results = [keys.pass_on(piece) for piece in pieces]
    assert b"".join(data for data, _ in results) == passed
    assert results[-1][1] is leaves


def test_keys_that_are_none() -> None:
    assert detach_keys("ctrl-a,x") == b"\x01x"
    with pytest.raises(BadRequest, match="Invalid detach keys"):
        detach_keys("ctrl-")
