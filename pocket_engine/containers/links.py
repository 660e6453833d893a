"""Links: the old way of telling a container of others, by variables. Networks make the names known."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pocket_engine.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from pocket_engine.containers.container import Container

_NOT_PASSED_ON = ("PATH", "HOME", "HOSTNAME", "TERM")


def check(links: list[str] | None, get: Callable[[str], "Container"]) -> None:
    """Raises BadRequest when a container that somebody wants to link to does not exist."""
    for link in links or []:
        name = link.partition(":")[0]
        try:
            get(name)
        except NotFound as error:
            raise BadRequest(f"could not get container for {name}: {error.message}") from error


def variables(container: "Container", get: Callable[[str], "Container"]) -> list[str]:
    """The variables that tell a container of those that it is linked to.

    Args:
        container: which.
        get: finds another.

    Raises:
        BadRequest: one of them does not run.
    """
    return [
        variable
        for link in container.record.host_config["Links"] or []
        for variable in _variables(container, link, get)
    ]


def _variables(container: "Container", link: str, get: Callable[[str], "Container"]) -> Iterator[str]:
    name, _, alias = link.partition(":")
    other = get(name)
    alias = (alias or other.name).rpartition("/")[2]
    if other.run is None:
        raise BadRequest(
            f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
        )
    prefix = alias.replace("-", "_").upper()
    yield from _ports(
        prefix, other.run.attachment.settings(), sorted(other.record.config.get("ExposedPorts") or ())
    )
    yield f"{prefix}_NAME=/{container.name}/{alias}"
    for variable in other.record.config["Env"]:
        if variable.partition("=")[0] not in _NOT_PASSED_ON:
            yield f"{prefix}_ENV_{variable}"


def _ports(prefix: str, settings: dict[str, Any], ports: list[str]) -> Iterator[str]:
    address = settings.get("IPAddress") or ""
    for index, port in enumerate(ports):
        number, _, protocol = port.partition("/")
        url = f"{protocol}://{address}:{number}"
        if index == 0:
            yield f"{prefix}_PORT={url}"
        one = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield from (
            f"{one}={url}",
            f"{one}_ADDR={address}",
            f"{one}_PORT={number}",
            f"{one}_PROTO={protocol}",
        )
