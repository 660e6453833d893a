"""The service's figures, in Prometheus' text format at `http://…:METRICS_PORT/metrics`.

They are for those who run the service: neither TLS nor a password protects them, so publish the
port to nobody else.
"""

import asyncio
import functools
import logging
import socket

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

HEAD_SECONDS = 5.0
HEAD_BYTES = 8192

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


async def serve(host: str, port: int, log: logging.Logger) -> None:
    """Serve `/metrics` on `port` (0 lets the system choose) of `host`, in plain HTTP.

    Nobody should miss a recommendation because nobody can count them: a port that cannot be had is
    a warning in the log, not the end.
    """
    try:
        listening = _listen(host, port)
    except OSError as error:
        log.warning(f"no metrics: cannot listen on port {port} ({error}); set METRICS_PORT")
        return
    await asyncio.start_server(_answer, sock=listening, limit=HEAD_BYTES)
    log.info("serving metrics", extra={"fields": {"port": listening.getsockname()[1]}})


def _listen(host: str, port: int) -> socket.socket:
    if host == "::" and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server((host if host != "::" else "", port))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, of whoever has asked for something within a few seconds."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            status, body = "200 OK", generate_latest()
            if not head.startswith(b"GET /metrics "):
                status, body = "404 Not Found", b"The figures are at /metrics.\n"
            fields = (
                f"Content-Type: {CONTENT_TYPE_LATEST}\r\nContent-Length: {len(body)}\r\nConnection: close"
            )
            writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # TimeoutError is an OSError.
        pass
    finally:
        writer.close()
