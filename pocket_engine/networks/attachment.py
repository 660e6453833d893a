"""A running container's place in its networks."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pocket_engine.runners import Mount

from .endpoint import Endpoint
from .files import Hosts, write_in_place
from .member import Member
from .publishing import Publishing
from .real_addresses import RealAddress

Ports = dict[str, list[dict[str, str]] | None]

INSIDE = "/run/pocket-engine"
LIBRARY = f"{INSIDE}/libpocket.so"
PRELOAD = "ld.so.preload"  # In /etc: how glibc learns of the library; see native/hiding.c.


class Attachment(Protocol):
    """A running container's place in its networks, from `Networks.attach` to the container's end."""

    @property
    def address(self) -> str:
        """Its real address, for `Sandbox.address`; empty when it shares the machine's network."""

    @property
    def host_network(self) -> bool:
        """For `Sandbox.host_network`."""

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """/etc/hosts, hostname and resolv.conf, and what is in /run/pocket-engine. To be mounted last."""

    @property
    def environment(self) -> tuple[str, ...]:
        """Variables for every program of the container, exec's too; `inspect` does not show them."""

    @property
    def ports(self) -> Ports:
        """`NetworkSettings.Ports`: exposed ports, and where on the machine they are published."""

    def settings(self) -> dict[str, Any]:
        """`NetworkSettings` of inspect."""

    def close(self) -> None:
        """The container ended: free its addresses and ports, take its names out of the others' files."""


class OwnAttachment:
    """Of a container that has a network to itself, or the machine's.

    Args:
        member: the container.
        real: its real address; None when it shares the machine's network.
        library: the preloaded library; None where it cannot be built.
        leave: called once when it is closed.

    Attributes:
        member: the container.
        endpoints: its networks by name, and its place on each.
        publishing: its published ports, once there are any.
        hosts: its /etc/hosts.
    """

    def __init__(
        self,
        member: Member,
        real: RealAddress | None,
        library: Path | None,
        leave: Callable[["OwnAttachment"], None],
    ) -> None:
        self.member = member
        self.endpoints: dict[str, Endpoint] = {}
        self.publishing: Publishing | None = None
        self.host_network = real is None
        self.environment = (f"LD_PRELOAD={LIBRARY}",) if library else ()
        self.mounts = _mounts(member.folder, None if real is None else member.folder / "network", library)
        self.hosts = Hosts(member.folder / "hosts")
        self._real, self._leave, self._closed = real, leave, False
        self._sandbox = secrets.token_hex(32)
        self._written: dict[str, bytes] = {}
        self.write("hostname", f"{member.hostname}\n".encode())
        if library:
            self.write(PRELOAD, f"{LIBRARY}\n".encode())

    @property
    def address(self) -> str:
        """See `Attachment`."""
        return self._real.text if self._real else ""

    @property
    def ports(self) -> Ports:
        """See `Attachment`."""
        published = self.publishing.bindings if self.publishing else {}
        exposed: Ports = dict.fromkeys((*self.member.exposed, *self.member.bindings))
        return {**exposed, **published} if self.on_bridges else {}

    @property
    def on_bridges(self) -> list[Endpoint]:
        """Its endpoints that have an address."""
        return [endpoint for endpoint in self.endpoints.values() if endpoint.address]

    def settings(self) -> dict[str, Any]:
        """See `Attachment`."""
        short_id = self.member.id[:12]
        return settings(
            {name: endpoint.view(short_id) for name, endpoint in self.endpoints.items()},
            self.ports,
            self._sandbox,
        )

    def write(
        self, name: str, content: bytes, writer: Callable[[Path, bytes], None] = write_in_place
    ) -> None:
        """Write one of its files, when that is news; whatever somebody wrote into it inside stays until then.

        Args:
            name: `network`, `resolv.conf` or `hostname`.
            content: all of it.
            writer: how it is written.
        """
        if content != self._written.get(name):
            writer(self.member.folder / name, content)
            self._written[name] = content

    def unpublish(self) -> None:
        """Give its ports of the machine back."""
        if self.publishing:
            self.publishing.close()
            self.publishing = None

    def close(self) -> None:
        """See `Attachment`."""
        if not self._closed:
            self._closed = True
            self.unpublish()
            if self._real:
                self._real.close()
            self._leave(self)


class SharedAttachment:
    """Of a container with the network of another (`container:…`). It has what that one has.

    Args:
        other: the attachment of the container that it joins.
    """

    def __init__(self, other: OwnAttachment) -> None:
        self.address, self.host_network = other.address, other.host_network
        self.mounts, self.environment = other.mounts, other.environment
        self.ports: Ports = {}

    def settings(self) -> dict[str, Any]:
        """`NetworkSettings` of inspect: none of its own."""
        return settings({}, {}, "")

    def close(self) -> None:
        """The container ended; the other one goes on."""


def settings(endpoints: dict[str, dict[str, Any]], ports: dict[str, Any], sandbox: str) -> dict[str, Any]:
    """`NetworkSettings`.

    Args:
        endpoints: `EndpointSettings` by the network's name.
        ports: which are exposed and published.
        sandbox: the id of the network sandbox; "" for a container that does not run.
    """
    bridge = endpoints.get("bridge", {})
    return {
        "Bridge": "",
        "SandboxID": sandbox,
        "SandboxKey": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": bridge.get("EndpointID", ""),
        "Gateway": bridge.get("Gateway", ""),
        "GlobalIPv6Address": bridge.get("GlobalIPv6Address", ""),
        "GlobalIPv6PrefixLen": bridge.get("GlobalIPv6PrefixLen", 0),
        "IPAddress": bridge.get("IPAddress", ""),
        "IPPrefixLen": bridge.get("IPPrefixLen", 0),
        "IPv6Gateway": bridge.get("IPv6Gateway", ""),
        "MacAddress": bridge.get("MacAddress", ""),
        "Networks": endpoints,
    }


def _mounts(folder: Path, table: Path | None, library: Path | None) -> tuple[Mount, ...]:
    mounts = [Mount(folder / name, f"/etc/{name}") for name in ("resolv.conf", "hostname", "hosts")]
    if library:
        mounts.append(Mount(library, LIBRARY, read_only=True))
        mounts.append(Mount(folder / PRELOAD, f"/etc/{PRELOAD}", read_only=True))
        if table:
            mounts.append(Mount(table, f"{INSIDE}/network", read_only=True))
    return tuple(mounts)
