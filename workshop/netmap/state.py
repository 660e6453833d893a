"""What an engine says of its networks and containers at one moment."""

from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

from workshop.cleanup import LABEL

DEFAULT_NETWORKS = ("bridge", "podman")  # Where containers go that name no network: Docker's and Podman's.


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
