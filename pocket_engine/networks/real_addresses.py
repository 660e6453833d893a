"""The real addresses of containers: of this machine's loopback range, which any user may bind."""

import hashlib
import ipaddress
import os
import secrets
import socket
from pathlib import Path

from pocket_engine.errors import EngineError

# As in native/addresses.c: containers live from 127.64.0.0 on, and port p is really port p ^ PORT_MASK there.
FIRST = int(ipaddress.IPv4Address("127.64.0.0"))
BLOCKS, BLOCK = 64, 0x10000
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


class RealAddresses:
    """The addresses of one engine's containers.

    Each time the next one is given: of one that was just given back, the kernel may hold ports for a minute.

    Args:
        data_root: each engine has a place of its own to begin at.
    """

    def __init__(self, data_root: Path) -> None:
        digest = hashlib.sha256(os.fsencode(data_root.resolve())).digest()
        # A block of its own; in it another place each time that the engine starts.
        self._next = digest[0] % BLOCKS * BLOCK + secrets.randbelow(BLOCK)

    def claim(self) -> RealAddress:
        """Take an address that nobody has.

        Raises:
            EngineError: none is left.
        """
        for _ in range(BLOCKS * BLOCK):
            number, self._next = self._next, (self._next + 1) % (BLOCKS * BLOCK)
            claimed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                claimed.bind((str(ipaddress.IPv4Address(FIRST + number)), _CLAIM))
            except OSError:
                claimed.close()
                continue
            return RealAddress(claimed)
        raise EngineError("no loopback address is left for another container: stop some")
