"""Run a service as a process beside the notebook.

NotReady                  it did not answer in time, or exited first; the message has its last log lines
workshop.ports.PortTaken  somebody else has the port
"""

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from workshop import ports
from workshop.errors import PlainError
from workshop.repository import ROOT, SERVICES, WORK

READY_SECONDS = 20.0
STOP_SECONDS = 8.0
LOG_LINES = 12


class NotReady(PlainError):
    """A service exited early or was too slow; the message says which and shows its last log lines."""


class Service:
    """A service that runs as a process beside the notebook.

    It is stopped by `stop()`, at the end of a `with` block, or together with the kernel.

    Attributes:
        name: what it was started as.
        port: the port that it listens on.
        pid: its process id.
        log_file: where its output goes.
    """

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
        self.name = name
        self.port = port
        self.pid = process.pid
        self.log_file = log_file
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative after a signal, as in `subprocess`."""
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        return self.exit_code is None

    def log(self, lines: int = LOG_LINES) -> str:
        """The last lines of its output."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_for_log(self, text: str, seconds: float = 5.0) -> str:
        """Wait until a line of its output contains `text`, and return the newest such line.

        Raises:
            NotReady: no such line came in time, or the service exited without one.
        """
        deadline = time.monotonic() + seconds
        while True:
            running = self.is_running  # Asked first: its last lines may come right before its end.
            written = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
            if found := [line for line in written if text in line]:
                return found[-1]
            if not running:
                raise NotReady(_story(self, f"exited with code {self.exit_code} before it wrote “{text}”"))
            if time.monotonic() > deadline:
                raise NotReady(_story(self, f"did not write “{text}” within {seconds:g} s"))
            time.sleep(0.01)

    def stop(self) -> int:
        """Ask it to stop, as `docker stop` does: SIGTERM, and SIGKILL where that does not help.

        Returns:
            Its exit code.
        """
        if self.is_running:
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            if _running.get(self.name) is self:  # Not the one that has taken its place.
                del _running[self.name]

    def kill(self) -> int:
        """Kill it with no chance to finish anything (SIGKILL), and return its exit code."""
        self._process.kill()
        return self._process.wait()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else f"exited with {self.exit_code}"
        return f"<{self.name}: {state}, process {self.pid}, port {self.port}>"


_running: dict[str, Service] = {}


def running() -> list[str]:
    """The names of the services that run beside this notebook now."""
    return [name for name, service in _running.items() if service.is_running]


def run_recommendations(
    port: int | None = None,
    folder: Path | str | None = None,
    name: str = "recommendations",
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Run `python recommendations.py` and wait until it listens.

    Args:
        port: where it listens; by default 50051, or the next free port where that is taken.
        folder: the service's folder; give your own copy to run that one.
        name: what to call it; a second service of this name replaces the first.
        environment: further variables for this process; what is named here wins.

    Raises:
        PortTaken: the port that you asked for is somebody else's.
        NotReady: it exited, or was too slow.
    """
    command = ["recommendations.py"]
    return _run(
        name, command, port, 50051, Path(folder or SERVICES / "recommendations"), {**(environment or {})}
    )


def run_marketplace(
    recommendations_port: int = 50051,
    port: int | None = None,
    folder: Path | str | None = None,
    name: str = "marketplace",
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Run `flask run` with the Marketplace and wait until it listens.

    Args:
        recommendations_port: where Recommendations listens.
        port: where the page is served; by default 5000, or the next free port where that is taken.
        folder: the service's folder; give your own copy to run that one.
        name: what to call it; a second service of this name replaces the first.
        environment: further variables for this process; what is named here wins.

    Raises:
        PortTaken: the port that you asked for is somebody else's.
        NotReady: it exited, or was too slow.
    """
    variables = {
        "FLASK_APP": "marketplace.py",
        "RECOMMENDATIONS_HOST": "localhost",
        "RECOMMENDATIONS_PORT": str(recommendations_port),
        **(environment or {}),
    }
    command = ["-m", "flask", "run", "--port", "{port}"]
    return _run(name, command, port, 5000, Path(folder or SERVICES / "marketplace"), variables)


def _run(
    name: str,
    command: list[str],
    wanted: int | None,
    usual_port: int,
    folder: Path,
    environment: dict[str, str],
) -> Service:
    if name in _running:
        _running[name].stop()
    service = _start(name, command, ports.choose(wanted, usual_port), folder, environment)
    try:
        _wait_until_it_listens(service)
    except NotReady:
        if wanted is None and not ports.is_free(service.port):  # Another notebook was faster: the next port.
            return _run(name, command, wanted, usual_port, folder, environment)
        raise
    return service


def _start(name: str, command: list[str], port: int, folder: Path, environment: dict[str, str]) -> Service:
    # The kernel's number tells apart the files of two notebooks that run the same service.
    log_file = WORK / "logs" / f"{name}-{os.getpid()}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop.lifeline", *(part.format(port=port) for part in command)],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "PORT": str(port),
                "METRICS_PORT": "0",  # Any; the service logs which.
                "LISTEN_HOST": "localhost",  # For this machine only, not for the whole Wi-Fi.
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    _running[name] = Service(name, process, port, log_file)
    return _running[name]


def _wait_until_it_listens(service: Service) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if not service.is_running:
            raise NotReady(_story(service, f"exited with code {service.exit_code} before it was ready"))
        if _listens(service):
            return
        time.sleep(0.05)
    service.stop()
    raise NotReady(_story(service, f"did not listen on port {service.port} within {READY_SECONDS:.0f} s"))


def _listens(service: Service) -> bool:
    """Whether this very process has the port; a connection could be answered by somebody else's."""
    try:
        connections = psutil.Process(service.pid).net_connections("tcp")
    except psutil.Error:  # It has just ended.
        return False
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (service.port,)
        for connection in connections
    )


def _story(service: Service, what: str) -> str:
    file = service.log_file.relative_to(ROOT)
    return f"The service “{service.name}” {what}. Its last lines ({file}):\n{service.log()}"


def _keep_local_calls_off_proxies() -> None:
    """Where HTTP_PROXY is set, gRPC and HTTP clients would ask the proxy for this machine's own ports."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "localhost", "127.0.0.1"]))


_keep_local_calls_off_proxies()


@atexit.register
def _stop_all() -> None:
    for service in list(_running.values()):
        service.stop()
