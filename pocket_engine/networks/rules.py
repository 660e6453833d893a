"""What a Docker Engine refuses of networks, in its words."""

from collections.abc import Collection
from typing import Any

from pocket_engine.errors import BadRequest, Conflict, Forbidden, NotFound, NotImplementedHere

from .network import PREDEFINED, Network

SHARED = "container:"  # How a mode begins that names another container.
_NEED_ROOT = ("macvlan", "ipvlan")


def check_new(request: dict[str, Any], name: str, driver: str, others: Collection[Network]) -> None:
    """Whether a network may be created.

    Args:
        request: the body of `POST /networks/create`.
        name: of the network.
        driver: of the network.
        others: that are there.
    """
    if not name.strip():
        raise BadRequest(f"invalid name: {name}")
    if name in (*PREDEFINED, "default"):
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    if any(network.name == name for network in others):
        raise Conflict(f"network with name {name} already exists")
    if request.get("Scope") == "swarm":
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver == "overlay" or request.get("Ingress"):
        raise NotImplementedHere(
            "This node is not a swarm manager. This engine knows no swarm: use the driver bridge."
        )
    if driver in _NEED_ROOT:
        raise NotImplementedHere(f"only root can make {driver} networks: use the driver bridge")
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found')
    if request.get("ConfigOnly") or (request.get("ConfigFrom") or {}).get("Network"):
        raise NotImplementedHere("this engine has no configuration-only networks: give the options here")


def check_connection(endpoints: dict[str, dict[str, Any]], mode: str, network: Network) -> None:
    """Whether a container may be put on one more network.

    Args:
        endpoints: those that it has.
        mode: its `HostConfig.NetworkMode`.
        network: the one more.
    """
    if network.driver == "host":
        raise BadRequest("container cannot be disconnected from host network or connected to host network")
    if mode == "host" or mode.startswith(SHARED):
        raise BadRequest(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if endpoints and (network.driver == "null" or "none" in endpoints):
        raise BadRequest(
            "container cannot be connected to multiple networks with one of the networks "
            "in private (none) mode"
        )


def check_disconnection(mode: str, network: Network) -> None:
    """Whether a container may be taken off a network.

    Args:
        mode: its `HostConfig.NetworkMode`.
        network: which.
    """
    if mode == "host" or network.driver == "host":
        raise BadRequest("container cannot be disconnected from host network or connected to host network")


def check_endpoint(network: str, asked: dict[str, Any]) -> None:
    """Whether there may be such addresses and aliases on a network.

    Args:
        network: its name.
        asked: an `EndpointSettings`.
    """
    if network not in PREDEFINED:
        return
    fixed = asked.get("IPAMConfig") or {}
    if fixed.get("IPv4Address") or fixed.get("IPv6Address"):
        raise BadRequest("user specified IP address is supported on user defined networks only")
    if asked.get("Aliases"):
        raise BadRequest("network-scoped alias is supported only for containers in user defined networks")


def check_address(network: Network, asked: dict[str, Any]) -> None:
    """Whether a container may name its address on a network.

    Args:
        network: which.
        asked: an `EndpointSettings`.
    """
    fixed = asked.get("IPAMConfig") or {}
    wanted = fixed.get("IPv4Address") or fixed.get("IPv6Address")
    if wanted and not network.user_configured:
        raise BadRequest(
            "user specified IP address is supported only when connecting to networks "
            "with user configured subnets"
        )
