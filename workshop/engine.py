"""Find a Docker Engine, whichever way this machine offers one.

EngineNotFound          nobody answered; the message lists every place and what to do
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from workshop.errors import PlainError

REQUEST_SECONDS = 600  # A silent `RUN pip install` on slow Wi-Fi may take minutes between two lines.
PROBE_SECONDS = 10
NOWHERE = "no address"
NO_SOCKET = "there is no such socket"
POCKET = "Pocket engine"
OTHERS = ("Podman", POCKET)


class EngineNotFound(PlainError):
    """No engine answered. The message names every place that was tried and the remedy.

    Attributes:
        tried: every place, with the reason why it is none.
        remedy: what to do, one sentence.
    """

    def __init__(self, tried: list[str], remedy: str) -> None:
        lines = "\n".join(f"  - {place}" for place in tried)
        super().__init__(f"No Docker Engine answered. {remedy}\nTried:\n{lines}")
        self.tried, self.remedy = tried, remedy


@dataclass(frozen=True)
class Place:
    """One place where an engine may listen.

    Attributes:
        name: what people call it.
        address: its URL, e.g. `unix:///var/run/docker.sock`.
        tls: the certificates for it, or False.
        is_embedded: whether the engine is the workshop's own, which starts when it is needed.
    """

    name: str
    address: str
    tls: TLSConfig | bool = False
    is_embedded: bool = False

    @property
    def socket(self) -> Path | None:
        """The file that must exist; None where the address is no socket."""
        is_socket = self.address.startswith("unix://")
        return Path(self.address.removeprefix("unix://")) if is_socket else None

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


def connect(say: Callable[[str], None] = print, embedded: bool = True) -> DockerClient:
    """Connect to the first engine that answers, and say in one line which one and why.

    The places are, in this order: `DOCKER_HOST`, the current Docker context, the default socket,
    a rootless Docker, Podman, and on Linux the embedded engine, which is started where it does not run.
    A `DOCKER_HOST` or a context that somebody chose is binding, as it is for the docker command:
    containers must not appear on an engine that nobody asked for.

    Args:
        say: where the line goes.
        embedded: whether the embedded engine is wanted, which starts it.

    Returns:
        A plain client of the Docker SDK for Python.

    Raises:
        EngineNotFound: nobody answers.
    """
    failures: list[tuple[Place, str]] = []
    for place in _places_or_fail():
        if place.is_embedded and not embedded:
            continue
        client, failure = _try(place)
        if client:
            say(f"Engine: {describe(client)}, {_how(place, failures)}.")
            return client
        failures.append((place, failure))
    reasons = [reason for _, reason in failures]
    raise EngineNotFound([f"{place}: {reason}" for place, reason in failures], _remedy(reasons))


def _places_or_fail() -> list[Place]:
    try:
        return list(places())
    except DockerException as error:
        remedy = "Mend DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or `unset` them."
        raise EngineNotFound([f"DOCKER_HOST: {error}"], remedy) from error


def describe(client: DockerClient) -> str:
    """Name an engine, e.g. `Docker Engine 28.2 (API 1.50, linux/amd64)`; of our own, also its runner."""
    version = client.version()
    parts = [version.get("Platform") or {}, *(version.get("Components") or [])]
    names = [part.get("Name", "") for part in parts]
    name = next((known for known in OTHERS if any(known in n for n in names)), "Docker Engine")
    said = {key: version.get(key, "?") for key in ("Version", "ApiVersion", "Os", "Arch")}
    line = f"{name} {said['Version']} (API {said['ApiVersion']}, {said['Os']}/{said['Arch']})"
    return f"{line}, runner {_runner(client)}" if name == POCKET else line


def _runner(client: DockerClient) -> str:
    """How the embedded engine runs containers; the lessons say what differs."""
    return dict(client.info().get("DriverStatus") or []).get("Runner", "?")


def _how(place: Place, failures: list[tuple[Place, str]]) -> str:
    if not place.is_embedded:
        return f"found through {place}"
    # An engine that is there and does not answer may be the one that was meant.
    met = [f"{other}: {reason}" for other, reason in failures if reason != NO_SOCKET]
    return f"the workshop's own: {'; '.join(met) or 'no other is there'}"


def places() -> Iterator[Place]:
    """Yield where an engine may be, most explicit choice first."""
    if os.environ.get("DOCKER_HOST"):
        chosen = kwargs_from_env()
        yield Place("DOCKER_HOST", chosen["base_url"], chosen.get("tls", False))
        return
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if name != "default":
        context = ContextAPI.get_context(name)
        address, tls = (context.Host, context.TLSConfig) if context else (None, None)
        yield Place(f"the Docker context “{name}”", address or NOWHERE, tls or False)
        return
    yield from _well_known()
    yield from _embedded()


def _well_known() -> Iterator[Place]:
    if sys.platform == "win32":
        yield Place("Docker Desktop", "npipe:////./pipe/docker_engine")
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    yield Place("the default socket", "unix:///var/run/docker.sock")
    yield Place("Docker Desktop", f"unix://{Path.home()}/.docker/run/docker.sock")
    yield Place("rootless Docker", f"unix://{runtime}/docker.sock")
    yield Place("rootless Podman", f"unix://{runtime}/podman/podman.sock")
    yield Place("Podman", "unix:///run/podman/podman.sock")


def _embedded() -> Iterator[Place]:
    if sys.platform == "linux":
        from pocket_engine import locations

        yield Place("the embedded engine", f"unix://{locations.socket()}", is_embedded=True)


def _try(place: Place) -> tuple[DockerClient | None, str]:
    """Connect to one place: a client, or the reason in words why there is none."""
    try:
        if place.address == NOWHERE:
            return None, "there is no such context; `docker context ls` lists those that there are"
        if place.is_embedded:
            from workshop import pocket  # Linux only.

            pocket.start()
        if place.socket and not place.socket.exists():
            return None, NO_SOCKET
        client = DockerClient(place.address, tls=place.tls, timeout=PROBE_SECONDS)
        client.ping()
    except PlainError as error:
        return None, str(error)
    except (DockerException, OSError) as error:
        return None, _reason(error)
    client.api.timeout = REQUEST_SECONDS
    return client, ""


def _reason(error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text:
        return "permission denied"
    if "Connection refused" in text:
        return "connection refused: no engine listens there"
    return text.splitlines()[0] if text else type(error).__name__


def _remedy(reasons: list[str]) -> str:
    if "permission denied" in reasons:
        return "Let your user in: `sudo usermod -aG docker $USER`, then log out and in again."
    if len(reasons) == 1 and sys.platform != "win32":  # There, a single place need not be a choice.
        return (
            "Start that engine, or choose another: stop the lab, `unset DOCKER_HOST` or "
            "`docker context use default`, and start the lab again from there."
        )
    if any("refused" in reason for reason in reasons) or sys.platform == "win32":
        return "Start it: open Docker Desktop, or run `sudo systemctl start docker`."
    return "Install one (Docker Desktop, or `sudo apt-get install docker.io`) and start it."
