"""What a program prints, as it prints it."""

import codecs
import os
import selectors
from collections.abc import Callable

from pocket_engine.build.stream import Telling, in_red, text
from pocket_engine.containers.memory import MemoryLimit
from pocket_engine.runners import Running, Streams

_CHUNK = 32 * 1024
_PATIENCE_SECONDS = 0.25


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
    with selectors.DefaultSelector() as selector:
        for descriptor, item in ((out, text), (error, in_red)):
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
            selector.register(descriptor, selectors.EVENT_READ, (decoder, item))
        while selector.get_map():
            ready = selector.select(_PATIENCE_SECONDS)
            if not ready:
                yield None
            for key, _ in ready:
                decoder, item = key.data
                data = os.read(key.fd, _CHUNK)
                if words := decoder.decode(data, final=not data):
                    yield item(words)
                if not data:
                    selector.unregister(key.fd)
