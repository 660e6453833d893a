"""The page's figures, in Prometheus' text format at `/metrics`.

They are on the port that visitors use, so what stands in front of it should not let that path through.
A request is timed from the moment in which a thread takes it: not counted is how long it waited for one.
"""

import functools
import time
from http import HTTPMethod

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# A millisecond to the half second after which a page goes without recommendations, and beyond.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.6, 1.0)

disable_created_metrics()  # Half of all series, and nobody plots them.
REQUESTS = Counter("http_server_requests", "Requests that were answered.", ["method", "route", "code"])
SECONDS = Histogram("http_server_request_seconds", "How long requests took.", ["route"], buckets=BUCKETS)
IN_FLIGHT = Gauge("http_server_in_flight", "Requests that are being answered now.")
CALLS = Counter("recommendations_calls", "Calls to Recommendations, by how they ended.", ["code"])


def measure(app: Flask) -> None:
    """Measure every request of `app`, and serve the figures."""

    @app.before_request
    def begin() -> None:
        g.measured_from = time.perf_counter()
        IN_FLIGHT.inc()

    @app.after_request
    def answered(response: Response) -> Response:
        # The route, not the path: every path that somebody tries would become a series of its own.
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in HTTPMethod.__members__ else "other"
        requests, duration = _series(method, route, response.status_code)
        requests.inc()
        duration.observe(time.perf_counter() - g.measured_from)
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "measured_from" in g:
            IN_FLIGHT.dec()

    @app.get("/metrics")
    def metrics() -> tuple[bytes, dict[str, str]]:
        """Show the figures."""
        return generate_latest(), {"Content-Type": CONTENT_TYPE_LATEST}


@functools.cache  # To find a series by its labels takes longer than to count.
def _series(method: str, route: str, code: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(code)), SECONDS.labels(route)
