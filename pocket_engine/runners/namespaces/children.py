"""The engine's end: children that work in a container's namespaces, and what they tell."""

import contextlib
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from pocket_engine.runners.spawning import spawn

_HERE = Path(__file__).parent
_PACKAGES = (str(_HERE), str(_HERE.parents[2]))


class Child:
    """A child process that was given a request.

    Args:
        module: of `launcher`; its `main` is run.
        request: what it is to do; as JSON.
        descriptors: open file descriptors that the request names by their numbers.
        streams: `stdin`, `stdout` and `stderr` as for `subprocess.Popen`.

    Attributes:
        process: the child.
    """

    def __init__(
        self, module: str, request: dict[str, Any], descriptors: Sequence[int] = (), **streams: int | None
    ) -> None:
        code = f"import sys; sys.path[:0] = {_PACKAGES!r}; from launcher.{module} import main; main()"
        ours, theirs = socket.socketpair()
        with theirs:
            self.process: Popen[bytes] = spawn(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *descriptors),
                **streams,
            )
        self._channel = ours
        with contextlib.suppress(BrokenPipeError):  # It has ended; what it told says why.
            ours.sendall(json.dumps(request).encode() + b"\n")

    def outcome(self) -> dict[str, Any]:
        """Wait until it has told all that it has to tell; the messages as one."""
        told: dict[str, Any] = {}
        killed = contextlib.suppress(ConnectionResetError)  # Before it had read its request.
        with self._channel, self._channel.makefile("rb") as lines, killed:
            for line in lines:
                told.update(json.loads(line))
        self.process.wait()
        return told
