"""One log line for each request, under an id that travels on to Recommendations."""

import logging
import time

from flask import Flask, Response, g, request

import request_id
from logs import log_event

HEADER = "X-Request-ID"
# What machines ask for all day; nobody reads about that.
SILENT = ("/healthz", "/readyz", "/metrics")


def log_requests(app: Flask, log: logging.Logger) -> None:
    """Log every request of `app`.

    Whoever sends `X-Request-ID` finds the request under it in the logs of both services; everybody
    gets the id with the answer.
    """

    @app.before_request
    def begin() -> None:
        request_id.accept(request.headers.get(HEADER, ""))
        g.started = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[HEADER] = request_id.current.get()
        if request.path not in SILENT:
            milliseconds = round((time.perf_counter() - g.started) * 1000, 3)
            log_event(
                log,
                "request",
                method=request.method[:20],
                path=request.path[:200],
                code=response.status_code,
                ms=milliseconds,
            )
        return response
