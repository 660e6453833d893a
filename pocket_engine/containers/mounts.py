"""Binds, Mounts, Volumes, VolumesFrom and Tmpfs of a request, as one list of mount points.

A mount point is a dict as the API shows it, with what only the engine needs beside it: `Named` (the client
chose the volume's name, so that removing the container leaves it), `NoCopy`, `CreateSource`, and for tmpfs
`SizeBytes` and `FileMode`. `shown` takes these away again.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from pocket_engine.errors import BadRequest, EngineError

MountPoint = dict[str, Any]

_SHOWN = ("Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation")
_MODES = frozenset(["ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"])
_PROPAGATIONS = frozenset(["private", "rprivate", "shared", "rshared", "slave", "rslave"])
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def points(
    config: dict[str, Any], host_config: dict[str, Any], mounts_of: Callable[[str], list[MountPoint]]
) -> list[MountPoint]:
    """The mount points that a new container wants. No volume is made yet.

    Args:
        config: its Config, completed.
        host_config: its HostConfig, completed.
        mounts_of: the mount points of another container, found by name, for VolumesFrom.

    Raises:
        BadRequest: one of them makes no sense.
    """
    found: dict[str, MountPoint] = {}
    for text in host_config["VolumesFrom"] or []:
        for point in _borrowed(text, mounts_of):
            found[point["Destination"]] = point
    chosen: set[str] = set()
    for point in _explicit(host_config):
        if point["Destination"] in chosen:
            raise BadRequest(f"Duplicate mount point: {point['Destination']}")
        chosen.add(point["Destination"])
        found[point["Destination"]] = point
    for target in config.get("Volumes") or {}:
        destination = os.path.normpath(target)
        if destination not in found:
            found[destination] = _volume(destination, "", host_config["VolumeDriver"])
    for target, options in (host_config.get("Tmpfs") or {}).items():
        destination = os.path.normpath(target)
        if destination in chosen:
            raise BadRequest(f"Duplicate mount point: {destination}")
        found[destination] = {**_tmpfs(destination), **_tmpfs_options(options), "Hidden": True}
    return sorted(found.values(), key=lambda point: point["Destination"].count("/"))


def shown(points: list[MountPoint]) -> list[MountPoint]:
    """Mount points as the API shows them."""
    return [
        {name: point[name] for name in _SHOWN if name in point} for point in points if not point.get("Hidden")
    ]


def _explicit(host_config: dict[str, Any]) -> Iterator[MountPoint]:
    for text in host_config["Binds"] or []:
        yield _from_bind(text)
    for mount in host_config.get("Mounts") or []:
        yield _from_mount(mount)


def _borrowed(text: str, mounts_of: Callable[[str], list[MountPoint]]) -> Iterator[MountPoint]:
    name, _, mode = text.partition(":")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise BadRequest(f"invalid mode: {mode}")
    for point in mounts_of(name):
        yield {**point, "RW": point["RW"] and mode != "ro", "Mode": mode or point["Mode"], "NoCopy": True}


def _from_bind(text: str) -> MountPoint:
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise EngineError(f"invalid volume specification: '{text}'")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    modes = set(parts[2].split(",")) if len(parts) == 3 else set()
    if not modes <= _MODES | _PROPAGATIONS or {"ro", "rw"} <= modes:
        raise EngineError(f"invalid mode: {parts[2]}")
    try:
        destination = _destination(target)
    except BadRequest as error:
        kind = "bind" if source.startswith("/") else "volume"
        message = f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {error}"
        raise EngineError(message) from error
    point = (
        _bind(destination, source)
        if source.startswith("/")
        else _volume(destination, _volume_name(source) if source else "", "")
    )
    propagation = next(iter(modes & _PROPAGATIONS), point["Propagation"])
    return {
        **point,
        "Mode": parts[2] if len(parts) == 3 else "",
        "RW": "ro" not in modes,
        "Propagation": propagation,
        "NoCopy": "nocopy" in modes,
        "CreateSource": True,
    }


def _from_mount(mount: dict[str, Any]) -> MountPoint:
    kind, source = mount.get("Type") or "", mount.get("Source") or ""
    complaint = f'invalid mount config for type "{kind}": '
    if kind not in ("bind", "volume", "tmpfs"):
        raise BadRequest(complaint + "mount type unknown")
    if not mount.get("Target"):
        raise BadRequest(complaint + "field Target must not be empty")
    try:
        destination = _destination(mount["Target"])
    except BadRequest as error:
        raise BadRequest(complaint + error.message) from error
    writable = not mount.get("ReadOnly")
    if kind == "tmpfs":
        if source:
            raise BadRequest(complaint + "field Source must not be specified")
        options = mount.get("TmpfsOptions") or {}
        sizes = {"SizeBytes": options.get("SizeBytes") or 0, "FileMode": options.get("Mode") or 0o1777}
        return {**_tmpfs(destination), **sizes, "RW": writable}
    if kind == "bind":
        return {**_checked_bind(destination, source, mount, complaint), "RW": writable}
    options = mount.get("VolumeOptions") or {}
    driver = options.get("DriverConfig") or {}
    return {
        **_volume(destination, _volume_name(source) if source else "", driver.get("Name") or ""),
        "Mode": "z",
        "RW": writable,
        "NoCopy": bool(options.get("NoCopy")),
        "Labels": options.get("Labels") or {},
        "DriverOptions": driver.get("Options") or {},
    }


def _checked_bind(destination: str, source: str, mount: dict[str, Any], complaint: str) -> MountPoint:
    if not source:
        raise BadRequest(complaint + "field Source must not be empty")
    if not source.startswith("/"):
        raise BadRequest(complaint + f"invalid mount path: '{source}' mount path must be absolute")
    options = mount.get("BindOptions") or {}
    create = bool(options.get("CreateMountpoint"))
    if not create and not os.path.exists(source):
        raise BadRequest(complaint + f"bind source path does not exist: {source}")
    point = {**_bind(destination, source), "CreateSource": create}
    return {**point, "Propagation": options.get("Propagation") or point["Propagation"]}


def _destination(target: str) -> str:
    if not target.startswith("/"):
        raise BadRequest(f"invalid mount path: '{target}' mount path must be absolute")
    destination = os.path.normpath(target)
    if destination in ("/", "//"):
        raise BadRequest("invalid specification: destination can't be '/'")
    return destination


def _volume_name(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
        raise BadRequest(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host '
            "directory, use absolute path"
        )
    return name


def _bind(destination: str, source: str) -> MountPoint:
    return {
        "Type": "bind",
        "Source": os.path.normpath(source),
        "Destination": destination,
        "Mode": "",
        "RW": True,
        "Propagation": "rprivate",
    }


def _volume(destination: str, name: str, driver: str) -> MountPoint:
    return {
        "Type": "volume",
        "Name": name or secrets.token_hex(32),
        "Source": "",
        "Destination": destination,
        "Driver": driver or "local",
        "Mode": "",
        "RW": True,
        "Propagation": "",
        "Named": bool(name),
    }


def _tmpfs(destination: str) -> MountPoint:
    return {
        "Type": "tmpfs",
        "Source": "",
        "Destination": destination,
        "Mode": "",
        "RW": True,
        "Propagation": "",
        "SizeBytes": 0,
        "FileMode": 0o1777,
    }


def _tmpfs_options(text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        if name == "ro":
            options["RW"] = False
        elif name == "size":
            options["SizeBytes"] = _bytes(value)
        elif name == "mode":
            options["FileMode"] = int(value, 8)
        elif name not in (
            "rw",
            "exec",
            "noexec",
            "suid",
            "nosuid",
            "dev",
            "nodev",
            "uid",
            "gid",
            "nr_inodes",
        ):
            raise BadRequest(f'invalid tmpfs option ["{option}"]')
    return options


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([bkmg]?)", text.lower())
    if match is None:
        raise BadRequest(f'invalid tmpfs option ["size={text}"]')
    return int(match[1]) * _UNITS[match[2]]
