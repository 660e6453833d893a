"""The real addresses of containers: of this machine's loopback range, which any user may bind."""

import hashlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pocket_engine.errors import EngineError

# As in native/addresses.c: containers live from 127.64.0.0 on, and port p is really port p ^ PORT_MASK there.
FIRST, BLOCKS = 64, 64
PORT_MASK = 0xFC00

# Port 0 moved: the only one that no program in a container can bind.
_CLAIM = 0 ^ PORT_MASK


def real_port(port: int) -> int:
    """Where a container's port is really listened on."""
    return port ^ PORT_MASK


class RealAddress:
    """One address, ours as long as this is open: all engines of this machine see that it is taken.

    Attributes:
        text: e.g. `127.66.0.2`.
    """

    def __init__(self, claim: socket.socket) -> None:
        self._claim = claim
        self.text: str = claim.getsockname()[0]

    def close(self) -> None:
        """Others may have it."""
        self._claim.close()


def claim(data_root: Path) -> RealAddress:
    """Take an address that nobody has.

    Args:
        data_root: each engine looks first in a block of its own.

    Raises:
        EngineError: none is left.
    """
    for address in _candidates(data_root):
        claimed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claimed.bind((address, _CLAIM))
        except OSError:
            claimed.close()
            continue
        return RealAddress(claimed)
    raise EngineError(f"no loopback address is left in 127.{FIRST}.0.0 to 127.{FIRST + BLOCKS - 1}.255.255")


def _candidates(data_root: Path) -> Iterator[str]:
    start = hashlib.sha256(os.fsencode(data_root.resolve())).digest()[0]
    for block in range(BLOCKS):
        second = FIRST + (start + block) % BLOCKS
        yield from (f"127.{second}.{x}.{y}" for x, y in itertools.product(range(256), range(2, 255)))
