"""A running container's place in its networks."""

from typing import Any

from pocket_engine.runners import Mount


class Attachment:
    """Made by `Networks.attach` at a container's start, closed at its end.

    Attributes:
        address: its real address, for `Sandbox.address`; empty when it shares the machine's network.
        host_network: for `Sandbox.host_network`.
        mounts: /etc/hosts, /etc/hostname, /etc/resolv.conf, and /run/pocket-engine, read-only.
        environment: variables for every program of the container, exec's too; `inspect` does not show them.
    """

    address: str
    host_network: bool
    mounts: tuple[Mount, ...]
    environment: tuple[str, ...]

    @property
    def ports(self) -> dict[str, list[dict[str, str]] | None]:
        """`NetworkSettings.Ports`: exposed ports, and where on the machine they are published."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """`NetworkSettings` of inspect."""
        raise NotImplementedError

    def close(self) -> None:
        """The container ended: free its addresses and ports, take its names out of the others' files."""
        raise NotImplementedError
