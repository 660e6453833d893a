"""The map that follows the engine's events."""

import threading
from contextlib import suppress
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, StreamParseError
from urllib3.exceptions import HTTPError

from workshop import svg
from workshop.netmap.drawing import draw
from workshop.netmap.state import look

# Docker's names and Podman's; `exec` and health checks, which come all the time, change nothing here.
CHANGES = {"create", "start", "pause", "unpause", "rename", "connect", "disconnect"}
CHANGES |= {"die", "died", "stop", "destroy", "remove"}

# What reading a stream raises once either side has closed it; AttributeError is http.client's.
_CONNECTION_ENDED = (
    DockerException,
    StreamParseError,
    requests.RequestException,
    HTTPError,
    OSError,
    AttributeError,
)


def picture(client: DockerClient, everything: bool = False) -> svg.Picture:
    """Draw the networks and containers that are on the engine now.

    Args:
        client: the engine.
        everything: draw what the workshop did not make, too.
    """
    return draw(look(client, everything))


def live(client: DockerClient) -> "LiveMap":
    """Show a map that is redrawn whenever a container or a network changes; it replaces an earlier one."""
    global _shown
    if _shown:
        _shown.close()
    _shown = LiveMap(client)
    return _shown


class LiveMap(ipywidgets.HTML):
    """A map that follows the engine's events until it is closed or the engine goes away."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client
        self._events: Any = None
        self._closed = False
        super().__init__(value=picture(client).to_html())
        # A daemon, so that the kernel never waits for it.
        self._thread = threading.Thread(target=self._follow, name="live map", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and its connection; the last map stays, and says that it is the last."""
        if not self._closed:
            self._closed = True
            self._hang_up()
            self.value += "<p>The map has ended; run its cell again for a new one.</p>"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        # Where there is no kernel, as in exported HTML, the map stays as it was at first.
        return {**super()._repr_mimebundle_(**options), **picture(self._client)._repr_mimebundle_()}

    def _follow(self) -> None:
        try:
            self._events = self._client.events(decode=True)
            self._redraw()  # For what changed before the engine began to report.
            if self._closed:  # close() came while there was nothing to hang up yet.
                self._hang_up()
            for event in self._events:
                if event.get("Type") in ("container", "network") and event.get("Action") in CHANGES:
                    self._redraw()
        except _CONNECTION_ENDED:
            pass
        if not self._closed:
            self.value += "<p>The engine stopped reporting; this is the last that it said.</p>"

    def _redraw(self) -> None:
        try:
            drawn = picture(self._client).to_html()
        except APIError:  # Something vanished while we looked; its own event comes next.
            return
        if not self._closed:
            self.value = drawn

    def _hang_up(self) -> None:
        with suppress(*_CONNECTION_ENDED):
            if self._events:
                self._events.close()


_shown: LiveMap | None = None
