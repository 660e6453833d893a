"""Whom a container knows: the lines of its /etc/hosts and of its address table."""

from collections.abc import Collection, Iterator

from . import pools
from .attachment import OwnAttachment
from .files import LOCAL_NAMES, machine_hosts, machine_nameservers
from .network import Network

MACHINE = "127.0.0.1"
HOST_GATEWAY = "host-gateway"


def hosts_lines(
    own: OwnAttachment, others: Collection[OwnAttachment], host_gateway: str, translated: bool
) -> Iterator[str]:
    """A container's /etc/hosts.

    Args:
        own: the container's attachment.
        others: of all running containers, this one among them.
        host_gateway: the address that stands for the machine.
        translated: whether there is a preloaded library, and so addresses of containers.
    """
    yield from machine_hosts() if own.member.mode == "host" else LOCAL_NAMES
    for extra in own.member.extra_hosts:
        name, _, address = extra.partition(":")
        yield f"{host_gateway if address == HOST_GATEWAY else address}\t{name}"
    yield from _linked(own, others, translated)
    for endpoint in own.on_bridges:
        yield f"{endpoint.address if translated else MACHINE}\t{_own_names(own)}"
    for endpoint in own.on_bridges:
        renamed = _links(endpoint.asked.get("Links") or ())
        for other in others:
            there = other.endpoints.get(endpoint.network.name)
            if there and there.address:
                names = [*there.names, *(alias for name, alias in renamed if _is(other, name))]
                if names:
                    yield f"{there.address if translated else MACHINE}\t{' '.join(names)}"


def table_lines(
    own: OwnAttachment, others: Collection[OwnAttachment], networks: Collection[Network]
) -> Iterator[tuple[str, str]]:
    """A container's address table: what is seen, and what is real.

    Args:
        own: the container's attachment.
        others: of all running containers, this one among them.
        networks: all there are.
    """
    for endpoint in own.on_bridges:
        yield endpoint.address, own.address
    for other in others:
        for endpoint in own.on_bridges:
            there = other.endpoints.get(endpoint.network.name)
            if there and there.address and other is not own:
                yield there.address, other.address
    outward = [endpoint.network for endpoint in own.on_bridges if not endpoint.network.is_internal]
    if outward:
        default = [network for network in networks if network.name == "bridge"]
        for network in dict.fromkeys((*(network.id for network in outward), *(d.id for d in default))):
            yield pools.gateway(_by_id(networks, network).ipam), MACHINE
        for server in machine_nameservers():
            if server.startswith("127."):
                yield server, server
    for network_ in networks:
        for subnet in pools.subnets(network_.ipam):
            yield str(subnet), "-"
    if not outward:
        yield "0.0.0.0/0", "-"


def _by_id(networks: Collection[Network], id: str) -> Network:
    return next(network for network in networks if network.id == id)


def _own_names(own: OwnAttachment) -> str:
    hostname, domain = own.member.hostname, own.member.domainname
    return f"{hostname}.{domain} {hostname}" if domain else hostname


def _linked(own: OwnAttachment, others: Collection[OwnAttachment], translated: bool) -> Iterator[str]:
    """Links of old, on the default bridge."""
    for name, alias in _links(own.member.links):
        for other in others:
            there = other.endpoints.get("bridge")
            if there and "bridge" in own.endpoints and _is(other, name):
                names = dict.fromkeys((alias, other.member.hostname, other.member.name))
                yield f"{there.address if translated else MACHINE}\t{' '.join(names)}"


def _links(links: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of a container's name or id, and what it is called."""
    parted = (link.split("/")[-1] if link.startswith("/") else link for link in links)
    return [(name, alias or name) for name, _, alias in (link.partition(":") for link in parted)]


def _is(attachment: OwnAttachment, name: str) -> bool:
    member = attachment.member
    return member.name == name.lstrip("/") or (len(name) >= 12 and member.id.startswith(name))
