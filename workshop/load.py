"""Visitors who come at a steady rate, whether they are served or not, and what each of them got.

The rate is an *open loop*: a page that is late keeps nobody from asking for the next one, and the time
it takes counts from the moment when the visitor came, not from when somebody had time for them.
"""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

BOOK = 'data-book-id="'  # Every book on the Marketplace's page has it.
VISITORS = 32  # How many may wait for a page at the same time; the others queue.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Visit:
    """What one visitor got.

    Attributes:
        at: when they came, in seconds after the load began.
        seconds: how long it took until they had the page, or gave up.
        status: the HTTP status; 0 where no answer came.
        books: how many books were on the page.
        error: why no answer came.
    """

    at: float
    seconds: float
    status: int
    books: int
    error: str = ""

    @property
    def failed(self) -> bool:
        """No answer, or an error's status: the visitor has no page."""
        return not 200 <= self.status < 400

    @property
    def empty(self) -> bool:
        """A page, but no books on it."""
        return not self.failed and not self.books


@dataclass(frozen=True)
class Note:
    """Something that happened meanwhile: from `at` seconds on, `who` was in a `state`."""

    at: float
    who: str
    state: str


class Load:
    """Visitors of one address. They come until `stop()`, or the end of a `with` block.

    Args:
        url: the page.
        per_second: how many come each second.

    Attributes:
        visits: what those got who are done, in the order in which they were done.
        notes: what was noted meanwhile.
    """

    def __init__(self, url: str, per_second: float) -> None:
        self.per_second = per_second
        self.visits: list[Visit] = []
        self.notes: list[Note] = []
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._ended = threading.Event()
        self._began = time.perf_counter()
        # Daemons: a cell that is interrupted before `stop()` must not keep the kernel from ending.
        self._source = threading.Thread(target=self._send, name="visitors", daemon=True)

    @property
    def running(self) -> bool:
        """Whether visitors still come, or wait for their page."""
        return self._source.is_alive()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.perf_counter() - self._began

    @property
    def failed(self) -> int:
        """How many visitors got no page."""
        return sum(visit.failed for visit in self.visits.copy())

    @property
    def empty(self) -> int:
        """How many got a page without books."""
        return sum(visit.empty for visit in self.visits.copy())

    def note(self, who: str, state: str) -> None:
        """Note that `who` is in a `state` from now on."""
        self.notes.append(Note(self.seconds, who, state))

    def wait(self, seconds: float) -> None:
        """Let the visitors come for a while."""
        self._ended.wait(seconds)

    def start(self) -> "Load":
        """Begin."""
        self._began = time.perf_counter()
        self._source.start()
        return self

    def stop(self) -> None:
        """Let nobody else come, and wait for those who are here."""
        self._ended.set()
        self._source.join()

    def __enter__(self) -> "Load":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"{len(self.visits)} pages asked for, {self.failed} failed, {self.empty} without books"

    def _send(self) -> None:
        with ThreadPoolExecutor(VISITORS, "visitor") as pool:
            number = 0
            while not self._ended.is_set():
                due = number / self.per_second
                if not self._ended.wait(max(due - self.seconds, 0)):
                    pool.submit(self._visit, due)
                number += 1

    def _visit(self, due: float) -> None:
        status, books, error = 0, 0, ""
        # A connection of their own, as new visitors have.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", self._path)
            answer = connection.getresponse()
            books = answer.read().decode(errors="replace").count(BOOK)
            status = answer.status
        except (OSError, http.client.HTTPException) as reason:
            error = f"{type(reason).__name__}: {reason}"
        finally:
            connection.close()
        self.visits.append(Visit(due, self.seconds - due, status, books, error))
