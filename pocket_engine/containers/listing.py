"""The list of containers: `docker ps`, with its filters."""

import shlex
import time
from collections.abc import Callable
from typing import Any

from pocket_engine.containers import mounts, timestamps, views
from pocket_engine.containers.container import Container
from pocket_engine.containers.store import Containers
from pocket_engine.errors import BadRequest, NotFound
from pocket_engine.filters import Filters

_FILTERS = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
]
_STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"]
_HEALTH = ["starting", "healthy", "unhealthy", "none"]
_NANO = 10**9


def listing(
    containers: Containers, filters: Filters, everything: bool = False, limit: int = 0, size: bool = False
) -> list[dict[str, Any]]:
    """`GET /containers/json`, the newest first.

    Args:
        containers: of which.
        filters: those of the API.
        everything: also those that do not run.
        limit: how many at most, running or not; 0 is no limit.
        size: also their sizes in bytes.

    Raises:
        BadRequest: there is no such filter.
    """
    _check(filters)
    wanted = _wanted(containers, filters)
    also_at_rest = (
        everything or limit > 0 or any(name in filters for name in ("status", "exited", "before", "since"))
    )
    chosen = [
        container
        for container in containers.all()
        if (also_at_rest or container.record.state.is_running) and wanted(container)
    ]
    return [_summary(container, size) for container in (chosen[:limit] if limit > 0 else chosen)]


def _check(filters: Filters) -> None:
    filters.only(*_FILTERS)
    for name, known in (("status", _STATUSES), ("health", _HEALTH)):
        for value in filters[name]:
            if value not in known:
                raise BadRequest(f"Invalid filter '{name}={value}'")
    for value in filters["exited"]:
        if not value.removeprefix("-").isdecimal():
            raise BadRequest(f'strconv.Atoi: parsing "{value}": invalid syntax')


def _wanted(containers: Containers, filters: Filters) -> Callable[[Container], bool]:
    before, since = (_neighbours(containers, filters[name]) for name in ("before", "since"))
    networks = _network_names(containers, filters["network"])
    ancestors = _ancestors(containers, filters["ancestor"])
    is_task = filters.flag("is-task")

    def wanted(container: Container) -> bool:
        record = container.record
        volumes = [
            point[key] for point in record.mounts for key in ("Name", "Source", "Destination") if key in point
        ]
        return (
            filters.prefix("id", container.id)
            and filters.match("name", container.name, f"/{container.name}")
            and filters.labels(record.config["Labels"])
            and filters.equal("status", record.state.status)
            and ("exited" not in filters or _exited(container, filters))
            and filters.equal("health", _health(container))
            and filters.equal("volume", *volumes)
            and ("network" not in filters or not networks.isdisjoint(record.endpoints))
            and ("ancestor" not in filters or record.image in ancestors)
            and all(record.created < other.record.created for other in before)
            and all(record.created > other.record.created for other in since)
            and _ports_match(filters["expose"], set(record.config.get("ExposedPorts") or ()))
            and _ports_match(filters["publish"], set(record.host_config["PortBindings"]))
            and is_task is not True  # There are no swarms here.
        )

    return wanted


def _exited(container: Container, filters: Filters) -> bool:
    state = container.record.state
    has_ended = not state.is_running and state.started_at != timestamps.NEVER
    return has_ended and filters.equal("exited", str(state.exit_code))


def _health(container: Container) -> str:
    return container.health.status if container.health else "none"


def _neighbours(containers: Containers, names: list[str]) -> list[Container]:
    try:
        return [containers.get(name) for name in names]
    except NotFound as error:
        raise NotFound(error.message.replace("No such container:", "no such container")) from error


def _network_names(containers: Containers, wanted: list[str]) -> set[str]:
    names = set()
    for name in wanted:
        try:
            names.add(containers.parts.networks.get(name).name)
        except (NotFound, BadRequest):
            continue
    return names


def _ancestors(containers: Containers, wanted: list[str]) -> set[str]:
    images = containers.parts.images
    found: set[str] = set()
    waiting = [id for name in wanted if (id := images.find(name))]
    while waiting:
        found.add(id := waiting.pop())
        waiting += [child.id for child in images.children(id)]
    return found


def _ports_match(wanted: list[str], ports: set[str]) -> bool:
    return not wanted or any(not _range(text).isdisjoint(ports) for text in wanted)


def _range(text: str) -> set[str]:
    """`80`, `80/udp` or `8000-8005/tcp` as a set of ports."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        raise BadRequest(f"invalid port: {text}")
    return {f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)}


def _summary(container: Container, size: bool) -> dict[str, Any]:
    with container.lock:
        record = container.record
        settings = views.network_settings(container)
        return {
            "Id": record.id,
            "Names": [f"/{record.name}"],
            "Image": _image_name(container),
            "ImageID": record.image,
            "Command": " ".join(shlex.quote(part) if " " in part else part for part in record.arguments),
            "Created": timestamps.nanoseconds(record.created) // _NANO,
            "Ports": _ports(settings.get("Ports") or {}),
            **(views.sizes(container) if size else {}),
            "Labels": record.config["Labels"],
            "State": record.state.status,
            "Status": _status(container),
            "HostConfig": {"NetworkMode": record.host_config["NetworkMode"]},
            "NetworkSettings": {"Networks": settings.get("Networks") or {}},
            "Mounts": mounts.shown(record.mounts),
        }


def _image_name(container: Container) -> str:
    """As it was given, unless that means another image by now."""
    name, id = container.record.config["Image"], container.record.image
    return name if container.parts.images.find(name) == id else id


def _ports(ports: dict[str, list[dict[str, str]] | None]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for port, bindings in ports.items():
        number, _, protocol = port.partition("/")
        private = {"PrivatePort": int(number), "Type": protocol}
        if not bindings:
            shown.append(private)
        for binding in bindings or []:
            shown.append({"IP": binding["HostIp"], **private, "PublicPort": int(binding["HostPort"])})
    return shown


def _status(container: Container) -> str:
    state = container.record.state
    ended = _ago(state.finished_at)
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {ended} ago"
    if state.is_running:
        up = f"Up {_ago(state.started_at)}"
        if state.status == "paused":
            return f"{up} (Paused)"
        if container.health:
            health = container.health.status
            return f"{up} ({'health: starting' if health == 'starting' else health})"
        return up
    if state.status == "removing":
        return "Removal In Progress"
    if state.status == "dead":
        return "Dead"
    if state.started_at == timestamps.NEVER:
        return "Created"
    return f"Exited ({state.exit_code}) {ended} ago"


def _ago(moment: str) -> str:
    return timestamps.in_words((time.time_ns() - timestamps.nanoseconds(moment)) / _NANO)
