"""What happens in the engine, told to everybody who listens (`docker events`)."""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from pocket_engine.filters import Filters

KEPT = 256  # As many as a Docker Engine keeps for those who ask for the past.
SILENCE_SECONDS = 0.5
NANO = 1_000_000_000

_LEGACY = ("container", "image")  # Their events also carry the fields of old: status, id, from.


class Events:
    """The latest events, and those who listen for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._past: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._listeners: set[queue.SimpleQueue[dict[str, Any]]] = set()

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def publish(self, kind: str, action: str, actor: str, attributes: Mapping[str, str]) -> None:
        """Tell everybody.

        Args:
            kind: "container", "image", "network", "volume" or "daemon".
            action: what happened, e.g. "create" or "health_status: healthy".
            actor: the id (for a volume: the name) of what it happened to.
            attributes: "name", "image", "exitCode", all labels of a container, …
        """
        now = time.time_ns()
        event: dict[str, Any] = {}
        if kind in _LEGACY:
            event |= {"status": action, "id": actor}
            if "image" in attributes:
                event["from"] = attributes["image"]
        event |= {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": actor, "Attributes": dict(attributes)},
            "scope": "local",
            "time": now // NANO,
            "timeNano": now,
        }
        with self._lock:
            self._past.append(event)
            for listener in self._listeners:
                listener.put(event)

    def listen(
        self, since: int | None = None, until: int | None = None, filters: Filters | None = None
    ) -> Iterator[dict[str, Any] | None]:
        """Yield events as they happen, and None now and then while nothing does.

        Args:
            since: begin with the past, from this time on; nanoseconds since the epoch.
            until: end at this time, which may be in the future; None: go on until closed.
            filters: see `wanted`.
        """
        listener: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        chosen = filters or Filters()
        with self._lock:
            past = [event for event in self._past if since is not None and event["timeNano"] >= since]
            self._listeners.add(listener)
        try:
            for event in past:
                if (until is None or event["timeNano"] <= until) and wanted(event, chosen):
                    yield event
            while (left := _seconds_until(until)) > 0:
                try:
                    event = listener.get(timeout=min(left, SILENCE_SECONDS))
                except queue.Empty:
                    yield None
                    continue
                if wanted(event, chosen):
                    yield event
        finally:
            with self._lock:
                self._listeners.discard(listener)


def wanted(event: Mapping[str, Any], filters: Filters) -> bool:
    """Whether an event is one that these filters let through.

    They are: container, image, network, volume, daemon (ids or names), type, event, label and scope.
    """
    kind, action = event["Type"], event["Action"]
    actor, attributes = event["Actor"]["ID"], event["Actor"]["Attributes"]
    return (
        filters.equal("type", kind)
        and filters.equal("scope", event["scope"])
        # "exec_start: sh" is asked for as "exec_start", or in full.
        and filters.equal("event", action, action.partition(":")[0])
        and filters.labels({**attributes})
        and all(
            _concerns(filters, about, kind, actor, attributes)
            for about in ("container", "network", "volume", "daemon")
        )
        and _concerns_image(filters, kind, actor, attributes)
    )


def _concerns(filters: Filters, about: str, kind: str, actor: str, attributes: Mapping[str, str]) -> bool:
    if about not in filters:
        return True
    if kind != about:
        return False
    name = attributes.get("name", "")
    return filters.equal(about, actor, name) or filters.prefix(about, actor)


def _concerns_image(filters: Filters, kind: str, actor: str, attributes: Mapping[str, str]) -> bool:
    if "image" not in filters:
        return True
    name = attributes.get("image" if kind == "container" else "name", "")
    repository = name.rpartition(":")[0] or name
    return kind in _LEGACY and filters.equal("image", actor, name, repository)


def _seconds_until(nanoseconds: int | None) -> float:
    return SILENCE_SECONDS if nanoseconds is None else (nanoseconds - time.time_ns()) / NANO
