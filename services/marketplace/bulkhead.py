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

    While answers come, a caller that finds no place waits for one. When none has come for a moment,
    the service is stuck: from then on callers are turned away at once, until an answer comes again.
    The places themselves are never closed, so the callers who hold them are the ones to notice.

    Args:
        places: how many may wait at once.
        patience: for how long nobody may be answered while somebody waits for a place, in seconds;
            then the service counts as stuck.
        limit: how long to wait for a place at most, in seconds.
    """

    def __init__(self, places: int, patience: float, limit: float) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._patience = patience
        self._limit = limit
        self._answers = 0
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
            answers = self._answers
            if self._places.acquire(timeout=min(self._patience, self._limit - waited)):
                return time.monotonic() - started
            if self._answers == answers:
                self._stuck = True
                break
        raise Full

    def leave(self, answered: bool) -> None:
        """Give the place back; an answer in time, be it an error, shows that the service is not stuck."""
        if answered:
            self._answers += 1
            self._stuck = False
        self._places.release()
