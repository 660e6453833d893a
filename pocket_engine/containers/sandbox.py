"""A record, as the runner wants it: a sandbox and a program."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocket_engine.containers import host_config as host_configs
from pocket_engine.containers.mounts import MountPoint
from pocket_engine.containers.record import Record
from pocket_engine.errors import BadRequest, EngineError
from pocket_engine.networks import Attachment
from pocket_engine.runners import Mount, Program, Root, Sandbox
from pocket_engine.volumes import Volumes

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def sandbox(record: Record, root: Root, volumes: Volumes, attachment: Attachment | None) -> Sandbox:
    """A container's sandbox.

    Args:
        record: what is wanted.
        root: its files.
        volumes: where its volumes are found.
        attachment: its place in its networks; None while it does not run.

    Raises:
        EngineError: a folder to mount cannot be made.
        NotFound: a volume is no longer there.
    """
    host_config = record.host_config
    mounts = [_mount(point, volumes) for point in record.mounts]
    targets = {mount.target for mount in mounts}
    if attachment:
        mounts += [
            replace(mount, read_only=mount.read_only or host_config["ReadonlyRootfs"])
            for mount in attachment.mounts
            if mount.target not in targets
        ]
    # What is mounted below another comes after it.
    mounts.sort(key=lambda mount: mount.target.count("/"))
    return Sandbox(
        id=record.id,
        root=root,
        hostname=record.config["Hostname"],
        mounts=tuple(mounts),
        read_only=host_config["ReadonlyRootfs"],
        capabilities=host_configs.capabilities(host_config),
        no_new_privileges=host_configs.no_new_privileges(host_config),
        pids_limit=max(host_config["PidsLimit"] or 0, 0),
        shm_size=host_config["ShmSize"],
        host_network=attachment.host_network if attachment else False,
        address=attachment.address if attachment else "",
    )


def program(record: Record, attachment: Attachment, linked: list[str]) -> Program:
    """A container's first program.

    Args:
        record: what is wanted.
        attachment: its place in its networks.
        linked: variables that tell of the containers that it is linked to.

    Raises:
        BadRequest: a limit makes no sense.
    """
    config, host_config = record.config, record.host_config
    return Program(
        arguments=tuple(record.arguments),
        environment=environment(record, attachment, config["Tty"], [*linked, *config["Env"]]),
        folder=config["WorkingDir"] or "/",
        user=config["User"],
        groups=tuple(str(group) for group in host_config["GroupAdd"] or ()),
        terminal=config["Tty"],
        privileged=host_config["Privileged"],
        rlimits=_rlimits(host_config["Ulimits"] or []),
    )


def environment(
    record: Record, attachment: Attachment, terminal: bool, wanted: Iterable[str]
) -> tuple[str, ...]:
    """The variables of a program in a container.

    Args:
        record: the container's.
        attachment: its place in its networks.
        terminal: whether the program has one.
        wanted: `NAME=value`, of which the last wins; a name alone takes the variable away.
    """
    variables = {"PATH": _PATH, "HOSTNAME": f"HOSTNAME={record.config['Hostname']}"}
    if terminal:
        variables["TERM"] = "TERM=xterm"
    for variable in wanted:
        name, equals, _ = variable.partition("=")
        if equals:
            variables[name] = variable
        else:
            variables.pop(name, None)
    return (*variables.values(), *attachment.environment)


def _mount(point: MountPoint, volumes: Volumes) -> Mount:
    read_only = not point["RW"]
    if point["Type"] == "tmpfs":
        return Mount(None, point["Destination"], read_only, point["SizeBytes"], point["FileMode"])
    if point["Type"] == "volume":
        return Mount(volumes.get(point["Name"]).folder, point["Destination"], read_only)
    source = Path(point["Source"])
    if not os.path.lexists(source):
        if not point.get("CreateSource"):
            raise BadRequest(
                f'invalid mount config for type "bind": bind source path does not exist: {source}'
            )
        try:
            source.mkdir(parents=True)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise EngineError(
                f"error while creating mount source path '{source}': mkdir {source}: {reason}"
            ) from error
    return Mount(source, point["Destination"], read_only)


def _rlimits(ulimits: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    limits = {}
    for limit in ulimits:
        soft, hard = limit.get("Soft", limit.get("Hard", 0)), limit.get("Hard", limit.get("Soft", 0))
        if soft > hard != -1:
            raise BadRequest(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
        limits[limit["Name"]] = (soft, hard)
    return limits
