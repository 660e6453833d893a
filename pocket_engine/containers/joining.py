"""A container that joins another one's network has nothing of its own there."""

from typing import Any

from pocket_engine.errors import BadRequest

_OF_CONFIG = {
    "Hostname": "hostname and the network mode",
    "MacAddress": "mac-address and the network mode",
    "ExposedPorts": "port exposing and the container type network mode",
}
_OF_HOST_CONFIG = {
    "Links": ("container type network can't be used with links. This would result in undefined behavior"),
    "Dns": "dns and the network mode",
    "ExtraHosts": "custom host-to-IP mapping and the network mode",
    "PortBindings": "port publishing and the container type network mode",
    "PublishAllPorts": "port publishing and the container type network mode",
}


def check(request: dict[str, Any]) -> None:
    """Refuse what such a container cannot have.

    Args:
        request: the API's body, not completed from the image.

    Raises:
        BadRequest: there is something; the message is the Docker Engine's.
    """
    host_config = request.get("HostConfig") or {}
    for given, conflicts in ((host_config, _OF_HOST_CONFIG), (request, _OF_CONFIG)):
        for name, conflict in conflicts.items():
            if given.get(name):
                raise BadRequest(f"conflicting options: {conflict}")
