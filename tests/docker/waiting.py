"""Wait for what a test is about to look at, with a limit."""

import time
import urllib.request
from collections.abc import Callable

from docker.models.containers import Container

SECONDS = 60


def until(happens: Callable[[], object], what: str) -> None:
    """Return once `happens()` is true; fail when it is not within a minute."""
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s"
        time.sleep(0.1)


def healthy(container: Container) -> bool:
    container.reload()
    assert container.status == "running", container.logs().decode()
    return container.attrs["State"]["Health"]["Status"] == "healthy"


def published_port(container: Container, port: str) -> int:
    container.reload()
    return int(container.ports[port][0]["HostPort"])


def page(port: int, path: str = "/") -> str:
    """A page's text; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.read().decode()
    except OSError:
        return ""
