"""More programs in a container that runs: `docker exec`, and health checks."""

import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from pocket_engine.containers import sandbox as sandboxes
from pocket_engine.containers.stdio import Audience, Stdio
from pocket_engine.errors import BadRequest, Conflict, EngineError
from pocket_engine.runners import CannotStart, Program, Running

if TYPE_CHECKING:
    from pocket_engine.containers.container import Container

log = logging.getLogger(__name__)

_REMEMBERED_SECONDS = 300  # As long as a Docker Engine does.
_CANNOT_START = 126  # What a Docker Engine reports, whatever the reason.
_RUNC = "OCI runtime exec failed: exec failed: unable to start container process: "


class Exec:
    """One program, created and then started once.

    Args:
        container: which.
        config: the API's: Cmd, Env, User, WorkingDir, Tty, Privileged, AttachStdin, …

    Attributes:
        id: 64 hexadecimal digits.
        audience: who listens to it.

    Raises:
        BadRequest: there is no command in it.
        Conflict: the container does not run, or is paused.
    """

    def __init__(self, container: "Container", config: dict[str, Any]) -> None:
        self.id = secrets.token_hex(32)
        self.container, self.config = container, config
        if not config.get("Cmd"):
            raise BadRequest("No exec command specified")
        self.command = tuple(config["Cmd"])
        self._check_container()
        self.audience = Audience()
        self._stdio: Stdio | None = None
        self._running: Running | None = None
        self._exit_code: int | None = None
        self._ended: float | None = None
        self._is_started = False
        self._copied = threading.Event()
        self._tell("exec_create")

    @property
    def terminal(self) -> bool:
        """Whether it has one."""
        return bool(self.config.get("Tty"))

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._running is not None and self._exit_code is None

    @property
    def is_recent(self) -> bool:
        """Whether a client may still ask for its exit code."""
        return self._ended is None or time.monotonic() - self._ended < _REMEMBERED_SECONDS

    def check_startable(self) -> None:
        """Raises Conflict when it was started already, or the container does not run."""
        if self._is_started:
            how = "is already running" if self.is_running else "has already run"
            raise Conflict(f"Error: Exec command {self.id} {how}")
        self._check_container()

    def start(self, with_stdin: bool = False) -> None:
        """Start it.

        Args:
            with_stdin: whether its input comes from somebody; if not, it reads an end of file.

        Raises:
            Conflict: it was started already, or the container does not run.
            EngineError: it cannot be started.
        """
        with self.container.lock:
            self.check_startable()
            self._is_started = True
            run = self.container.running()
            self._tell("exec_start")
            stdio = Stdio(self.terminal, with_stdin, self.audience)
            try:
                self._running = self.container.parts.runner.enter(
                    run.sandbox, run.running, self._program(), stdio.program
                )
            except (CannotStart, EngineError) as error:
                stdio.abandon()
                self.audience.dismiss()
                self._exit_code, self._ended = _CANNOT_START, time.monotonic()
                self._copied.set()
                raise EngineError(_in_the_engines_words(error)) from error
            except BaseException:
                stdio.abandon()
                raise
            stdio.started()
            self._stdio = stdio
        threading.Thread(target=self._follow, args=[self._running, stdio], name="exec", daemon=True).start()

    def write(self, data: bytes) -> bool:
        """Write to its stdin. Returns False when nobody reads it any more."""
        return self._stdio is not None and self._stdio.write(data)

    def close_stdin(self) -> None:
        """Let it read an end of file; a terminal is left alone."""
        if self._stdio and not self.terminal:
            self._stdio.close_stdin()

    def resize(self, height: int, width: int) -> None:
        """Set its terminal's size, in characters.

        Raises:
            BadRequest: it was not started.
        """
        if self._stdio is None:
            raise BadRequest("cannot resize: the exec was not started")
        self._stdio.resize(height, width)

    def result(self, seconds: float) -> tuple[int | None, str]:
        """Start it, and wait for its end at most so long.

        Returns:
            Its exit code, and what it wrote. The code is None when the time was up; then it was killed.
        """
        listener = self.audience.join()
        try:
            self.start()
        except EngineError as error:
            return self._exit_code, error.message
        in_time = self._copied.wait(seconds)
        if not in_time and self._running:
            self._running.destroy()
        output = listener.drain().decode(errors="replace")
        self.audience.leave(listener)
        return (self._exit_code if in_time else None), output

    def inspect(self) -> dict[str, Any]:
        """`GET /exec/{id}/json`."""
        program, *arguments = self.command
        process: dict[str, Any] = {
            "tty": self.terminal,
            "entrypoint": program,
            "arguments": arguments,
            "privileged": bool(self.config.get("Privileged")),
        }
        if self.config.get("User"):
            process["user"] = self.config["User"]
        return {
            "ID": self.id,
            "Running": self.is_running,
            "ExitCode": self._exit_code,
            "ProcessConfig": process,
            "OpenStdin": bool(self.config.get("AttachStdin")),
            "OpenStderr": bool(self.config.get("AttachStderr")),
            "OpenStdout": bool(self.config.get("AttachStdout")),
            "CanRemove": False,
            "ContainerID": self.container.id,
            "DetachKeys": self.config.get("DetachKeys") or "",
            "Pid": self._running.pid if self._running else 0,
        }

    def _check_container(self) -> None:
        self.container.running()
        if self.container.record.state.status == "paused":
            raise Conflict(f"Container {self.container.id} is paused, unpause the container before exec")

    def _program(self) -> Program:
        record, config = self.container.record, self.config
        attachment = self.container.running().attachment
        wanted = [*record.config["Env"], *(config.get("Env") or [])]
        return Program(
            arguments=self.command,
            environment=sandboxes.environment(record, attachment, self.terminal, wanted),
            folder=config.get("WorkingDir") or record.config["WorkingDir"] or "/",
            user=str(config.get("User") or "") or record.config["User"],
            groups=tuple(str(group) for group in record.host_config["GroupAdd"] or ()),
            terminal=self.terminal,
            privileged=bool(config.get("Privileged")),
        )

    def _follow(self, running: Running, stdio: Stdio) -> None:
        self._exit_code = running.wait()
        self._ended = time.monotonic()
        stdio.finish()
        self.container.publish("exec_die", execID=self.id, exitCode=str(self._exit_code))
        self._copied.set()
        self.audience.dismiss()

    def _tell(self, action: str) -> None:
        self.container.publish(f"{action}: {' '.join(self.command)}", execID=self.id)


def _in_the_engines_words(error: CannotStart | EngineError) -> str:
    if error.message.startswith(("exec:", "chdir")):
        return f"{_RUNC}{error.message}: unknown"
    return error.message
