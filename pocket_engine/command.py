"""The command: start an engine, and serve until it is told to stop."""

import argparse
import contextlib
import ctypes
import logging
import signal
import sys
from pathlib import Path

from pocket_engine import __version__, locations
from pocket_engine.api import create_app, serving
from pocket_engine.data_root import DataRoot
from pocket_engine.engine import DataRootInUse, Engine
from pocket_engine.runners.choosing import NAMES, NoRunner

M_ARENA_MAX = -8  # As in glibc's malloc.h.

EPILOG = """\
Then, in another terminal:
  export DOCKER_HOST=unix:///PATH
  docker run --rm -it python:3.13-slim
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code: 0 when the engine was told to stop, 1 when it cannot start."""
    chosen = _parser().parse_args(arguments)
    _share_memory_between_threads()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # From the first moment on, like Ctrl-C.
    try:
        engine = Engine(DataRoot(chosen.data_root), chosen.runner, chosen.registry_mirror)
        try:
            with serving.listen(chosen.host) as listener:
                engine.start()
                serving.serve(
                    create_app(engine), listener, lambda: engine.containers.is_any_running, chosen.idle
                )
        finally:
            engine.close()
    except (DataRootInUse, NoRunner, serving.CannotListen, ValueError, OSError) as error:
        print(f"pocket_engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass  # Before it served, or a second time: what runs ends with this process.
    return 0


def _share_memory_between_threads() -> None:
    """Have one pool of free memory. With one for each of its many threads, as is glibc's way, the engine
    grows by 15 MB in a session; they cannot use them at the same time anyway."""
    with contextlib.suppress(AttributeError):  # Other C libraries have one pool only.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pocket_engine",
        description="A Docker Engine for machines where none can run: without root, without a daemon.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    socket, data = locations.socket(), locations.data_root()
    parser.add_argument(
        "--host",
        type=_socket,
        default=socket,
        metavar="unix:///PATH",
        help=f"the socket to listen on; only you may open it (default: unix://{socket})",
    )
    parser.add_argument(
        "--data-root",
        type=lambda text: Path(text).absolute(),
        default=data,
        metavar="DIR",
        help=f"the folder for images, containers and volumes (default: {data})",
    )
    parser.add_argument(
        "--runner",
        choices=NAMES,
        help="how containers are run (default: the first of these that works on this machine)",
    )
    parser.add_argument(
        "--registry-mirror",
        action="append",
        default=[],
        metavar="URL",
        help="a copy of Docker Hub that is asked before it; may be given several times",
    )
    parser.add_argument(
        "--idle",
        type=float,
        metavar="SECONDS",
        help="leave when nobody has used the engine for so long and no container runs (default: stay)",
    )
    parser.add_argument("--version", action="version", version=f"Pocket engine {__version__}")
    return parser


def _socket(text: str) -> Path:
    if not text.startswith("unix:///"):
        raise argparse.ArgumentTypeError(f"{text!r} is no unix:///PATH; this engine listens on nothing else")
    return Path(text.removeprefix("unix://"))
