"""IPAM: which subnet a network gets, and which address of it a container."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from pocket_engine.errors import BadRequest, EngineError, Forbidden, NotFound

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Docker's own defaults: 172.17.0.0/16 is the default bridge's, the others follow.
DEFAULT_POOLS = tuple(
    ipaddress.IPv4Network(pool)
    for pool in (
        *(f"172.{second}.0.0/16" for second in range(17, 32)),
        *(f"192.168.{third}.0/20" for third in range(0, 256, 16)),
    )
)


def plan(wanted: dict[str, Any] | None, taken: Collection[Subnet]) -> dict[str, Any]:
    """The `IPAM` of a new network: what was asked for, completed.

    Args:
        wanted: `IPAM` of the request.
        taken: the subnets of all other networks.

    Raises:
        Forbidden: a subnet overlaps with another network's.
        NotFound: there is no such IPAM driver, or no subnet is left.
        EngineError: a subnet or gateway makes no sense.
    """
    wanted = wanted or {}
    driver = wanted.get("Driver") or "default"
    if driver != "default":
        raise NotFound(f'plugin "{driver}" not found')
    taken = list(taken)
    configs = []
    for asked in wanted.get("Config") or []:
        config = {name: value for name, value in asked.items() if value}
        subnet = _subnet(config.get("Subnet", ""))
        _check_overlap(subnet, taken)
        taken.append(subnet)
        configs.append({**config, "Subnet": str(subnet), "Gateway": _gateway(subnet, config)})
    # Like a Docker Engine, which gives every network IPv4, whatever else was asked for.
    if not any(_subnet(config["Subnet"]).version == 4 for config in configs):
        configs.insert(0, _default(taken))
    return {"Driver": "default", "Options": wanted.get("Options"), "Config": configs}


def is_user_configured(wanted: dict[str, Any] | None) -> bool:
    """Whether a request names its subnet, so that its containers may name their addresses."""
    return any(config.get("Subnet") for config in (wanted or {}).get("Config") or [])


def subnets(ipam: dict[str, Any], version: int = 4) -> list[Subnet]:
    """The subnets of a network, of IPv4 or 6."""
    found = (ipaddress.ip_network(config["Subnet"]) for config in ipam["Config"])
    return [subnet for subnet in found if subnet.version == version]


def allocate(
    ipam: dict[str, Any], used: Collection[str], wanted: str, network: str, version: int = 4
) -> Address | None:
    """An address for a container.

    Args:
        ipam: of the network, as `plan` made it.
        used: addresses of the network that others have.
        wanted: the one that is asked for; "" for any.
        network: its name and id, for the error.
        version: of IP.

    Returns:
        None when the network has no subnet of this version.

    Raises:
        BadRequest: the one asked for is in none of the subnets.
        Forbidden: somebody has it.
        EngineError: none is left.
    """
    configs = [
        config for config in ipam["Config"] if ipaddress.ip_network(config["Subnet"]).version == version
    ]
    if wanted:
        address = _address(wanted)
        if not any(address in ipaddress.ip_network(config["Subnet"]) for config in configs):
            raise BadRequest(f"Invalid address {wanted}: It does not belong to any of this network's subnets")
        if str(address) in used or any(str(address) in _reserved(config) for config in configs):
            raise Forbidden("Address already in use")
        return address
    for config in configs:
        for address in _candidates(config):
            if str(address) not in used and str(address) not in _reserved(config):
                return address
    if configs:
        raise EngineError(f"no available IPv{version} addresses on this network's address pools: {network}")
    return None


def gateway(ipam: dict[str, Any], version: int = 4) -> str:
    """The gateway of a network's first subnet of this version; "" when it has none."""
    for config in ipam["Config"]:
        if ipaddress.ip_network(config["Subnet"]).version == version:
            return config["Gateway"]
    return ""


def _candidates(config: dict[str, Any]) -> Iterator[Address]:
    subnet = ipaddress.ip_network(config["Subnet"])
    return iter(ipaddress.ip_network(config.get("IPRange") or subnet, strict=False).hosts())


def _reserved(config: dict[str, Any]) -> set[str]:
    return {config["Gateway"], *(config.get("AuxiliaryAddresses") or {}).values()}


def _default(taken: Iterable[Subnet]) -> dict[str, Any]:
    for pool in DEFAULT_POOLS:
        if not any(_overlap(pool, other) for other in taken):
            return {"Subnet": str(pool), "Gateway": str(pool[1])}
    raise NotFound(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the "
        "network. Remove networks that nobody uses (docker network prune), or give a subnet."
    )


def _gateway(subnet: Subnet, config: dict[str, Any]) -> str:
    if not config.get("Gateway"):
        first: Address = next(_candidates(config))
        return str(first)
    address = _address(config["Gateway"])
    if address not in subnet:
        raise EngineError(f"failed to allocate gateway ({address}): Requested address is out of range")
    return str(address)


def _subnet(text: str) -> Subnet:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadRequest(f"Invalid subnet {text} : invalid CIDR address: {text}") from None


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise BadRequest(f"Invalid address {text}: it is no IP address") from None


def _check_overlap(subnet: Subnet, taken: Iterable[Subnet]) -> None:
    if any(_overlap(subnet, other) for other in taken):
        raise Forbidden("Pool overlaps with other one on this address space")


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)  # type: ignore[arg-type]
