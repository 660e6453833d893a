"""All networks of an engine."""

from typing import Any

from pocket_engine.data_root import DataRoot
from pocket_engine.events import Events

from .attachment import Attachment
from .member import Member
from .network import Network

Endpoints = dict[str, dict[str, Any]]


class Networks:
    """The networks, and the containers that are on them now.

    Args:
        data_root: records lie in its `networks/`.
        events: is told of networks that are made, removed, joined and left.
    """

    def __init__(self, data_root: DataRoot, events: Events) -> None:
        raise NotImplementedError

    @property
    def notes(self) -> tuple[str, ...]:
        """What a learner should know; shown as Warnings in `docker info`."""
        raise NotImplementedError

    def create(self, request: dict[str, Any]) -> Network:
        """`POST /networks/create`. Raises BadRequest, Forbidden, Conflict, NotFound."""
        raise NotImplementedError

    def get(self, name: str) -> Network:
        """By id, name or the beginning of an id. Raises NotFound, BadRequest when several match."""
        raise NotImplementedError

    def all(self, filters: dict[str, list[str]] | None = None) -> list[Network]:
        """`GET /networks`. Raises BadRequest for unknown filters."""
        raise NotImplementedError

    def inspect(self, network: Network) -> dict[str, Any]:
        """`GET /networks/{id}`, with the containers that are on it now."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Raises NotFound, Forbidden for those that are predefined or have running containers."""
        raise NotImplementedError

    def prune(self, filters: dict[str, list[str]] | None = None) -> list[str]:
        """Remove all that no running container is on; their names."""
        raise NotImplementedError

    def endpoints(self, mode: str, wanted: Endpoints | None, container_id: str = "") -> Endpoints:
        """What a new container's record keeps of its networks: network name → `EndpointSettings`.

        Args:
            mode: `HostConfig.NetworkMode`.
            wanted: `NetworkingConfig.EndpointsConfig` of the request.

        Raises:
            BadRequest: as a Docker Engine does for addresses or aliases where there can be none.
        """
        raise NotImplementedError

    def settings_at_rest(self, endpoints: Endpoints) -> dict[str, Any]:
        """`NetworkSettings` of a container that does not run."""
        raise NotImplementedError

    def attach(self, member: Member) -> Attachment:
        """A container starts: give it its addresses and names, and publish its ports.

        Raises:
            NotFound: one of its networks was removed.
            Conflict: mode is `container:…`, and that one does not run.
            EngineError: no address is free, or a port is taken.
        """
        raise NotImplementedError

    def connect(
        self,
        endpoints: Endpoints,
        mode: str,
        network: str,
        wanted: dict[str, Any] | None,
        container_id: str,
    ) -> Endpoints:
        """Put a container on one more network, at once when it runs; the endpoints to keep in its record."""
        raise NotImplementedError

    def disconnect(
        self, endpoints: Endpoints, mode: str, network: str, force: bool, container_id: str
    ) -> Endpoints:
        """Take a container off a network, at once when it runs; the endpoints to keep in its record."""
        raise NotImplementedError

    def rename(self, container_id: str, name: str) -> None:
        """A container has a new name; when it runs, the others find it under that one from now on."""
        raise NotImplementedError
