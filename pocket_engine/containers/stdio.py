"""Standard streams of a program: from its pipes or its terminal to its log and to whoever listens."""

import contextlib
import fcntl
import os
import pty
import selectors
import struct
import termios
import threading
from collections import deque

from pocket_engine.containers.logs import Log
from pocket_engine.runners import Streams

_CHUNK = 64 * 1024
_LONGEST_LINE = 16 * 1024  # Docker cuts longer ones.
_WAITING_BYTES = 1024 * 1024  # A listener that has as much unread holds the program up.


class Listener:
    """Somebody who wants what a program writes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._closed = False

    def put(self, stream: str, data: bytes) -> None:
        """Hand over some output; blocks while the listener has too much unread."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < _WAITING_BYTES or self._closed)
            if not self._closed:
                self._chunks.append((stream, data))
                self._size += len(data)
                self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until `get` does not block, at most for a while. Returns whether it does not."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._chunks) or self._closed, seconds)

    def get(self) -> tuple[str, bytes] | None:
        """The next output and the stream it came from; None when there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed)
            if not self._chunks:
                return None
            stream, data = self._chunks.popleft()
            self._size -= len(data)
            self._changed.notify_all()
            return stream, data

    def drain(self) -> bytes:
        """All output that waits, of both streams."""
        with self._changed:
            data = b"".join(chunk for _, chunk in self._chunks)
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()
            return data

    def close(self) -> None:
        """No more will come; what was handed over can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Audience:
    """All who listen to one program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    def join(self) -> Listener:
        """A new listener, from now on."""
        listener = Listener()
        with self._lock:
            self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """This one wants no more."""
        with self._lock:
            self._listeners.discard(listener)
        listener.close()

    def put(self, stream: str, data: bytes) -> None:
        """Give all of them some output."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.put(stream, data)

    def dismiss(self) -> None:
        """The program has ended: tell all, and be ready for the next run."""
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener.close()


class Stdio:
    """The streams of one program.

    Args:
        terminal: whether they are a terminal.
        with_stdin: whether somebody may write to its stdin; if not, it reads an end of file.
        audience: who listens.
        log: where it is also written, by lines; None for nowhere.
    """

    def __init__(self, terminal: bool, with_stdin: bool, audience: Audience, log: Log | None = None) -> None:
        self.audience = audience
        self._log = log
        self._lock = threading.Lock()
        self._stdin: int | None = None
        self._terminal: int | None = None
        if terminal:
            master, slave = pty.openpty()
            self.program = Streams(slave, slave, slave)
            self._terminal, self._outputs = master, {master: "stdout"}
            self._stdin = os.dup(master) if with_stdin else None
        else:
            stdout, program_stdout = os.pipe()
            stderr, program_stderr = os.pipe()
            if with_stdin:
                program_stdin, self._stdin = os.pipe()
            else:
                program_stdin = os.open(os.devnull, os.O_RDONLY)
            self.program = Streams(program_stdin, program_stdout, program_stderr)
            self._outputs = {stdout: "stdout", stderr: "stderr"}
        self._copier = threading.Thread(target=self._copy, name="stdio", daemon=True)

    def started(self) -> None:
        """The program has its streams: begin to copy what it writes."""
        self._close_programs_ends()
        self._copier.start()

    def abandon(self) -> None:
        """The program could not be started."""
        self._close_programs_ends()
        for descriptor in self._outputs:
            os.close(descriptor)
        self.close_stdin()

    def finish(self) -> None:
        """Wait until all that the program wrote has been copied."""
        self._copier.join()
        self.close_stdin()

    def write(self, data: bytes) -> bool:
        """Write to the program's stdin. Returns False when nobody reads it any more."""
        left = memoryview(data)
        while left:
            with self._lock:
                if self._stdin is None:
                    return False
                descriptor = os.dup(self._stdin)  # So that closing it meanwhile does no harm.
            try:
                left = left[os.write(descriptor, left) :]
            except OSError:
                return False
            finally:
                os.close(descriptor)
        return True

    def close_stdin(self) -> None:
        """Let the program read an end of file. A terminal is only left alone."""
        with self._lock:
            if self._stdin is not None:
                os.close(self._stdin)
            self._stdin = None

    def resize(self, height: int, width: int) -> None:
        """Set the terminal's size, in characters; without a terminal, nothing happens."""
        with self._lock:
            if self._terminal is not None:
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def _close_programs_ends(self) -> None:
        for descriptor in {self.program.stdin, self.program.stdout, self.program.stderr}:
            os.close(descriptor)

    def _copy(self) -> None:
        unfinished = dict.fromkeys(self._outputs.values(), b"")
        with selectors.DefaultSelector() as selector:
            for descriptor in self._outputs:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    stream = self._outputs[key.fd]
                    data = b""
                    with contextlib.suppress(OSError):  # EIO: the last program left the terminal.
                        data = os.read(key.fd, _CHUNK)
                    if data:
                        self._hand_out(stream, data, unfinished)
                        continue
                    selector.unregister(key.fd)
                    if self._log and unfinished[stream]:
                        self._log.append(stream, [unfinished[stream]])
                    with self._lock:
                        os.close(key.fd)
                        self._terminal = None

    def _hand_out(self, stream: str, data: bytes, unfinished: dict[str, bytes]) -> None:
        if self._log:
            texts = _cut(unfinished[stream] + data)
            unfinished[stream] = b"" if _is_whole(texts[-1]) else texts.pop()
            if texts:
                self._log.append(stream, texts)
        self.audience.put(stream, data)


def _cut(data: bytes) -> list[bytes]:
    """Lines with their line feeds, those that are too long in parts; the last may lack its end."""
    lines = data.split(b"\n")
    whole = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [
        line[start : start + _LONGEST_LINE] for line in whole for start in range(0, len(line), _LONGEST_LINE)
    ]


def _is_whole(text: bytes) -> bool:
    return text.endswith(b"\n") or len(text) == _LONGEST_LINE
