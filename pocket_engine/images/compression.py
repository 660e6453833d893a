"""Compressed streams: told by their first bytes, as Docker does, never by a name."""

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from pocket_engine.errors import EngineError

_LONGEST_MAGIC = 6  # Bytes.
_MAGIC = {b"\x1f\x8b\x08": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def compression_of(start: bytes) -> str:
    """`gzip`, `bzip2`, `xz`, `zstd`, or an empty string: from the first six bytes of a stream."""
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            return name
    return ""


def decompressed_stream(stream: BinaryIO) -> BinaryIO:
    """The content of a stream that can only be read, compressed or not. Raises EngineError as below."""
    start = b""
    while len(start) < _LONGEST_MAGIC and (chunk := stream.read(_LONGEST_MAGIC - len(start))):
        start += chunk
    return decompressed(cast(BinaryIO, _Rejoined(start, stream)), compression_of(start))


def decompressed(file: BinaryIO, compression: str) -> BinaryIO:
    """The content of a compressed file.

    Args:
        file: stands at its start; is only read.
        compression: as `compression_of` tells it.

    Raises:
        EngineError: zstd, on a Python that cannot read it.
    """
    openers: dict[str, Callable[[BinaryIO], Any]] = {
        "": lambda plain: plain,
        "gzip": lambda packed: gzip.GzipFile(fileobj=packed, mode="rb"),
        "bzip2": bz2.BZ2File,
        "xz": lzma.LZMAFile,
        "zstd": _zstd,
    }
    return cast(BinaryIO, openers[compression](file))


class _Rejoined:
    """A stream of which the start has been read already."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest

    def read(self, size: int = -1) -> bytes:
        if not self._start:
            return self._rest.read(size)
        if size < 0:
            start, self._start = self._start, b""
            return start + self._rest.read()
        start, self._start = self._start[:size], self._start[size:]
        return start


def _zstd(file: BinaryIO) -> Any:
    for module in "compression.zstd", "backports.zstd":  # The first is Python 3.14's, the second from PyPI.
        try:
            return importlib.import_module(module).ZstdFile(file)
        except ModuleNotFoundError:
            continue
    raise EngineError(
        "the layer is compressed with zstd, which Python can read from version 3.14 on: "
        "start the engine with a newer Python, or install the package backports.zstd beside it"
    )
