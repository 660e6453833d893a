"""Health checks whose watchers do not hold up a stop."""

import asyncio
from typing import Any

from grpc_health.v1 import health

# For the last message to those who watch, and for the calls that they made before they had it: a server
# that stops drops those that it has not yet looked at.
FAREWELL_SECONDS = 0.05


class ReleasingHealth(health.aio.HealthServicer):
    """The standard health checks; a graceful shutdown also ends the calls of those who watch.

    Such a call has no end of its own, so the server would wait for it until its grace is over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watching: set[asyncio.Task[Any]] = set()
        self._released = False

    async def Watch(self, request: Any, context: Any) -> None:
        """Tell the caller about every change, until one of us leaves."""
        task = asyncio.current_task()
        assert task
        self._watching.add(task)
        try:
            await super().Watch(request, context)
        except asyncio.CancelledError:
            if not self._released:
                raise
        finally:
            self._watching.discard(task)

    async def enter_graceful_shutdown(self) -> None:
        """Say NOT_SERVING from now on, and release those who watch."""
        await super().enter_graceful_shutdown()
        if self._watching:
            await asyncio.sleep(FAREWELL_SECONDS)
        self._released = True
        for task in self._watching:
            task.cancel()
