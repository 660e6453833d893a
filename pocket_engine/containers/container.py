"""One container: what it is, and how it comes to run and ends."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocket_engine.containers import sandbox as sandboxes
from pocket_engine.containers import timestamps
from pocket_engine.containers.exec import Exec
from pocket_engine.containers.health import Health, Probe
from pocket_engine.containers.logs import Log
from pocket_engine.containers.memory import MemoryLimit
from pocket_engine.containers.record import Record
from pocket_engine.containers.restart import Restarts
from pocket_engine.containers.run import Run
from pocket_engine.containers.stdio import Audience, Stdio
from pocket_engine.errors import BadRequest, Conflict, EngineError
from pocket_engine.events import Events
from pocket_engine.images.store import ImageStore
from pocket_engine.networks import Attachment, Member, Networks
from pocket_engine.runners import CannotStart, Files, Root, Runner, Sandbox
from pocket_engine.volumes import Volumes, disk_usage

log = logging.getLogger(__name__)

_RUNC = "failed to create shim task: OCI runtime create failed: runc create failed: "
_RUNC_PROCESS = _RUNC + "unable to start container process: "


@dataclass(frozen=True)
class Parts:
    """The parts of the engine that a container needs."""

    runner: Runner
    images: ImageStore
    networks: Networks
    volumes: Volumes
    events: Events


class Container:
    """One container.

    Its state changes only under `lock`, and whoever waits for that is told by `changed`.

    Args:
        record: what is stored of it.
        folder: its own, in the data root.
        parts: of the engine.
        linked: tells the variables and the other containers that its links mean.
        ended: is called in a thread of its own after a last run, when AutoRemove is set.

    Attributes:
        run: the current run; None when it does not run.
        audience: who listens to its first program, from before its start.
        execs: by id, what `docker exec` started in it, of late.
        exits: how many runs have ended since the engine's start.
        exit_code: of the last run that has ended; the record forgets it when the next one begins.
        is_removed: it is gone.
    """

    def __init__(
        self,
        record: Record,
        folder: Path,
        parts: Parts,
        linked: Callable[["Container"], list[str]],
        ended: Callable[["Container"], None],
    ) -> None:
        self.record, self.folder, self.parts = record, folder, parts
        self._linked, self._ended = linked, ended
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.run: Run | None = None
        self.audience = Audience()
        self.execs: dict[str, Exec] = {}
        self.exits = 0
        self.exit_code = record.state.exit_code
        self.is_removed = False
        self.health: Health | None = None  # Of the current run, or of the last.
        self._restarts = Restarts()
        self._keep = False  # Not to be removed at its next end: it is being restarted.
        self.log = self._new_log()

    # What it is.

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self.record.id

    @property
    def name(self) -> str:
        """Without a slash."""
        return self.record.name

    @property
    def root(self) -> Root:
        """Its files."""
        image = self.parts.images.by_id(self.record.image)
        return Root(self.parts.images.layer_paths(image), self.folder / "root")

    @property
    def log_path(self) -> Path:
        """Where its log lies."""
        return self.folder / f"{self.id}-json.log"

    @property
    def sandbox(self) -> Sandbox:
        """As the runner knows it now."""
        if self.run:
            return self.run.sandbox
        return sandboxes.sandbox(self.record, self.root, self.parts.volumes, None)

    @property
    def files(self) -> Files:
        """Its files and mounts, whether it runs or not."""
        with self.lock:
            return self.parts.runner.files(self.sandbox, self.run.running if self.run else None)

    def running(self) -> Run:
        """The current run.

        Raises:
            Conflict: there is none.
        """
        run = self.run
        if run is None:
            if self.record.state.status == "restarting":
                raise Conflict(f"Container {self.id} is restarting, wait until the container is running")
            raise Conflict(f"Container {self.id} is not running")
        return run

    def next_run(self) -> Run | None:
        """The current run; where there is none, wait for one. None when the container is removed first."""
        with self.lock:
            self.changed.wait_for(lambda: self.run or self.is_removed)
            return self.run

    def add_exec(self, one: Exec) -> None:
        """Keep what `docker exec` made, so that it is found by its id. What ended long ago is forgotten."""
        with self.lock:
            recent = {id: other for id, other in self.execs.items() if other.is_recent}
            self.execs = {**recent, one.id: one}

    def pids(self) -> list[int]:
        """The machine's ids of its processes; none when it does not run."""
        return self.run.running.pids() if self.run else []

    def size(self) -> int:
        """The bytes of what it wrote."""
        return disk_usage(self.root.folder)

    def save(self) -> None:
        """Store its record."""
        self.record.save(self.folder)

    def save_state(self) -> None:
        """Store what has happened to it already, and cannot be refused any more.

        Where a full disk takes no note of it, the next start of the engine believes what it finds.
        """
        try:
            self.save()
        except OSError as error:
            log.warning("the state of container %s could not be stored: %s", self.id[:12], error)

    def publish(self, action: str, **attributes: str) -> None:
        """Tell that something happened to it."""
        known = {"image": self.record.config["Image"], "name": self.name}
        labels = self.record.config["Labels"] or {}
        self.parts.events.publish("container", action, self.id, {**labels, **attributes, **known})

    def connect(self, network: str, wanted: dict[str, Any] | None) -> None:
        """Put it on one more network.

        Args:
            network: id or name.
            wanted: the API's EndpointConfig.

        Raises:
            NotFound: there is no such network.
            Forbidden: it cannot be put on that one.
        """
        with self.lock:
            record, mode = self.record, self.record.host_config["NetworkMode"]
            record.endpoints = self.parts.networks.connect(record.endpoints, mode, network, wanted, self.id)
            self.save()

    def disconnect(self, network: str, force: bool) -> None:
        """Take it off a network; `force`: also when the network knows nothing of it."""
        with self.lock:
            record, mode = self.record, self.record.host_config["NetworkMode"]
            record.endpoints = self.parts.networks.disconnect(record.endpoints, mode, network, force, self.id)
            self.save()

    # How it comes to run.

    def start(self) -> bool:
        """Start it. Returns False when it runs already.

        Raises:
            Conflict: it is paused, or is being removed.
            EngineError: it cannot be started; the message says why, and the record keeps it.
        """
        with self.lock:
            if self.record.state.status == "paused":
                raise Conflict("cannot start a paused container, try unpause instead")
            if self.record.state.is_running:
                return False
            if self.is_removed or self.record.state.status in ("removing", "dead"):
                raise Conflict("container is marked for removal and cannot be started")
            self.record.state.stopped_by_user = False
            self.record.restart_count = 0
            self._restarts = Restarts()
            try:
                run = self._begin()
            except EngineError:
                if self.record.host_config["AutoRemove"]:
                    threading.Thread(target=self._ended, args=[self], daemon=True).start()
                raise
        threading.Thread(target=self._live, args=[run], name=f"run-{self.id[:12]}", daemon=True).start()
        return True

    def begin_restart(self) -> None:
        """Its next end is not its last, even with AutoRemove."""
        self._keep = True

    def end_restart(self) -> None:
        """It has been started again."""
        self._keep = False

    def _begin(self) -> Run:
        """Start the first program. The lock is held."""
        state = self.record.state
        try:
            attachment = self.parts.networks.attach(self._member())
            try:
                run = self._launch(attachment)
            except BaseException:
                attachment.close()
                raise
        except (EngineError, CannotStart) as error:
            told = error if isinstance(error, EngineError) else _as_the_engine_says_it(error)
            state.error = told.message
            state.exit_code = error.exit_code if isinstance(error, CannotStart) else 128
            self.save_state()
            self.audience.dismiss()
            raise told from error
        self.run = run
        state.status, state.pid, state.started_at = "running", run.running.pid, timestamps.now()
        state.exit_code, state.error, state.oom_killed = 0, "", False
        self.save_state()
        self.publish("start")
        if run.health:
            run.health.watch()
        if run.memory:
            run.memory.watch()
        self.changed.notify_all()
        return run

    def _launch(self, attachment: Attachment) -> Run:
        config = self.record.config
        sandbox = sandboxes.sandbox(self.record, self.root, self.parts.volumes, attachment)
        program = sandboxes.program(self.record, attachment, self._linked(self))
        stdio = Stdio(config["Tty"], config["OpenStdin"], self.audience, self.log)
        began = time.monotonic()
        if self.log:
            self.log.open()
        try:
            running = self.parts.runner.start(sandbox, program, stdio.program)
        except BaseException:
            stdio.abandon()
            if self.log:
                self.log.close()
            raise
        stdio.started()
        run = Run(sandbox, running, stdio, attachment, began)
        run.memory = MemoryLimit(lambda: self.record.host_config["Memory"], running.pids, self._out_of_memory)
        run.health = self.health = self._new_health()
        return run

    def _member(self) -> Member:
        config, host_config = self.record.config, self.record.host_config
        return Member(
            id=self.id,
            name=self.name,
            hostname=config["Hostname"],
            domainname=config["Domainname"],
            folder=self.folder,
            mode=host_config["NetworkMode"],
            endpoints=self.record.endpoints,
            exposed=tuple(config.get("ExposedPorts") or ()),
            bindings=host_config["PortBindings"],
            publish_all=host_config["PublishAllPorts"],
            links=tuple(host_config["Links"] or ()),
            extra_hosts=tuple(host_config["ExtraHosts"] or ()),
            dns=tuple(host_config["Dns"]),
            dns_search=tuple(host_config["DnsSearch"]),
            dns_options=tuple(host_config["DnsOptions"]),
        )

    def _new_health(self) -> Health | None:
        probe = Probe.of(self.record.config)
        if probe is None:
            return None
        return Health(
            probe,
            lambda command, seconds: Exec(self, {"Cmd": command}).result(seconds),
            lambda status: self.publish(f"health_status: {status}"),
        )

    def _new_log(self) -> Log | None:
        options = self.record.host_config["LogConfig"]
        return Log(self.log_path, options["Config"]) if options["Type"] == "json-file" else None

    def _out_of_memory(self) -> None:
        if not self.record.state.oom_killed:
            self.record.state.oom_killed = True
            self.publish("oom")

    # How it ends.

    def _live(self, run: Run) -> None:
        """Follow a run to its end, and the runs that its restart policy makes of it."""
        next_run: Run | None = run
        while next_run:
            exit_code = next_run.wait()
            with self.lock:
                delay = self._after(next_run, exit_code)
                next_run = None if delay is None else self._again(delay)
                is_over = next_run is None and not self._keep
        if is_over and self.record.host_config["AutoRemove"]:
            self._ended(self)

    def _after(self, run: Run, exit_code: int) -> float | None:
        """A run has ended. Seconds until the next; None when there is none."""
        state = self.record.state
        delay = None
        if not run.is_last:
            delay = self._restarts.delay_after(
                self.record.host_config["RestartPolicy"],
                exit_code,
                time.monotonic() - run.began,
                self.record.restart_count,
                state.stopped_by_user,
            )
        self.run = None
        self.exit_code = exit_code
        state.status = "exited" if delay is None else "restarting"
        state.pid, state.exit_code, state.finished_at = 0, exit_code, timestamps.now()
        self.save_state()
        self.exits += 1
        self.publish("die", exitCode=str(exit_code))
        if self.log:
            self.log.close()
        self.audience.dismiss()
        self.changed.notify_all()
        return delay

    def _again(self, delay: float) -> Run | None:
        """Start it again after a while, unless somebody stops it meanwhile."""
        state = self.record.state
        self.changed.wait_for(lambda: state.status != "restarting", timeout=delay)
        if state.status != "restarting":
            return None
        self.record.restart_count += 1
        try:
            return self._begin()
        except EngineError as error:
            log.warning("container %s was not restarted: %s", self.id[:12], error.message)
            state.status = "exited"
            self.save_state()
            self.changed.notify_all()
            return None


def _as_the_engine_says_it(error: CannotStart) -> EngineError:
    if error.message.startswith(("exec:", "chdir")):
        return BadRequest(f"{_RUNC_PROCESS}{error.message}: unknown")
    return EngineError(error.message)
