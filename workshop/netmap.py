"""The map of an engine: its networks, the containers on them, and the ports that this machine publishes."""

import textwrap
import threading
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, StreamParseError
from docker.models.containers import Container
from urllib3.exceptions import HTTPError

from workshop import svg
from workshop.cleanup import LABEL

BOX_WIDTH, COLUMN, MARGIN, NAME_COLUMN, BAND_GAP = 232, 256, 12, 190, 18
LINE, LETTERS = 17, 34  # The height of a line in a box, and how many letters one holds.

DEFAULT_NETWORKS = ("bridge", "podman")  # Where containers go that name no network: Docker's and Podman's.
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


@dataclass(frozen=True)
class Endpoint:
    """A container's place on one network.

    Attributes:
        network: the network's name.
        address: its address there; empty while it is not running.
        names: the names that the network resolves to this address now.
    """

    network: str
    address: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """One container: its name, its state in a word and as a colour, its endpoints and published ports."""

    name: str
    state: str
    colour: str
    endpoints: tuple[Endpoint, ...]
    ports: tuple[str, ...]

    def on(self, network: str) -> Endpoint | None:
        """Its endpoint on this network, if it has one."""
        return next((endpoint for endpoint in self.endpoints if endpoint.network == network), None)


@dataclass(frozen=True)
class Network:
    """One network and what is special about it."""

    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What an engine says at one moment."""

    networks: tuple[Network, ...]
    boxes: tuple[Box, ...]


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
        """End the thread and its connection, and remove the widget."""
        if not self._closed:
            self._closed = True
            self._hang_up()
            super().close()

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


def look(client: DockerClient, everything: bool = False) -> State:
    """Ask the engine for its networks and containers; the arguments are those of `picture`."""
    ours: Any = None if everything else {"label": LABEL}
    containers = client.containers.list(all=True, filters=ours, ignore_removed=True)
    boxes = tuple(sorted((_box(container) for container in containers), key=lambda box: box.name))
    used = dict.fromkeys(endpoint.network for box in boxes for endpoint in box.endpoints)
    known = {network.attrs["Name"]: network.attrs for network in client.networks.list()}
    labelled = [name for name, facts in known.items() if everything or LABEL in (facts.get("Labels") or {})]
    names = sorted({*used, *labelled}, key=lambda name: (name in DEFAULT_NETWORKS, name))
    return State(tuple(Network(name, _notes(name, known.get(name, {}))) for name in names), boxes)


def _box(container: Container) -> Box:
    state, settings = container.attrs["State"], container.attrs["NetworkSettings"]
    word, code = state["Status"], state.get("ExitCode", 0)
    colours = {"running": "good", "exited": "bad" if code else "plain", "dead": "bad"}
    mode = container.attrs["HostConfig"].get("NetworkMode", "none")
    # Rootless Podman names no network where a container shares none with others.
    places = settings.get("Networks") or {mode: {}}
    return Box(
        name=container.name or "",
        state=f"{word} ({code})" if word == "exited" else word,
        colour=colours.get(word, "cool"),
        endpoints=tuple(_endpoint(container, name, facts or {}) for name, facts in places.items()),
        ports=tuple(_published(settings.get("Ports") or {})),
    )


def _endpoint(container: Container, network: str, facts: dict[str, Any]) -> Endpoint:
    names: list[str] = []
    address = facts.get("IPAddress") or ""
    if address and network not in DEFAULT_NETWORKS:
        short = container.attrs["Id"][:12]  # Every container answers to this too; nobody calls it so.
        aliases = [alias for alias in facts.get("Aliases") or [] if alias != short]
        names = [container.name or "", *aliases]
    return Endpoint(network, address, tuple(dict.fromkeys(names)))


def _published(ports: dict[str, list[dict[str, str]] | None]) -> list[str]:
    """The published ports, e.g. `127.0.0.1:32768 → 5000`."""
    lines = []
    for inside, outsides in ports.items():
        for outside in outsides or []:
            address = outside["HostIp"] or "0.0.0.0"
            if address != "::":  # The same port once more, for IPv6.
                lines.append(f"{address}:{outside['HostPort']} → {inside.removesuffix('/tcp')}")
    return lines


def _notes(name: str, facts: dict[str, Any]) -> tuple[str, ...]:
    """What is special about a network, in a few words each."""
    subnets = [part["Subnet"] for part in (facts.get("IPAM") or {}).get("Config") or [] if "Subnet" in part]
    notes = [subnet for subnet in subnets if ":" not in subnet]
    if name in DEFAULT_NETWORKS:
        notes += ["the default: no names here"]
    if facts.get("Internal"):
        notes += ["internal: no way out"]
    special = {"none": "no network at all", "host": "this machine's own"}
    return tuple(notes) + ((special[name],) if name in special else ())


def draw(state: State) -> svg.Picture:
    """Draw a state: this machine on top, a dashed box for each network, a column for each container."""
    if not state.networks:
        text = "Nothing of the workshop is on this engine yet: no network, no container."
        return svg.Picture(svg.box(2, 2, 536, 48, dashed=True) + svg.words(270, 31, text), 540, 52, text)
    width = NAME_COLUMN + max(len(state.boxes), 1) * COLUMN + MARGIN
    # The arrows to published ports start below this machine and leave room for their labels.
    top: float = 52 + max([LINE * len(box.ports) + 16 for box in state.boxes if box.ports], default=8)
    pieces = [svg.box(2, 2, width - 4, 44, "cool"), svg.words(width / 2, 29, "this machine", 15, bold=True)]
    bottoms: dict[str, float] = {}  # Where each container's last box ended.
    for network in state.networks:
        height = _height(state, network)
        pieces.append(svg.box(2, top, width - 4, height, "plain", dashed=True))
        pieces += _name(network, top)
        for number, box in enumerate(state.boxes):
            if endpoint := box.on(network.name):
                x = NAME_COLUMN + number * COLUMN
                pieces += _link(box, x + BOX_WIDTH / 2, top + MARGIN, bottoms.get(box.name))
                pieces += _container(box, endpoint, x, top + MARGIN, height - 2 * MARGIN)
                bottoms[box.name] = top + height - MARGIN
        top += height + BAND_GAP
    return svg.Picture("".join(pieces), width, top - BAND_GAP + 2, describe(state))


def describe(state: State) -> str:
    """The map in words, one line for each network and each container on it."""
    lines = []
    for network in state.networks:
        lines.append(f"network {network.name}" + "".join(f" · {note}" for note in network.notes))
        members = [(box, endpoint) for box in state.boxes if (endpoint := box.on(network.name))]
        for box, endpoint in members:
            lines.append("  " + " · ".join([box.name, *_lines(box, endpoint), *_arrows(box)]))
        if not members:
            lines.append("  nobody is connected")
    return "\n".join(lines)


def _arrows(box: Box) -> list[str]:
    return [f"published on {port}" for port in box.ports]


def _lines(box: Box, endpoint: Endpoint) -> list[str]:
    """What stands in a container's box below its name."""
    lines = [box.state, endpoint.address or "no address"]
    if endpoint.names:
        lines.append("found as " + ", ".join(endpoint.names))
    return lines


