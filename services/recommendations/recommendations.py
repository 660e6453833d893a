"""The Recommendations service: picks books, speaks gRPC.

Start it with `python recommendations.py`. It listens on `PORT` (50051) of `LISTEN_HOST` (all
of the machine's addresses), answers the standard health checks and reflection, and on SIGTERM
or Ctrl-C finishes the calls in flight before it leaves with exit code 0. Its figures are at
`/metrics` on `METRICS_PORT` (9464). Where `HEALTH_PORT` is set, the health checks alone are answered there
too, without TLS; tls.py and tracing.py say what else the environment may ask for.
"""

import asyncio
import functools
import logging
import os
import signal
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

import limits
import metrics
import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
import tracing
from catalogue import Catalogue
from connections import allow_many_connections
from credentials import server_credentials
from health_checks import ReleasingHealth
from interceptors import ConcurrencyLimit, ExceptionsToStatus, Metrics, RequestLog
from logs import log_to_stdout
from ports import port_from

SERVICE = pb.DESCRIPTOR.services_by_name["Recommendations"].full_name
GRACE_SECONDS = 5.0  # How long calls in flight may still take once we are asked to stop.

log = logging.getLogger("recommendations")


class RecommendationsServicer(pb_grpc.RecommendationsServicer):
    """Answer the calls of the contract.

    Args:
        catalogue: where the books come from.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        # The same wish always gets the same books, and to pick them costs more than all the rest of a call.
        self._pick = functools.lru_cache(maxsize=5000)(catalogue.pick)

    async def Recommend(
        self, request: pb.RecommendationRequest, context: grpc.aio.ServicerContext
    ) -> pb.RecommendationResponse:
        """Pick books for a user; recommendations.proto lists the errors."""
        if request.max_results < 1:
            message = f"max_results is {request.max_results}; ask for at least 1 book"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            books = self._pick(request.user_id, request.category, request.max_results)
        except LookupError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        found = [pb.BookRecommendation(id=book.id, title=book.title) for book in books]
        return pb.RecommendationResponse(recommendations=found)


async def create_server(address: str) -> tuple[grpc.aio.Server, int, ReleasingHealth]:
    """Make a server that is ready to start.

    Args:
        address: `host:port` to listen on; port 0 lets the system choose.

    Returns:
        The server, the port that it is bound to, and its health, which says SERVING.

    Raises:
        RuntimeError: the address cannot be bound, mostly because another process has the port.
        ValueError: TLS is asked for, but not in a way that can work.
    """
    # From the outermost to the one next to the servicer. The log is first: it takes the id from every call,
    # where the others are asked once for each method.
    around = [
        RequestLog(SERVICE, log),
        *tracing.interceptors(SERVICE),
        Metrics(SERVICE),
        ConcurrencyLimit(SERVICE, limits.CONCURRENT_CALLS),
        ExceptionsToStatus(SERVICE, log),
    ]
    server = grpc.aio.server(interceptors=around, options=limits.OPTIONS)
    servicer = RecommendationsServicer(Catalogue.load(dict(pb.BookCategory.items())))
    pb_grpc.add_RecommendationsServicer_to_server(servicer, server)
    checks = ReleasingHealth()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in (SERVICE, health.OVERALL_HEALTH):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    credentials = server_credentials(log)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    return server, port, checks


def create_health_server(address: str, checks: ReleasingHealth) -> grpc.aio.Server:
    """Make a server that answers the health checks and nothing else, without TLS.

    Kubernetes' own gRPC probes can show no certificate. A port that cannot be had ends the process.
    """
    server = grpc.aio.server(options=limits.OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        wanted = address.rpartition(":")[2]
        log.error(f"cannot listen on port {wanted}: stop the process that has it, or set HEALTH_PORT")
        sys.exit(1)
    return server


async def serve(address: str, metrics_port: int, health_port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; then turn health off, finish the calls in flight and return.

    A stop takes the whole of `GRACE_SECONDS` where a client neither ends its calls nor answers our goodbye.

    A port that cannot be had, or TLS that cannot work, ends the process with code 1 and one sentence.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # signal.signal works on Windows too, where loop.add_signal_handler does not exist.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        server, port, checks = await create_server(address)
    except RuntimeError:
        wanted = address.rpartition(":")[2]
        log.error(f"cannot listen on port {wanted}: stop the process that has it, or set PORT")
        sys.exit(1)
    except ValueError as error:
        log.error(str(error))
        sys.exit(1)
    host = address.rpartition(":")[0]
    if health_port:
        probed = create_health_server(f"{host}:{health_port}", checks)
        await probed.start()
    await server.start()
    await metrics.serve(host.strip("[]"), metrics_port, log)
    log.info("listening", extra={"fields": {"port": port}})
    await stop.wait()
    log.info("stopping")
    await checks.enter_graceful_shutdown()
    await server.stop(GRACE_SECONDS)
    log.info("stopped")


def main() -> None:
    """Serve on `PORT` of `LISTEN_HOST`, figures on `METRICS_PORT`, health on `HEALTH_PORT` too."""
    log_to_stdout()
    allow_many_connections()
    host = os.environ.get("LISTEN_HOST", "[::]")
    try:
        port, metrics_port = port_from("PORT", 50051), port_from("METRICS_PORT", 9464)
        health_port = port_from("HEALTH_PORT", 0)
    except ValueError as error:
        log.error(str(error))
        sys.exit(1)
    asyncio.run(serve(f"{host}:{port}", metrics_port, health_port))


if __name__ == "__main__":
    main()
