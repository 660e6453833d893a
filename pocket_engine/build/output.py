"""What a program prints, as it prints it."""

import codecs
from collections.abc import Callable, Iterator
from typing import Any

from pocket_engine.build.stream import Telling, in_red, text
from pocket_engine.containers.container import Container
from pocket_engine.containers.stdio import Listener

_PATIENCE_SECONDS = 0.25
_BRIEFLY_SECONDS = 0.005


def follow(container: Container) -> Telling[int]:
    """Start a container, and tell what it prints; errors in red.

    Returns:
        Its exit code.

    Raises:
        EngineError: it could not be started.
    """
    listener = container.audience.join()
    container.publish("attach")
    try:
        container.start()
        yield from _read(listener)
    finally:
        container.audience.leave(listener)
    return container.exit_code


def _read(listener: Listener) -> Telling[None]:
    """What comes, as it comes; but a line that is written in several pieces is told as one."""
    streams = {"stdout": _Stream(text), "stderr": _Stream(in_red)}
    while True:
        begun = any(stream.pending for stream in streams.values())
        if not listener.wait(_BRIEFLY_SECONDS if begun else _PATIENCE_SECONDS):
            if not begun:
                yield None
            for stream in streams.values():
                yield from stream.take()
            continue
        output = listener.get()
        if output is None:
            break
        name, data = output
        for other, stream in streams.items():
            if other != name:
                yield from stream.take()
        streams[name].add(data)
        if data.endswith(b"\n"):
            yield from streams[name].take()
    for stream in streams.values():
        stream.add(b"")
        yield from stream.take()


class _Stream:
    """One of a program's output streams.

    Args:
        item: makes an item of the words.
    """

    def __init__(self, item: Callable[[str], dict[str, Any]]) -> None:
        self._item = item
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.pending = ""

    def add(self, data: bytes) -> None:
        """It has written this; nothing: that was the end."""
        self.pending += self._decoder.decode(data, final=not data)

    def take(self) -> Iterator[dict[str, Any]]:
        """What has not been told yet."""
        if self.pending:
            yield self._item(self.pending)
            self.pending = ""