def _height(state: State, network: Network) -> float:
    """The height of a network's band: that of the tallest box on it, or of its own notes."""
    endpoints = [(box, box.on(network.name)) for box in state.boxes]
    boxes = [len(_wrapped(box, endpoint)) + 1 for box, endpoint in endpoints if endpoint]
    return LINE * max([*boxes, len(network.notes) + 2]) + 16 + 2 * MARGIN


def _wrapped(box: Box, endpoint: Endpoint) -> list[str]:
    return [part for line in _lines(box, endpoint) for part in textwrap.wrap(line, LETTERS)]


def _name(network: Network, top: float) -> list[str]:
    """A network's name and notes, in the column at the left."""
    y = top + MARGIN + 20
    pieces = [svg.words(14, y, "network", 12, anchor="start", faint=True)]
    pieces.append(svg.words(14, y + LINE, network.name, 15, bold=True, anchor="start"))
    return pieces + [
        svg.words(14, y + LINE * (number + 2), note, 12, anchor="start", faint=True)
        for number, note in enumerate(network.notes)
    ]


def _link(box: Box, x: float, y: float, above: float | None) -> list[str]:
    """The arrows from this machine to a container, or the line to its box on the network above."""
    if above is not None:
        return [f'<path d="M{x:g} {above:g}V{y:g}" stroke="currentColor" stroke-dasharray="2 4"/>']
    if not box.ports:
        return []
    labels = [
        svg.words(x + 8, 46 + LINE * (number + 1), port, 12, anchor="start")
        for number, port in enumerate(box.ports)
    ]
    return [svg.arrow(x, 48, x, y - 2), *labels]


def _container(box: Box, endpoint: Endpoint, x: float, y: float, height: float) -> list[str]:
    """A container's box on one network."""
    middle = x + BOX_WIDTH / 2
    pieces = [
        f"<g><title>{escape(box.name)}</title>",
        svg.box(x, y, BOX_WIDTH, height, box.colour),
        svg.words(middle, y + 22, box.name, 15, bold=True),
    ]
    for number, line in enumerate(_wrapped(box, endpoint)):
        pieces.append(svg.words(middle, y + 22 + LINE * (number + 1), line, 12, faint=number > 0))
    return [*pieces, "</g>"]
