"""The id under which one visitor's request stands in the logs of all services.

Both services have this file, each its own copy: a shared library would tie their releases together.
"""

import itertools
import os
import re
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("request_id", default="")

# What others may put into our log: no line breaks, no kilobytes.
ACCEPTABLE = re.compile(r"[\w.:/+=-]{1,64}", re.ASCII)

# An id of our own: this process, and a number.
_process = os.urandom(6).hex()
_numbers = itertools.count(1)


def accept(sent: str) -> None:
    """Make the id that the caller sent the current one; a new one where it sent none that we can take."""
    current.set(sent if ACCEPTABLE.fullmatch(sent) else f"{_process}-{next(_numbers)}")
