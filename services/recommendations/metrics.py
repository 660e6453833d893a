"""The service's figures, in Prometheus' text format at `http://…:METRICS_PORT/metrics`.

The names are those that gRPC's servers in other languages use, so that dashboards fit.
"""

import functools
import logging
import os

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, start_http_server

# Half a millisecond to the half second after which the Marketplace gives up.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

disable_created_metrics()  # Half of all series, and nobody plots them.
HANDLED = Counter("grpc_server_handled", "Calls that have ended.", ["grpc_method", "grpc_code"])
SECONDS = Histogram("grpc_server_handling_seconds", "How long calls took.", ["grpc_method"], buckets=BUCKETS)
IN_FLIGHT = Gauge("grpc_server_in_flight", "Calls that are being answered now.")


def count(method: str, code: str, seconds: float) -> None:
    """Count a call that has ended."""
    handled, duration = _series(method, code)
    handled.inc()
    duration.observe(seconds)


@functools.cache  # To find a series by its labels takes longer than to count.
def _series(method: str, code: str) -> tuple[Counter, Histogram]:
    return HANDLED.labels(method, code), SECONDS.labels(method)


def serve(host: str, log: logging.Logger) -> None:
    """Serve `/metrics` on `METRICS_PORT` (9464; 0 lets the system choose) of `host`.

    Nobody should miss a recommendation because nobody can count them: a port that cannot be had is
    a warning in the log, not the end.
    """
    port = int(os.environ.get("METRICS_PORT", "9464"))
    try:
        server, _ = start_http_server(port, host)
    except OSError as error:
        log.warning(f"no metrics: cannot listen on port {port} ({error.strerror}); set METRICS_PORT")
    else:
        log.info("serving metrics", extra={"fields": {"port": server.server_port}})
