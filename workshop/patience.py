"""Wait until something is so, with a deadline.

InVain                  it was not so in time; the message says what was waited for
"""

import time
from collections.abc import Callable

from workshop.errors import PlainError

PAUSE_SECONDS = 0.05


class InVain(PlainError):
    """What was waited for did not come in time."""


def until(holds: Callable[[], object], what: str, seconds: float = 20.0) -> float:
    """Ask again and again until the answer is yes.

    Args:
        holds: asked until its answer is true.
        what: what is waited for, a short sentence, e.g. `it is healthy`.
        seconds: the deadline.

    Returns:
        The seconds that it took.

    Raises:
        InVain: the deadline passed first.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise InVain(f"Waited {seconds:g} s in vain until {what}.")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - started
