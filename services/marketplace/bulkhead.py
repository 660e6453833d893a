"""A bulkhead: calls that get stuck may flood one compartment, never the whole ship.

The page's threads are few. Were all of them to wait for a service that does not answer, nobody
would get any page. So only some of them may wait at once; the others learn at once that they
should go on without.
"""

import threading
import time


class Full(Exception):
    """All places are taken, and nothing moves: go on without the answer."""


class Bulkhead:
    """Limit how many callers wait for another service at the same time.

    While answers come promptly, a caller that finds no place waits for one. When none has come for a
    moment, the service is stuck: from then on callers are turned away at once, until an answer comes
    promptly again. The places themselves are never closed, so the callers who hold them are the ones to
    notice.

    Args:
        places: how many may wait at once.
        patience: how long an answer may take to count as prompt, and for how long there may be none while
            somebody waits for a place, in seconds.
        limit: how long to wait for a place at most, in seconds.
    """

    def __init__(self, places: int, patience: float, limit: float) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._patience = patience
        self._limit = limit
        self._prompt_answers = 0
        self._stuck = False

    def enter(self) -> float:
        """Take a place; `leave` gives it back.

        Returns:
            How many seconds it took to get one.

        Raises:
            Full: there is none.
        """
        if self._places.acquire(blocking=False):
            return 0.0
        if self._stuck:
            raise Full
        started = time.monotonic()
        while (waited := time.monotonic() - started) < self._limit:
            answers = self._prompt_answers
            if self._places.acquire(timeout=min(self._patience, self._limit - waited)):
                return time.monotonic() - started
            if self._prompt_answers == answers:
                self._stuck = True
                break
        raise Full

    def leave(self, seconds: float) -> None:
        """Give the place back after so many seconds; a prompt answer, be it an error, is a good sign."""
        if seconds < self._patience:
            self._prompt_answers += 1
            self._stuck = False
        self._places.release()
