"""`workshop lab`: JupyterLab, opened on the first lesson."""

import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workshop import ports, stubs
from workshop.repository import ROOT, WORK

FIRST_LESSON = "notebooks/00-start-here.ipynb"
SETTINGS = ROOT / "workshop" / "jupyter"
USUAL_PORT = 8888
HOST = "127.0.0.1"


def start(port: int | None = None, browser: bool = True) -> None:
    """Start JupyterLab in this process, and return when it has been stopped.

    Args:
        port: where it listens; by default 8888, or the next free port where that is taken.
        browser: open one, where this machine has a screen.

    Raises:
        PortTaken: somebody else has the port that was asked for.
        InvalidContract: the stubs cannot be generated.
    """
    _say("Starting JupyterLab on the first lesson …")
    chosen = ports.choose(port, USUAL_PORT)
    if not stubs.are_current():
        _say("Generating the stubs from the contract.")
        stubs.generate()
    # So that a terminal in JupyterLab, and a cell with `!`, find the commands of this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # In the environment, not among the arguments: `ps` shows those to everybody on the machine.
    os.environ.setdefault("JUPYTER_TOKEN", secrets.token_hex(24))
    # Settings of our own, read beside the learner's: no question about news.
    settings = filter(None, (str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")))
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(settings)
    _serve(arguments(chosen, browser and has_screen(os.environ, sys.platform)))


def arguments(port: int, browser: bool) -> list[str]:
    """What JupyterLab is started with; it wins over the user's own configuration files."""
    wanted: dict[str, Any] = {
        "ServerApp.ip": HOST,
        "ServerApp.port": port,
        "ServerApp.root_dir": ROOT,
        "ServerApp.open_browser": browser,
        # Warnings would greet each lesson with “is not trusted”, which it is not: it has no outputs yet.
        "ServerApp.log_level": "ERROR",
        "LabApp.log_level": "ERROR",
        "LabApp.default_url": f"/lab/tree/{FIRST_LESSON}",
        # The tabs of the learner's other projects stay out of this one.
        "LabApp.workspaces_dir": WORK / "jupyter" / "workspaces",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        # On a shared machine, nobody else can read along with the kernels; they warn otherwise.
        "KernelManager.transport_encryption": "auto",
    }
    given = [f"--{name}={value}" for name, value in wanted.items()]
    return [*given, "--allow-root"] if _is_root() else given


def has_screen(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser opened from here would be seen by anybody."""
    if "CI" in environment:
        return False
    if "BROWSER" in environment:  # Codespaces and VS Code's remote windows set it, and can show pages.
        return True
    if "SSH_CONNECTION" in environment or "SSH_TTY" in environment:
        return False
    if platform.startswith("linux"):
        return "DISPLAY" in environment or "WAYLAND_DISPLAY" in environment
    return True


def _serve(argv: list[str]) -> None:
    # Takes a second or two to load; the first line to the learner comes before.
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]

    server = LabApp.initialize_server(argv=argv)
    os.environ["WORKSHOP_LAB_PORT"] = str(server.port)  # So that the doctor knows whose port it is.
    _stop_when_told(server)
    address = f"{server.connection_url}lab/tree/{FIRST_LESSON}?token={server.identity_provider.token}"
    # Not before the server listens: that is the event loop's first task, and this is its second.
    server.io_loop.add_callback(_say, f"The workshop: {address}\nStop it with Ctrl-C.")
    server.start()


def _stop_when_told(server: Any) -> None:
    """Stop the server and its kernels at the first signal, without a question."""

    def stop(number: int, frame: object) -> None:
        for each in caught:  # A second Ctrl-C does not wait for slow kernels.
            signal.signal(each, signal.SIG_DFL)
        server.stop(from_signal=True)
        _say("\nStopping JupyterLab and its kernels.")

    caught = (signal.SIGINT, signal.SIGTERM)
    for each in caught:
        signal.signal(each, stop)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # The terminal may be gone, which must not keep the lab running.
        print(line, flush=True)
