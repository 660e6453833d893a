"""A running container on one network."""

import ipaddress
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from . import pools
from .network import Network

# What `inspect` shows of an endpoint that is nowhere.
AT_REST: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "MacAddress": "",
    "DriverOpts": None,
    "DNSNames": None,
}
ASKED = ("IPAMConfig", "Links", "Aliases", "MacAddress", "DriverOpts")


def asked(wanted: dict[str, Any] | None) -> dict[str, Any]:
    """Of an `EndpointSettings` what a client may ask for; the rest is the engine's to say."""
    return {name: value for name, value in (wanted or {}).items() if name in ASKED and value}


def at_rest(wanted: dict[str, Any]) -> dict[str, Any]:
    """The `EndpointSettings` of a container that does not run."""
    return {**AT_REST, **asked(wanted)}


@dataclass(frozen=True)
class Endpoint:
    """A running container's place on a network.

    Attributes:
        network: which.
        id: 64 hexadecimal digits.
        asked: what the client asked for, as an `EndpointSettings`.
        address: its IPv4 address there; "" on networks without (host, none).
        address6: its IPv6 address, which is shown but leads nowhere; "" without.
        names: what others on the network may call it.
    """

    network: Network
    id: str
    asked: dict[str, Any]
    address: str
    address6: str
    names: tuple[str, ...]

    @classmethod
    def allocate(
        cls, network: Network, wanted: dict[str, Any], used: Collection[str], names: Collection[str]
    ) -> "Endpoint":
        """Take an address on the network. Raises what `pools.allocate` does.

        Args:
            network: where.
            wanted: an `EndpointSettings`.
            used: addresses that others have there.
            names: the container's name and short id.
        """
        addresses = {}
        fixed = wanted.get("IPAMConfig") or {}
        whose = f"{network.name} ({network.id})"
        for version in (4, 6):
            if version == 4 or network.record["EnableIPv6"]:
                address = pools.allocate(
                    network.ipam, used, fixed.get(f"IPv{version}Address") or "", whose, version
                )
                addresses[version] = str(address or "")
        known = (*names, *(wanted.get("Aliases") or ())) if network.resolves_names else ()
        return cls(
            network,
            secrets.token_hex(32),
            asked(wanted),
            addresses[4],
            addresses.get(6, ""),
            tuple(dict.fromkeys(known)),
        )

    @property
    def mac(self) -> str:
        """The hardware address that a Docker Engine would give it."""
        if not self.address or self.asked.get("MacAddress"):
            return self.asked.get("MacAddress", "")
        return ":".join(f"{byte:02x}" for byte in (2, 0x42, *ipaddress.ip_address(self.address).packed))

    def view(self, short_id: str) -> dict[str, Any]:
        """`EndpointSettings`, as inspect shows them."""
        aliases = list(self.asked.get("Aliases") or ())
        if self.network.resolves_names:
            aliases = list(dict.fromkeys((*aliases, short_id)))
        ipam = self.network.ipam
        return {
            **AT_REST,
            **self.asked,
            "Aliases": aliases or None,
            "NetworkID": self.network.id,
            "EndpointID": self.id,
            "Gateway": pools.gateway(ipam) if self.address and not self.network.is_internal else "",
            "IPAddress": self.address,
            "IPPrefixLen": self._prefix(self.address, 4),
            "IPv6Gateway": pools.gateway(ipam, 6) if self.address6 else "",
            "GlobalIPv6Address": self.address6,
            "GlobalIPv6PrefixLen": self._prefix(self.address6, 6),
            "MacAddress": self.mac,
            "DNSNames": list(self.names) or None,
        }

    def member_view(self, name: str) -> dict[str, str]:
        """What the network's inspect says of the container.

        Args:
            name: of the container.
        """
        return {
            "Name": name,
            "EndpointID": self.id,
            "MacAddress": self.mac,
            "IPv4Address": f"{self.address}/{self._prefix(self.address, 4)}" if self.address else "",
            "IPv6Address": f"{self.address6}/{self._prefix(self.address6, 6)}" if self.address6 else "",
        }

    def _prefix(self, address: str, version: int) -> int:
        for subnet in pools.subnets(self.network.ipam, version):
            if address and ipaddress.ip_address(address) in subnet:
                return subnet.prefixlen
        return 0
