"""The socket between the engine and a child process of its: one request, then what came of it."""

import json
import os
import select
from typing import Any


class Channel:
    """The child's end. It closes when the process becomes another program.

    Args:
        descriptor: the socket.

    Attributes:
        request: what the engine wants.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        text = bytearray()
        while not text.endswith(b"\n"):
            received = os.read(descriptor, 1 << 16)
            if not received:
                os._exit(1)  # The engine has ended.
            text += received
        self.request: dict[str, Any] = json.loads(text)

    def tell(self, **message: Any) -> None:
        """Tell the engine what came of the request."""
        os.write(self._descriptor, json.dumps(message).encode() + b"\n")

    def engine_has_ended(self) -> bool:
        """Whether nobody is at the other end any more."""
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return bool(poll.poll(0))
