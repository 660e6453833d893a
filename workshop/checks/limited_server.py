"""A gRPC server with asyncio that has one interceptor and answers every call, for checks to call."""

import asyncio
import threading
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

METHOD = "/Recommendations/Recommend"
SECONDS = 5.0  # Everything is on this machine; a call that takes longer hangs.


class LimitedServer:
    """A server on a free port of this machine; use it in a `with` block.

    Args:
        interceptor: what surrounds every call, health checks included.

    Attributes:
        answered: how many calls of the service have reached it.
    """

    def __init__(self, interceptor: Any) -> None:
        self.answered = 0
        self._interceptor = interceptor
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def call(self) -> tuple[str, str]:
        """Call the service; return the status code's name, and what gRPC says about it."""
        return self._ended(METHOD)

    def check_health(self) -> tuple[str, str]:
        """Ask for its health, as a machine would that looks after it."""
        return self._ended("/grpc.health.v1.Health/Check")

    def _ended(self, method: str) -> tuple[str, str]:
        try:
            self._channel.unary_unary(method)(b"", timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        return "OK", ""

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = grpc.aio.server(interceptors=[self._interceptor])
        handler: Any = grpc.unary_unary_rpc_method_handler(self._answer)
        service = grpc.method_handlers_generic_handler("Recommendations", {"Recommend": handler})
        server.add_generic_rpc_handlers((service,))
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        await checks.set("", health_pb2.HealthCheckResponse.SERVING)
        self.port = server.add_insecure_port("localhost:0")
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.stop(None)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.answered += 1
        return b""

    def __enter__(self) -> "LimitedServer":
        self._thread.start()
        if not self._started.wait(SECONDS):
            raise TimeoutError(f"the check's own server did not start within {SECONDS:g} s")
        self._channel: Any = grpc.insecure_channel(f"localhost:{self.port}")
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)
