"""A container's log, in the form of Docker's json-file driver, and how it is read."""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pocket_engine.containers import timestamps

log = logging.getLogger(__name__)

SILENCE_SECONDS = 0.5
DEFAULT_LIMITS = {"max-size": "100m", "max-file": "2"}
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class Entry(NamedTuple):
    """One line, or a part of a long one.

    Attributes:
        stream: "stdout" or "stderr".
        time: RFC 3339.
        text: with its line feed, when it had one.
    """

    stream: str
    time: str
    text: str


@dataclass(frozen=True)
class Selection:
    """Which lines somebody wants.

    Attributes:
        stdout, stderr: from which streams.
        since, until: nanoseconds since 1970; None is no limit.
        tail: how many of those that are there already; None is all.
        follow: whether to go on with those that are written later, until the run ends.
    """

    stdout: bool = True
    stderr: bool = True
    since: int | None = None
    until: int | None = None
    tail: int | None = None
    follow: bool = False

    def wants(self, entry: Entry) -> bool:
        """Whether it is one of them."""
        if not (self.stdout if entry.stream == "stdout" else self.stderr):
            return False
        if self.since is None and self.until is None:
            return True
        written = timestamps.nanoseconds(entry.time)
        return (self.since is None or written >= self.since) and (self.until is None or written <= self.until)

    @property
    def is_over(self) -> bool:
        """Whether nothing written from now on can be among them."""
        return self.until is not None and time.time_ns() > self.until


class Log:
    """The log of one container: one writer, many readers.

    Args:
        file: the newest file; older ones have `.1`, `.2`, … after their names.
        options: `max-size` (such as `10m`; negative: no limit) and `max-file` of the log configuration.
            Without `max-size` there are two files of 100 MB: a program that talks without end would fill the
            user's own disk.
    """

    def __init__(self, file: Path, options: dict[str, str]) -> None:
        self.file = file
        if "max-size" not in options:
            options = DEFAULT_LIMITS
        self._max_size = _bytes(options["max-size"])
        self._max_files = int(options.get("max-file", "1"))
        self._written = threading.Condition()
        self._run = 0  # Counts runs; a follower leaves when the run that it met is over.
        self._is_open = False
        self._rotations = 0
        self._output: BinaryIO | None = None
        self._is_torn = False  # The last line could not be written, or not in full.

    def open(self) -> None:
        """A run begins."""
        with self._written:
            self._output = self.file.open("ab", buffering=0)
            self._is_open = True

    def close(self) -> None:
        """The run is over, nothing more of it will come."""
        with self._written:
            if self._output:
                self._output.close()
            self._output, self._is_open = None, False
            self._run += 1
            self._written.notify_all()

    def append(self, stream: str, texts: list[bytes]) -> None:
        """Write lines.

        Args:
            stream: "stdout" or "stderr".
            texts: lines, each with its line feed; parts of a very long one, and the last of a run, have none.
        """
        time_written = timestamps.now()
        lines = [
            json.dumps(
                {"log": text.decode(errors="replace"), "stream": stream, "time": time_written},
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for text in texts
        ]
        with self._written:
            if self._output is None:
                return
            try:
                self._write(self._output, lines)
                self._is_torn = False
            except OSError as error:  # The program goes on; what it wrote meanwhile is lost.
                if not self._is_torn:
                    log.warning("nothing more is written to %s for now: %s", self.file, error)
                self._is_torn = True
            self._written.notify_all()

    def _write(self, output: BinaryIO, lines: list[str]) -> None:
        if self._is_torn:  # Perhaps in the middle of a line.
            output.write(b"\n")
        encoded = [f"{line}\n".encode() for line in lines]
        size = sum(map(len, encoded))
        if self._max_size <= 0 or output.tell() + size < self._max_size:
            output.write(b"".join(encoded))
            return
        for line in encoded:
            output.write(line)
            if output.tell() >= self._max_size:
                self._output = output = self._rotated(output)

    def read(self, selection: Selection) -> Iterator[Entry | None]:
        """Yield the lines that were asked for; while following, None now and then when nothing happens."""
        with self._written:
            run, follow = self._run, selection.follow and self._is_open
            rotations = self._rotations
            files = [opened for path in self._files() if (opened := _open(path))]
        try:
            yield from self._written_so_far(files, selection)
            if follow and files:
                yield from self._following(files.pop(), run, rotations, selection)
        finally:
            for file in files:
                file.close()

    def _written_so_far(self, files: list[BinaryIO], selection: Selection) -> Iterator[Entry]:
        lines: Iterator[bytes] | deque[bytes] = (line for file in files for line in _whole_lines(file))
        if selection.tail is not None:
            lines = deque(lines, maxlen=selection.tail)
        for line in lines:
            if (entry := _entry(line)) and selection.wants(entry):
                yield entry

    def _following(
        self, file: BinaryIO, run: int, rotations: int, selection: Selection
    ) -> Iterator[Entry | None]:
        with file:
            while not selection.is_over:
                with self._written:
                    over, rotated = self._run != run, self._rotations != rotations
                    rotations = self._rotations
                    newer = _open(self.file) if rotated else None
                empty = True
                for line in _whole_lines(file):
                    empty = False
                    if (entry := _entry(line)) and selection.wants(entry):
                        yield entry
                if newer:
                    yield from self._following(newer, run, rotations, selection)
                    return
                if over:
                    return
                if empty:
                    yield from self._pause(file, run, rotations)

    def _pause(self, file: BinaryIO, run: int, rotations: int) -> Iterator[None]:
        """Wait until there is something to do, but not for long."""
        with self._written:
            nothing_new = os.fstat(file.fileno()).st_size <= file.tell()
            if nothing_new and (self._run, self._rotations) == (run, rotations):
                silent = not self._written.wait(SILENCE_SECONDS)
            else:
                silent = False
        if silent:
            yield None

    def _files(self) -> list[Path]:
        """The files that exist, oldest first."""
        older = [self.file.with_name(f"{self.file.name}.{n}") for n in range(self._max_files - 1, 0, -1)]
        return [*older, self.file]

    def _rotated(self, full: BinaryIO) -> BinaryIO:
        """A new file in the place of one that is full."""
        full.close()
        files = self._files()
        for older, newer in zip(files, files[1:], strict=False):
            if newer.exists():
                newer.replace(older)
        # With one file only, no other name keeps what is in it: it begins anew.
        self.file.unlink(missing_ok=True)
        self._rotations += 1
        return self.file.open("ab", buffering=0)


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines up to the end; what has no line feed yet is left for the next time."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line


def _entry(line: bytes) -> Entry | None:
    try:
        content: dict[str, Any] = json.loads(line)
    except ValueError:
        return None  # The machine stopped in the middle of a line.
    return Entry(content["stream"], content["time"], content["log"])


def _bytes(text: str) -> int:
    number = text.lower().removesuffix("b") if text[-2:-1].isalpha() else text.lower()
    unit = number[-1:] if number[-1:].isalpha() else ""
    return int(number.removesuffix(unit) or 0) * _UNITS[unit]
