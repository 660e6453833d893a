"""Signals by name and number."""

import signal

from pocket_engine.errors import BadRequest


def number(text: str) -> int:
    """The number of a signal.

    Args:
        text: its number, or its name with or without `SIG`: `9`, `TERM`, `sigterm`, `SIGRTMIN+3`, `RTMAX-1`.

    Raises:
        BadRequest: there is no such signal.
    """
    if text.isdecimal():
        if int(text) in range(1, signal.SIGRTMAX + 1):
            return int(text)
        raise BadRequest(f"Invalid signal: {text}")
    name = text.upper().removeprefix("SIG")
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        start, found, offset = name.partition(sign)
        if start == base and found and offset.isdecimal():
            moved = getattr(signal, f"SIG{base}") + int(sign + offset)
            if signal.SIGRTMIN <= moved <= signal.SIGRTMAX:
                return moved
    if name in {"RTMIN", "RTMAX"} or f"SIG{name}" in signal.Signals.__members__:
        return int(getattr(signal, f"SIG{name}"))
    raise BadRequest(f"Invalid signal: {text}")
