"""What a program prints, as it prints it."""

import codecs
import os
import selectors
from collections.abc import Callable, Iterator
from typing import Any

from pocket_engine.build.stream import Telling, in_red, text
from pocket_engine.containers.memory import MemoryLimit
from pocket_engine.runners import Running, Streams

_CHUNK = 32 * 1024
_PATIENCE_SECONDS = 0.25
_BRIEFLY_SECONDS = 0.005


def follow(start: Callable[[Streams], Running], memory: int) -> Telling[int]:
    """Start a program, and tell what it prints; errors in red. When nobody listens any more, it is killed.

    Args:
        start: starts it.
        memory: bytes that it may take; 0 for any number.

    Returns:
        Its exit code.

    Raises:
        CannotStart: it could not be started.
    """
    out, out_inside = os.pipe()
    error, error_inside = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        try:
            running = start(Streams(nothing, out_inside, error_inside))
        finally:
            for descriptor in (nothing, out_inside, error_inside):
                os.close(descriptor)
        limit = MemoryLimit(lambda: memory, running.pids, lambda: None)
        limit.watch()
        try:
            yield from _read(out, error)
            return running.wait()
        finally:
            limit.stop()
            running.destroy()
    finally:
        os.close(out)
        os.close(error)


def _read(out: int, error: int) -> Telling[None]:
    """What comes, as it comes; but a line that is written in several pieces is told as one."""
    streams = {out: _Stream(text), error: _Stream(in_red)}
    with selectors.DefaultSelector() as selector:
        for descriptor in streams:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            begun = any(stream.pending for stream in streams.values())
            ready = {key.fd for key, _ in selector.select(_BRIEFLY_SECONDS if begun else _PATIENCE_SECONDS)}
            if not ready and not begun:
                yield None
            for descriptor, stream in streams.items():
                if descriptor not in ready:
                    yield from stream.take()
            for descriptor in ready:
                data = os.read(descriptor, _CHUNK)
                streams[descriptor].add(data)
                if data.endswith(b"\n") or not data:
                    yield from streams[descriptor].take()
                if not data:
                    selector.unregister(descriptor)


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
