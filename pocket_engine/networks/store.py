"""The records of networks on disk."""

import secrets
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pocket_engine.containers import timestamps
from pocket_engine.data_root import DataRoot, read_json, write_json

from . import pools
from .network import Network

_BRIDGE_OPTIONS = {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.driver.mtu": "1500",
}


class Store:
    """One file a network.

    Args:
        data_root: they lie in its `networks/`.
    """

    def __init__(self, data_root: DataRoot) -> None:
        self._room = data_root / "networks"

    def load(self) -> Iterator[Network]:
        """All networks; those that every engine has are made where they are missing."""
        found = [Network(**read_json(file)) for file in self._room.glob("[0-9a-f]*.json")]
        names = {network.name for network in found}
        yield from found
        if "bridge" not in names:
            yield self.create("bridge", "bridge", pools.plan(None, ()), {"Options": _BRIDGE_OPTIONS})
        for name, driver in (("host", "host"), ("none", "null")):
            if name not in names:
                yield self.create(name, driver, {"Driver": "default", "Options": None, "Config": []}, {})

    def create(
        self,
        name: str,
        driver: str,
        ipam: dict[str, Any],
        request: dict[str, Any],
        user_configured: bool = False,
    ) -> Network:
        """Write a new network down.

        Args:
            name: not that of another.
            driver: bridge, host or null.
            ipam: as `pools.plan` made it.
            request: the body of `POST /networks/create`, for the rest.
            user_configured: whether it names a subnet.
        """
        network = Network(
            id=secrets.token_hex(32),
            name=name,
            record={
                "Created": timestamps.now(),
                "Scope": "local",
                "Driver": driver,
                "EnableIPv4": True,
                "EnableIPv6": bool(request.get("EnableIPv6")),
                "IPAM": ipam,
                "Internal": bool(request.get("Internal")),
                "Attachable": bool(request.get("Attachable")),
                "Ingress": False,
                "ConfigFrom": {"Network": ""},
                "ConfigOnly": False,
                "Options": request.get("Options") or {},
                "Labels": request.get("Labels") or {},
            },
            user_configured=user_configured,
        )
        write_json(self._file(network), asdict(network))
        return network

    def remove(self, network: Network) -> None:
        """Forget a network."""
        self._file(network).unlink(missing_ok=True)

    def _file(self, network: Network) -> Path:
        return self._room / f"{network.id}.json"
