"""All containers of an engine."""

import contextlib
import os
import secrets
import socket
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocket_engine.containers import config as configs
from pocket_engine.containers import host_config as host_configs
from pocket_engine.containers import joining, lifecycle, links, mounts, names, restart, timestamps
from pocket_engine.containers.container import Container, Parts
from pocket_engine.containers.exec import Exec
from pocket_engine.containers.record import Record
from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import BadRequest, Conflict, EngineError, NotFound
from pocket_engine.filters import Filters
from pocket_engine.images import platforms
from pocket_engine.images.image import Image
from pocket_engine.images.store import Use

_KILLED = 137
_STOP_SECONDS_AT_SHUTDOWN = 10


class Containers:
    """The containers.

    Args:
        data_root: where they lie. What an earlier engine left half made there is removed; what it left
            running has ended with it.
        parts: the parts of the engine that they need.
    """

    def __init__(self, data_root: DataRoot, parts: Parts) -> None:
        self._data_root, self._room = data_root, data_root / "containers"
        self.parts = parts
        self._lock = threading.RLock()
        self._by_id: dict[str, Container] = {}
        self._crashed: list[Container] = []
        for folder in sorted(self._room.iterdir()):
            self._load(folder)

    # Those that there are.

    def all(self) -> list[Container]:
        """All of them, the newest first."""
        with self._lock:
            containers = list(self._by_id.values())
        return sorted(containers, key=lambda container: container.record.created, reverse=True)

    def get(self, name: str) -> Container:
        """By id, name, or the beginning of an id.

        Raises:
            NotFound: there is none.
            BadRequest: the beginning of several.
        """
        with self._lock:
            if name in self._by_id:
                return self._by_id[name]
            bare = name.removeprefix("/")
            for container in self._by_id.values():
                if container.name == bare:
                    return container
            found = [id for id in self._by_id if name and id.startswith(name)]
        if len(found) == 1:
            return self._by_id[found[0]]
        if found:
            raise BadRequest(f"multiple IDs found with provided prefix: {name}")
        raise NotFound(f"No such container: {name}")

    def get_exec(self, id: str) -> Exec:
        """What `docker exec` made, by its id.

        Raises:
            NotFound: there is none, or it ended long ago.
        """
        for container in self.all():
            if id in container.execs:
                return container.execs[id]
        raise NotFound(f"No such exec instance: {id}")

    def using_image(self, image_id: str) -> list[Use]:
        """The containers that were made from an image."""
        return [
            Use(container.id, container.record.state.is_running)
            for container in self.all()
            if container.record.image == image_id
        ]

    def using_volume(self, name: str) -> list[str]:
        """The ids of the containers that have a volume."""
        return [
            container.id
            for container in self.all()
            if any(point.get("Name") == name for point in container.record.mounts)
        ]

    @property
    def is_any_running(self) -> bool:
        """Whether one runs, or is to run again."""
        return any(container.record.state.is_running for container in self.all())

    # One more.

    def create(
        self, name: str, request: dict[str, Any], platform: str = "", intermediate: bool = False
    ) -> tuple[Container, list[str]]:
        """Make a container.

        Args:
            name: wanted; "" for any.
            request: the API's body: Config, HostConfig and NetworkingConfig.
            platform: for which the image must be made; "" for any.
            intermediate: a build works with it. Until it is removed or kept, prune leaves it alone.

        Returns:
            The container, and warnings for its maker.

        Raises:
            NotFound: there is no such image, or no such network.
            Conflict: the name is taken.
            BadRequest: something in the request makes no sense.
            NotImplementedHere: it asks for what this engine cannot do.
        """
        if not set(request) - {"HostConfig", "NetworkingConfig"}:
            raise BadRequest("Config cannot be empty in order to create a container")
        chosen = names.check(name) if name else ""
        image = self.parts.images.get(request.get("Image") or "")
        if platform:
            _check_platform(image, request["Image"], platform)
        config = configs.completed(request, image.config.get("config") or {})
        host_config, warnings = host_configs.completed(request.get("HostConfig") or {})
        id = secrets.token_hex(32)
        if host_config["NetworkMode"].startswith("container:"):
            joining.check(request)
        self._settle_namespaces(id, config, host_config)
        mode = host_config["NetworkMode"]
        record = Record(
            id=id,
            name=chosen,
            created=timestamps.now(),
            image=image.id,
            config=config,
            host_config=host_config,
            mounts=mounts.points(config, host_config, self._mounts_of),
            endpoints=self.parts.networks.endpoints(mode, _endpoints(mode, request), id),
            intermediate=intermediate,
        )
        links.check(host_config["Links"], self.get)
        return self._make(record), warnings

    def keep(self, container: Container) -> None:
        """A build leaves an intermediate container behind: from now on it is one like any other."""
        with container.lock:
            container.record.intermediate = False
            if not container.is_removed:
                container.save()

    def rename(self, container: Container, name: str) -> None:
        """Give it another name.

        Raises:
            BadRequest: it is no name, or its own.
            Conflict: the name is taken.
        """
        if not name:
            raise BadRequest("Neither old nor new names may be empty")
        if name.removeprefix("/") == container.name:
            raise BadRequest("Renaming a container with the same name as its current name")
        try:
            bare = names.check(name)
            with container.lock, self._lock:
                self._check_unused(bare)
                old = container.name
                replace(container.record, name=bare).save(container.folder)
                container.record.name = bare
        except (BadRequest, Conflict) as error:
            raise type(error)(f"Error when allocating new name: {error.message}") from error
        self.parts.networks.rename(container.id, bare)
        container.publish("rename", oldName=f"/{old}")

    def update(self, container: Container, wanted: dict[str, Any]) -> list[str]:
        """Change its limits and its restart policy, also while it runs.

        Args:
            container: which.
            wanted: fields of HostConfig.

        Returns:
            Warnings for the client.

        Raises:
            BadRequest: something in it makes no sense.
        """
        with container.lock:
            current = container.record.host_config
            changes = {name: value for name, value in wanted.items() if name in current and value}
            updated, warnings = host_configs.completed({**current, **changes})
            replace(container.record, host_config=updated).save(container.folder)
            container.record.host_config = updated
            if container.run and container.run.memory:
                container.run.memory.watch()
            if container.run and "PidsLimit" in changes:
                warnings.append("PidsLimit changes when the container is started again.")
        container.publish("update")
        return [warning for warning in warnings if warning.partition(" ")[0] in changes]

    def remove_link(self, name: str) -> None:
        """Remove a link, given as `container/alias`; both containers stay.

        Raises:
            NotFound: there is none.
        """
        owner, _, alias = name.removeprefix("/").partition("/")
        container = self.get(owner)
        with container.lock:
            links_there = container.record.host_config["Links"] or []
            kept = [link for link in links_there if link.rpartition(":")[2].rpartition("/")[2] != alias]
            if len(kept) == len(links_there):
                raise NotFound(f"No such link: {name}")
            container.record.host_config["Links"] = kept or None
            container.save()

    # One less.

    def remove(self, container: Container, force: bool = False, volumes: bool = False) -> None:
        """Remove a container, and all that it wrote.

        Args:
            container: which.
            force: kill it when it runs.
            volumes: also its volumes that nobody gave a name.

        Raises:
            Conflict: it runs, or is being removed.
        """
        with container.lock:
            state = container.record.state
            if state.status == "removing" or container.is_removed:
                raise Conflict(f"removal of container {container.id} is already in progress")
            if state.is_running and not force:
                if state.status == "paused":
                    raise Conflict(
                        f"You cannot remove a paused container {container.id}. Unpause and then stop the "
                        "container before attempting removal or force remove"
                    )
                raise Conflict(
                    f"You cannot remove a {state.status} container {container.id}. Stop the container before "
                    "attempting removal or force remove"
                )
            container.begin_restart()  # Its end must not remove it a second time.
        if state.is_running:
            with contextlib.suppress(Conflict):  # It ended by itself.
                lifecycle.kill(container, "KILL")
        with container.lock:
            state.status = "removing"
            container.save_state()
            grave = self._buried(container.folder)
            with self._lock:
                self._by_id.pop(container.id, None)
            if volumes:
                self._remove_volumes(container.record)
            container.is_removed = True
            container.audience.dismiss()
            container.publish("destroy")
            container.changed.notify_all()
        remove_tree(grave)

    def prune(self, filters: Filters) -> dict[str, Any]:
        """Remove those that do not run.

        Args:
            filters: `until`, `label` and `label!`.

        Returns:
            Ids and bytes, in the API's form.
        """
        filters.only("until", "label", "label!")
        before = min((timestamps.nanoseconds(until) for until in filters["until"]), default=None)
        deleted, reclaimed = [], 0
        for container in self.all():
            created = timestamps.nanoseconds(container.record.created)
            if (
                before is not None
                and created >= before
                or container.record.intermediate
                or not filters.labels(container.record.config["Labels"])
            ):
                continue
            size = container.size()
            with contextlib.suppress(Conflict):
                self.remove(container)
                deleted.append(container.id)
                reclaimed += size
        self.parts.events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
        return {"ContainersDeleted": deleted, "SpaceReclaimed": reclaimed}

    # The engine's start and end.

    def resume(self) -> None:
        """At the engine's start: what ran when an earlier one ended is treated as its policy says.

        Containers of builds go: the builds have ended too.
        """
        crashed, self._crashed = self._crashed, []
        for container in self.all():
            state, host_config = container.record.state, container.record.host_config
            if container.record.intermediate:
                self.remove(container, volumes=True)
            elif state.status != "created" and restart.applies(
                host_config["RestartPolicy"],
                state.exit_code,
                container.record.restart_count,
                state.stopped_by_user,
            ):
                with contextlib.suppress(EngineError):  # The record says why.
                    container.start()
            elif container in crashed and host_config["AutoRemove"]:
                self.remove(container, volumes=True)

    def close(self) -> None:
        """At the engine's end: stop all of them. Their policies start them again with the engine."""
        running = [container for container in self.all() if container.record.state.is_running]
        stops = [threading.Thread(target=self._stop_for_now, args=[container]) for container in running]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def _stop_for_now(self, container: Container) -> None:
        by_user = container.record.state.stopped_by_user
        lifecycle.stop(container, 0 if container.record.intermediate else _STOP_SECONDS_AT_SHUTDOWN)
        with container.lock:
            container.record.state.stopped_by_user = by_user
            if not container.is_removed:
                container.save()

    def _load(self, folder: Path) -> None:
        try:
            record = Record.load(folder)
        except FileNotFoundError:
            remove_tree(self._buried(folder))
            return
        if record.state.status == "removing":
            remove_tree(self._buried(folder))
            return
        container = self._container(record)
        if record.state.is_running:
            record.state.status, record.state.pid = "exited", 0
            record.state.exit_code = container.exit_code = _KILLED
            record.state.finished_at = timestamps.now()
            container.save_state()
            self._crashed.append(container)
        self._by_id[record.id] = container

    def _container(self, record: Record) -> Container:
        return Container(
            record,
            self._room / record.id,
            self.parts,
            lambda container: links.variables(container, self.get),
            self._remove_by_itself,
        )

    def _remove_by_itself(self, container: Container) -> None:
        with contextlib.suppress(Conflict):  # Somebody else removes it, or has started it again.
            self.remove(container, volumes=True)

    def _make(self, record: Record) -> Container:
        with self._lock:
            if record.name:
                self._check_unused(record.name)
            else:
                record.name = names.unused({container.name for container in self._by_id.values()})
            container = self._container(record)
            self._by_id[record.id] = container  # So that nobody else takes the name.
        try:
            container.folder.mkdir()
            self._prepare(container)
            container.save()  # From now on it is whole: a start of the engine finds it.
        except BaseException:
            with self._lock:
                del self._by_id[record.id]
            remove_tree(self._buried(container.folder))
            raise
        container.publish("create")
        return container

    def _prepare(self, container: Container) -> None:
        self.parts.runner.prepare(container.root)
        for point in container.record.mounts:
            if point["Type"] == "volume":
                self._provide(container, point)

    def _provide(self, container: Container, point: mounts.MountPoint) -> None:
        """Make a volume when it is not there, and fill it when it is empty."""
        labels = point.get("Labels") or ({} if point["Named"] else {"com.docker.volume.anonymous": ""})
        volume = self.parts.volumes.create(
            point["Name"], point["Driver"], point.get("DriverOptions") or {}, labels or None
        )
        point["Source"] = str(volume.folder)
        if not point.get("NoCopy") and volume.folder.is_dir() and not any(volume.folder.iterdir()):
            self._fill(container, point["Destination"])

    def _fill(self, container: Container, target: str) -> None:
        """Copy what the image has at a place into the volume that is mounted there."""
        sandbox = container.sandbox
        with tempfile.TemporaryFile(dir=self._data_root / "tmp") as archive:
            bare = self.parts.runner.files(replace(sandbox, mounts=()), None)
            try:
                bare.pack(target, archive)
            except NotFound:
                return
            archive.seek(0)
            self.parts.runner.files(sandbox, None).unpack(os.path.dirname(target), archive)

    def _settle_namespaces(self, id: str, config: dict[str, Any], host_config: dict[str, Any]) -> None:
        for kind in ("NetworkMode", "PidMode", "IpcMode"):
            name = host_config[kind].removeprefix("container:")
            if name != host_config[kind]:
                host_config[kind] = f"container:{self._other(name).id}"
        mode = host_config["NetworkMode"]
        if mode.startswith("container:"):
            other = self.get(mode.removeprefix("container:"))
            config["Hostname"] = other.record.config["Hostname"]
        elif mode == "host":
            config["Hostname"] = config["Hostname"] or socket.gethostname()
        config["Hostname"] = config["Hostname"] or id[:12]

    def _mounts_of(self, name: str) -> list[mounts.MountPoint]:
        return self._other(name).record.mounts

    def _other(self, name: str) -> Container:
        """A container that the request for another one names."""
        try:
            return self.get(name)
        except NotFound as error:  # Of which clients would think that it means the image.
            raise BadRequest(error.message) from error

    def _check_unused(self, name: str) -> None:
        for other in self._by_id.values():
            if other.name == name:
                raise Conflict(
                    f'Conflict. The container name "/{name}" is already in use by container "{other.id}". '
                    "You have to remove (or rename) that container to be able to reuse that name."
                )

    def _remove_volumes(self, record: Record) -> None:
        for point in record.mounts:
            if point["Type"] == "volume" and not point["Named"]:
                with contextlib.suppress(Conflict, NotFound):  # Another container has it too.
                    self.parts.volumes.remove(point["Name"], self.using_volume)

    def _buried(self, folder: Path) -> Path:
        """Take a container's folder out of its room, in one step; the result is to be removed."""
        grave = self._data_root.unused("container")
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, grave)
        return grave


def _check_platform(image: Image, name: str, platform: str) -> None:
    wanted = platforms.parse(platform)
    if not wanted.fits(image.config):
        actual = f"{image.config.get('os')}/{image.config.get('architecture')}"
        raise NotFound(
            f"image with reference {name} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {actual}"
        )


def _endpoints(mode: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """The endpoints that a request wants. A hardware address beside them is one for the first network."""
    wanted = (request.get("NetworkingConfig") or {}).get("EndpointsConfig")
    if mac := request.get("MacAddress"):
        name = "bridge" if mode == "default" else mode
        wanted = {**(wanted or {}), name: {"MacAddress": mac, **((wanted or {}).get(name) or {})}}
    return wanted
