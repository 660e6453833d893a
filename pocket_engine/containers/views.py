"""A container as the API shows it in full: `docker inspect`."""

from typing import Any

from pocket_engine.containers import mounts
from pocket_engine.containers.container import Container
from pocket_engine.containers.timestamps import NEVER

_DRIVER = "pocket"


def inspect(container: Container, size: bool = False) -> dict[str, Any]:
    """`GET /containers/{id}/json`.

    Args:
        container: which.
        size: also SizeRw and SizeRootFs, bytes.
    """
    with container.lock:
        record = container.record
        program, *arguments = record.arguments
        has_run = record.state.started_at != NEVER
        folder = container.folder
        answer: dict[str, Any] = {
            "Id": record.id,
            "Created": record.created,
            "Path": program,
            "Args": arguments,
            "State": _state(container),
            "Image": record.image,
            "ResolvConfPath": str(folder / "resolv.conf") if has_run else "",
            "HostnamePath": str(folder / "hostname") if has_run else "",
            "HostsPath": str(folder / "hosts") if has_run else "",
            "LogPath": str(container.log_path) if has_run and container.log else "",
            "Name": f"/{record.name}",
            "RestartCount": record.restart_count,
            "Driver": _DRIVER,
            "Platform": "linux",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "",
            "ExecIDs": [id for id, one in container.execs.items() if one.is_running] or None,
            "HostConfig": record.host_config,
            "GraphDriver": _graph_driver(container),
            **(sizes(container) if size else {}),
            "Mounts": mounts.shown(record.mounts),
            "Config": record.config,
            "NetworkSettings": network_settings(container),
        }
        return answer


def network_settings(container: Container) -> dict[str, Any]:
    """`NetworkSettings`."""
    if container.run:
        return container.run.attachment.settings()
    return container.parts.networks.settings_at_rest(container.record.endpoints)


def sizes(container: Container) -> dict[str, int]:
    """`SizeRw` and `SizeRootFs`."""
    images = container.parts.images
    written = container.size()
    return {"SizeRw": written, "SizeRootFs": written + images.size(images.by_id(container.record.image))}


def _state(container: Container) -> dict[str, Any]:
    state = container.record.state
    shown: dict[str, Any] = {
        "Status": state.status,
        "Running": state.is_running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at,
        "FinishedAt": state.finished_at,
    }
    if container.health:
        shown["Health"] = container.health.inspect()
    return shown


def _graph_driver(container: Container) -> dict[str, Any]:
    root = container.root
    lower = ":".join(str(layer) for layer in reversed(root.layers))
    return {"Data": {"LowerDir": lower, "UpperDir": str(root.folder)}, "Name": _DRIVER}
