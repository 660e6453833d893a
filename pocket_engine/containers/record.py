"""What is stored of a container."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pocket_engine.containers.timestamps import NEVER
from pocket_engine.data_root import read_json, write_json


@dataclass
class State:
    """Where a container is in its life.

    Attributes:
        status: created, running, paused, restarting, removing, exited or dead.
        pid: the machine's id of its first program; 0 when it does not run.
        exit_code: of the last run.
        error: why the last start failed.
        oom_killed: whether the last run ended because it took more memory than its limit.
        started_at: when the last run began.
        finished_at: when the last run ended.
        stopped_by_user: whether somebody stopped it, so that `unless-stopped` leaves it so.
    """

    status: str = "created"
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: str = NEVER
    finished_at: str = NEVER
    stopped_by_user: bool = False

    @property
    def is_running(self) -> bool:
        """In Docker's sense: also while it is paused, or waits to be started again."""
        return self.status in ("running", "paused", "restarting")


@dataclass
class Record:
    """All that is stored of a container, and enough to start it again.

    Attributes:
        id: 64 hexadecimal digits.
        name: without a slash.
        created: RFC 3339.
        image: the image's id.
        config: the API's Config, completed from the image.
        host_config: the API's HostConfig, with all its defaults.
        mounts: the API's mount points; those of type tmpfs have their options too.
        endpoints: by the network's name, the API's EndpointSettings as the client gave them.
        restart_count: how often its policy has started it again.
        intermediate: a build works with it, and it ends with the build.
        state: where it is in its life.
    """

    id: str
    name: str
    created: str
    image: str
    config: dict[str, Any]
    host_config: dict[str, Any]
    mounts: list[dict[str, Any]] = field(default_factory=list)
    endpoints: dict[str, Any] = field(default_factory=dict)
    restart_count: int = 0
    intermediate: bool = False
    state: State = field(default_factory=State)

    FILE = "container.json"

    def save(self, folder: Path) -> None:
        """Write it into the container's folder, in one step."""
        write_json(folder / self.FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "Record":
        """Read what `save` wrote."""
        content = read_json(folder / cls.FILE)
        return cls(**{**content, "state": State(**content["state"])})

    @property
    def arguments(self) -> list[str]:
        """The program and its arguments: Entrypoint, then Cmd."""
        return [*(self.config.get("Entrypoint") or []), *(self.config.get("Cmd") or [])]
