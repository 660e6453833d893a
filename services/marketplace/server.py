"""How the Marketplace is served in its image: `python server.py` answers HTTP on `PORT` (5000).

granian reads and writes HTTP in Rust, away from Python's lock, and hands whole requests to a few
Python threads. So clients that are slow, idle or hostile cost no thread; `make bench` compares.
"""

import logging
import os
import socket
import sys
import threading

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mt import MTServer

from connections import allow_many_connections
from logs import log_to_stdout
from marketplace import create_app
from ports import port_from
from recommender import PLACES

# Some more than may be waiting for Recommendations, so that there is always one for the next page.
THREADS = PLACES + 2

GRACE_SECONDS = 5.0  # How long requests in flight may still take once we are asked to stop.

CONNECTIONS = 20_000  # Idle ones included.
# A request's head has to be there by then, the next one's on the same connection too: a proxy in front
# must not keep idle connections for longer.
HEADER_SECONDS = 2
HEADER_BYTES = 32 * 1024

log = logging.getLogger("marketplace")


class OneProcess(MTServer):
    """granian with its worker in a thread of this process, in place of a second process.

    A container has somebody outside who starts it again; a parent process in it would only be 25 MB more.
    granian ships this server for free-threaded Python and lets others not start it. Nothing in it
    needs that, as long as there is one worker: the lock that we have protects what is free there.
    """

    def _check_gil(self) -> None:
        pass

    def shutdown(self, exit_code: int = 0) -> None:
        """Finish what is in flight; whoever does not take their answer could hold that up for ever."""
        end = threading.Timer(GRACE_SECONDS, _leave)
        end.daemon = True
        end.start()
        super().shutdown(exit_code)


def _leave() -> None:
    log.warning("stopped, though somebody has not taken their answer")
    os._exit(0)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, finish the requests in flight, and leave with code 0.

    What cannot work ends the process with code 1 and one sentence.
    """
    log_to_stdout()
    allow_many_connections()
    try:
        port = port_from("PORT", 5000)
        app = create_app()
    except ValueError as error:
        log.error(str(error))
        sys.exit(1)
    try:
        _look_whether_it_is_free(port)
    except OSError:
        log.error(f"cannot listen on port {port}: stop the process that has it, or set PORT")
        sys.exit(1)
    server = OneProcess(
        "marketplace",
        address="0.0.0.0",
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig={"loggers": {"_granian": {"propagate": True}}, "handlers": {}, "formatters": {}},
    )
    server.on_startup(lambda: log.info("listening", extra={"fields": {"port": port}}))
    server.on_shutdown(lambda: log.info("stopped"))
    server.serve(target_loader=lambda _: app)


def _look_whether_it_is_free(port: int) -> None:
    """Raise OSError where somebody listens on `port`: granian would share it, for half of the requests."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Ended connections do not count.
        probe.bind(("0.0.0.0", port))


if __name__ == "__main__":
    main()
