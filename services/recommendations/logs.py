"""One JSON object a line on stdout: what people can read and log collectors can parse.

Both services have this file, each its own copy: a shared library would tie their releases together.
"""

import atexit
import functools
import json
import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import request_id

STDOUT = 1
BATCH_SECONDS = 0.02
# How long a warning, and the end of the process, wait until they are written: maybe nobody takes the log.
WARNING_SECONDS = 0.05
END_SECONDS = 1.0
# Where nobody takes it, so many lines are kept; of more than these the oldest are lost.
MOST_LINES = 100_000

_encode = json.JSONEncoder(default=str).encode


class BatchingHandler(logging.Handler):
    """Write as JSON what came within a few milliseconds, in one go, from a thread that does nothing else.

    A write for each line would cost this process and the log collector more than the calls themselves.
    And where the collector stalls, it is that thread which waits for it, and no visitor.
    """

    def __init__(self) -> None:
        super().__init__()
        # Lines; and events, of those who wait until all before them is written.
        self._queue: deque[str | threading.Event] = deque(maxlen=MOST_LINES)
        self._some, self._urgent = threading.Event(), threading.Event()
        threading.Thread(target=self._write_batches, name="log", daemon=True).start()
        # logging would do it, but forgets its handlers when a server configures a log of its own.
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging with each record; `extra={"fields": {…}}` adds to the line."""
        try:
            fields = dict(getattr(record, "fields", {}))
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            self.add(record.created, record.levelname, record.name, record.getMessage(), fields)
            if record.levelno >= logging.WARNING:
                self.flush(WARNING_SECONDS)
        except Exception:
            self.handleError(record)

    def add(self, moment: float, level: str, service: str, message: str, fields: dict[str, Any]) -> None:
        """Add one line to the batch."""
        stamp = f"{_second(int(moment))}.{int(moment % 1 * 1000):03}Z"
        line = {"time": stamp, "level": level.lower(), "service": service, "message": message}
        if current := request_id.current.get():
            line["request_id"] = current
        self._queue.append(_encode(line | fields))
        if not self._some.is_set():
            self._some.set()

    def flush(self, seconds: float = END_SECONDS) -> None:
        """Have all lines written now, and wait for that for so many seconds at most."""
        written = threading.Event()
        self._queue.append(written)
        self._urgent.set()
        self._some.set()
        written.wait(seconds)

    def _write_batches(self) -> None:
        while self._some.wait():
            self._urgent.wait(BATCH_SECONDS)
            self._urgent.clear()
            self._some.clear()
            batch = [self._queue.popleft() for _ in range(len(self._queue))]
            with suppress(OSError):  # Nobody reads any longer: the lines are lost, and the service goes on.
                _write("".join(f"{line}\n" for line in batch if isinstance(line, str)).encode())
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()


def _write(data: bytes) -> None:
    # Not through sys.stdout: a write that waits for ever would hold its lock, and Python could not end.
    while data:
        data = data[os.write(STDOUT, data) :]


@functools.lru_cache(2)
def _second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


_handler: BatchingHandler | None = None


def log_event(log: logging.Logger, message: str, **fields: Any) -> None:
    """Log a line as `log.info(message, extra={"fields": fields})` does, at a fraction of its cost.

    For the line that every call writes. It goes past logging's filters, and past other handlers.
    """
    if _handler and log.isEnabledFor(logging.INFO):
        _handler.add(time.time(), "info", log.name, message, fields)
    else:
        log.info(message, extra={"fields": fields})


def log_to_stdout() -> None:
    """Send every log record of this process to stdout, one line each."""
    global _handler
    if _handler is None:
        _handler = BatchingHandler()
        logging.basicConfig(level=logging.INFO, handlers=[_handler])
