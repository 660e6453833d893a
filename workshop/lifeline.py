"""Run a service so that it cannot outlive the notebook's kernel.

    python -m workshop.lifeline recommendations.py
    python -m workshop.lifeline -m flask run

The kernel holds the other end of this process's standard input. When the kernel goes, even by
`kill -9`, the system closes that end, and this process stops its service.
"""

import os
import runpy
import signal
import sys
import threading
import time
import traceback
from types import TracebackType

LAST_RESORT_SECONDS = 10


def _stop_when_input_closes() -> None:
    while os.read(0, 1024):  # Unbuffered: a lock on sys.stdin would abort the interpreter at its end.
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_RESORT_SECONDS)
    os._exit(1)


def _show_error(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    """Print an error as Python itself would: without the frames of this file and of runpy."""
    ours = (__file__, "<frozen runpy>", runpy.__file__)
    while frames and frames.tb_frame.f_code.co_filename in ours:
        frames = frames.tb_next
    traceback.print_exception(kind, error, frames)


def main() -> None:
    """Run the script or module that the arguments name, as Python itself would."""
    threading.Thread(target=_stop_when_input_closes, daemon=True).start()
    sys.excepthook = _show_error
    arguments = sys.argv[1:]
    sys.path[0] = os.getcwd()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
