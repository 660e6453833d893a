"""Many visitors of a page, at a steady rate, whatever happens meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import aiohttp

Event = tuple[float, Callable[[], object]]


class Visit(NamedTuple):
    """What one visitor got.

    Attributes:
        at: when they came, in seconds after the beginning.
        seconds: how long the answer took.
        status: its HTTP status; 0 without an answer.
        books: whether there were books on the page.
    """

    at: float
    seconds: float
    status: int
    books: bool


class Visits(list[Visit]):
    """All that they got, in the order in which they came."""

    @property
    def failed(self) -> int:
        return sum(visit.status != 200 for visit in self)

    def late(self, limit: float) -> int:
        return sum(visit.seconds > limit for visit in self)

    def without_books(self, since: float = 0, until: float = float("inf")) -> int:
        return sum(not visit.books for visit in self if since <= visit.at < until)


def visit(url: str, rate: int, seconds: float, *events: Event) -> tuple[Visits, list[float]]:
    """Ask for `url` `rate` times a second, each time on time, and let the events happen at theirs.

    Returns:
        The visits, and the moment at which each event was over.
    """
    return asyncio.run(_visit(url, rate, seconds, events))


async def _visit(
    url: str, rate: int, seconds: float, events: tuple[Event, ...]
) -> tuple[Visits, list[float]]:
    started = time.monotonic()

    async def until(moment: float) -> None:
        await asyncio.sleep(max(0, started + moment - time.monotonic()))

    async def ask(session: aiohttp.ClientSession, at: float) -> Visit:
        await until(at)
        asked = time.monotonic()
        try:
            async with session.get(url) as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            status, text = 0, ""
        return Visit(at, time.monotonic() - asked, status, "data-book-id" in text)

    async def happen() -> list[float]:
        over = []
        for moment, event in events:
            await until(moment)
            await asyncio.to_thread(event)
            over.append(time.monotonic() - started)
        return over

    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, timeout=aiohttp.ClientTimeout(20)) as session:
        asking = (ask(session, number / rate) for number in range(int(rate * seconds)))
        over, *visits = await asyncio.gather(happen(), *asking)
    return Visits(visits), over
