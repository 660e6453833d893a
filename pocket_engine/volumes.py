"""Volumes: folders that outlive the containers that they are mounted in."""

import os
import re
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pocket_engine.data_root import DataRoot, read_json, remove_tree, write_json
from pocket_engine.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from pocket_engine.events import Events
from pocket_engine.filters import Filters

DRIVER = "local"
ANONYMOUS = "com.docker.volume.anonymous"  # The label of a volume that nobody gave a name.

_RECORD = "volume.json"
_DATA = "_data"
_OPTIONS = ("type", "o", "device", "size")
_ALLOWED = "[a-zA-Z0-9][a-zA-Z0-9_.-]"

Users = Callable[[str], Collection[str]]  # The ids of the containers that have a volume of this name.


@dataclass(frozen=True)
class Volume:
    """One volume.

    Attributes:
        name: 64 hexadecimal digits where nobody gave one.
        mountpoint: its folder among the engine's own.
        created: when, as RFC 3339 writes it.
        options: of the driver: `{"type": "none", "o": "bind", "device": "/a/folder"}`, or none.
    """

    name: str
    mountpoint: Path
    created: str
    labels: dict[str, str] | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """What is mounted: the mountpoint, or the folder that a bind option names."""
        return Path(self.options["device"]) if self.options else self.mountpoint

    @property
    def is_anonymous(self) -> bool:
        """Whether it was made for one container, without a name."""
        return ANONYMOUS in (self.labels or {})

    def inspect(self) -> dict[str, Any]:
        """The volume in the API's form."""
        return {
            "CreatedAt": self.created,
            "Driver": DRIVER,
            "Labels": self.labels,
            "Mountpoint": str(self.mountpoint),
            "Name": self.name,
            "Options": self.options or None,
            "Scope": "local",
        }


class Volumes:
    """All volumes.

    Args:
        data_root: where they lie.
        events: who is told of changes.
    """

    def __init__(self, data_root: DataRoot, events: Events) -> None:
        self._data_root = data_root
        self._room = data_root / "volumes"
        self._events = events
        self._lock = threading.RLock()

    def create(
        self,
        name: str = "",
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume; one that is already there under this name is returned as it is.

        Args:
            name: "" for an anonymous one.
            driver: "" or "local".
            options: of the driver; see `Volume.options`.
            labels: any.

        Raises:
            BadRequest: the name or an option makes no sense.
            NotFound: there is no such driver.
            NotImplementedHere: the options ask for a file system that only root may mount.
        """
        if not name:
            name, labels = secrets.token_hex(32), {**(labels or {}), ANONYMOUS: ""}
        _check_name(name)
        if driver not in ("", DRIVER):
            raise NotFound(
                f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found'
            )
        _check_options(name, options or {})
        with self._lock:
            if (self._room / name).exists():
                return self.get(name)
            volume = Volume(
                name,
                self._room / name / _DATA,
                datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                None if labels is None else dict(labels),
                dict(options or {}),
            )
            self._write(volume)
        self._events.publish("volume", "create", name, {"driver": DRIVER})
        return volume

    def get(self, name: str) -> Volume:
        """Find a volume by its name.

        Raises:
            NotFound: there is none.
        """
        try:
            _check_name(name)
            record = read_json(self._room / name / _RECORD)
        except (BadRequest, FileNotFoundError):
            raise NotFound(f"get {name}: no such volume") from None
        return Volume(**record, mountpoint=self._room / name / _DATA)

    def all(self) -> list[Volume]:
        """All of them, by name."""
        with self._lock:
            return [self.get(name) for name in sorted(os.listdir(self._room))]

    def list(self, filters: Filters, users: Users) -> list[Volume]:
        """Those that the filters dangling, driver, label and name let through.

        Raises:
            BadRequest: for any other filter.
        """
        filters.only("dangling", "driver", "label", "name")
        dangling = filters.flag("dangling")
        return [
            volume
            for volume in self.all()
            if filters.equal("driver", DRIVER)
            and filters.match("name", volume.name)
            and filters.labels(volume.labels)
            and (dangling is None or dangling is not bool(users(volume.name)))
        ]

    def remove(self, name: str, users: Users, force: bool = False) -> None:
        """Remove a volume and what is in it.

        Args:
            name: whose.
            users: who might need it.
            force: that there is none is no error.

        Raises:
            NotFound: there is none.
            Conflict: a container has it, running or not.
        """
        with self._lock:
            try:
                volume = self.get(name)
            except NotFound:
                if force:
                    return
                raise
            if found := users(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(found)}]")
            grave = self._data_root.unused("volume")
            os.rename(self._room / name, grave)
        remove_tree(grave)
        self._events.publish("volume", "destroy", volume.name, {"driver": DRIVER})

    def prune(self, filters: Filters, users: Users, everything: bool) -> dict[str, Any]:
        """Remove the volumes that no container has.

        Args:
            filters: `label`, `label!` and `all`.
            users: who has a volume.
            everything: also those with names, as before version 1.42 of the API.

        Returns:
            Names and bytes, in the API's form.
        """
        filters.only("label", "label!", "all")
        named_too = filters.flag("all", default=everything)
        deleted, reclaimed = [], 0
        for volume in self.all():
            if filters.labels(volume.labels) and (named_too or volume.is_anonymous):
                size = disk_usage(volume.mountpoint)
                try:
                    self.remove(volume.name, users)
                except (Conflict, NotFound):
                    continue
                deleted.append(volume.name)
                reclaimed += size
        self._events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return {"VolumesDeleted": deleted, "SpaceReclaimed": reclaimed}

    def _write(self, volume: Volume) -> None:
        folder = self._data_root.scratch("volume")
        try:
            (folder / _DATA).mkdir(mode=0o755)
            record = asdict(volume)
            del record["mountpoint"]  # The data root may be moved.
            write_json(folder / _RECORD, record)
            os.rename(folder, self._room / volume.name)
        except OSError:
            remove_tree(folder)
            raise


def disk_usage(folder: Path) -> int:
    """The bytes of all files below a folder; what cannot be read counts nothing."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(folder) for name in names
    )


def _check_name(name: str) -> None:
    if len(name) < 2:
        raise BadRequest(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not re.fullmatch(_ALLOWED + "+", name):
        raise BadRequest(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only "{_ALLOWED}" '
            "are allowed. If you intended to pass a host directory, use absolute path"
        )


def _check_options(name: str, options: Mapping[str, str]) -> None:
    if not options:
        return
    for option in options:
        if option not in _OPTIONS:
            raise BadRequest(f'create {name}: invalid option: "{option}"')
    if not options.get("device"):
        raise BadRequest(f'create {name}: missing required option: "device"')
    if options.get("type") not in ("", "none", None) or "bind" not in options.get("o", "").split(","):
        raise NotImplementedHere(
            f"create {name}: only root can mount a volume of type {options.get('type')!r}; this engine can "
            "mount folders (type=none, o=bind, device=/a/folder), and file systems in memory by --tmpfs"
        )
    if not os.path.isdir(options["device"]):
        raise BadRequest(f"create {name}: failed to mount local volume: no such folder: {options['device']}")
