"""The HTTP server on a unix socket.

Answers that stream are generators. One that has nothing to send for a while yields b"" about every half
second: nothing goes out, but a client that hung up is noticed, and the generator is closed.

A view that wants the connection for itself (`docker attach`) talks on `request.environ["werkzeug.socket"]`
until the end, leaves it open, and returns Hijacked().
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from pocket_engine import __version__

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_PATH = 107  # Bytes that the kernel's address of a unix socket can hold, without the final zero.
BACKLOG = 128
POLL_SECONDS = 0.5


class CannotListen(Exception):
    """The socket cannot be had; the message says why and what to do."""


class Hijacked(Response):
    """The answer of a view that has said everything on the connection itself."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with contextlib.suppress(OSError):
            # Else werkzeug reads on until the client ends.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError  # To werkzeug the client has gone, and there is nobody to answer.


@contextlib.contextmanager
def listen(path: Path) -> Iterator[socket.socket]:
    """A socket at this path that listens, and goes in the end. One that a dead engine left is replaced.

    Raises:
        CannotListen: the path is too long, or something else is there.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise CannotListen(
            f"The path of the socket is too long for the kernel ({LONGEST_PATH} bytes at most): {path}. "
            "Choose a shorter one with --host unix:///PATH."
        )
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
    if path.exists() and not path.is_socket():
        raise CannotListen(f"{path} is there, and is no socket. Choose another path with --host.")
    if answers(path):
        raise CannotListen(f"Another engine listens on {path}. Use it, or choose another path with --host.")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)  # Nobody else may open it, not even for a moment.
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def serve(
    app: Flask, listener: socket.socket, is_busy: Callable[[], bool], idle_seconds: float | None
) -> None:
    """Serve until KeyboardInterrupt, or until nobody has used the engine for a while.

    Args:
        app: the API.
        listener: see `listen`.
        is_busy: whether something runs that keeps an unused engine alive.
        idle_seconds: how long it stays when it is neither used nor busy; None: for ever.
    """
    use = Use(app.wsgi_app)
    app.wsgi_app = use  # type: ignore[method-assign]

    def is_idle() -> bool:
        return idle_seconds is not None and use.seconds_unused() > idle_seconds and not is_busy()

    Server(app, listener, is_idle).serve_forever(POLL_SECONDS)


class Use:
    """A WSGI application that knows when it was last used, and whose streams end when the client leaves."""

    def __init__(self, application: "WSGIApplication") -> None:
        self.application = application
        self._lock = threading.Lock()
        self._now = 0
        self._last = time.monotonic()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
        with self._lock:
            self._now += 1
        try:
            chunks = self.application(environ, start_response)
            yield from while_listening(chunks, environ["werkzeug.socket"])
        finally:
            with self._lock:
                self._now -= 1
                self._last = time.monotonic()

    def seconds_unused(self) -> float:
        """How long ago the last request ended; 0 while there is one."""
        with self._lock:
            return 0.0 if self._now else time.monotonic() - self._last


def while_listening(chunks: Iterable[bytes], connection: socket.socket) -> Iterator[bytes]:
    """Pass an answer on until the client hangs up, then close it."""
    try:
        for chunk in chunks:
            if has_hung_up(connection):
                return
            yield chunk
    finally:
        if close := getattr(chunks, "close", None):
            close()


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the other side of a connection has closed it."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


class Server(ThreadedWSGIServer):
    """Werkzeug's server, a thread for each request.

    Args:
        app: what answers.
        listener: a socket that is listening.
        is_idle: whether it is time to stop.
    """

    def __init__(self, app: Flask, listener: socket.socket, is_idle: Callable[[], bool]) -> None:
        super().__init__("unix://", 0, app, RequestHandler, fd=listener.fileno())
        self.is_idle = is_idle

    def service_actions(self) -> None:
        """Called by `serve_forever` about twice a second."""
        if self.is_idle():
            threading.Thread(target=self.shutdown).start()  # It waits for the end of `serve_forever`.


class RequestHandler(WSGIRequestHandler):
    """One request."""

    def handle_expect_100(self) -> bool:
        return True  # The base class for WSGI says “100 Continue” itself.

    def version_string(self) -> str:
        return f"Pocket-Engine/{__version__} (linux)"

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code)  # "Not Found", as Go writes it, and not "NOT FOUND".

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
