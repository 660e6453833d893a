"""What happens around every call: a log line, figures, and no exception that leaves as UNKNOWN.

gRPC hands each call to the first interceptor, which hands it to the next; the last one calls the
service. Each class here does one thing, so each can be read, tested and left out by itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

import metrics
import request_id
from logs import log_event

Context = grpc.aio.ServicerContext
Handle = Callable[[Any, Context], Awaitable[Any]]


class UnaryInterceptor(grpc.aio.ServerInterceptor):
    """Surround every unary call of one gRPC service; health checks, reflection and streams pass by.

    Args:
        service: the service's full name in the contract.
    """

    raw = False  # Whether `handle` takes and returns bytes.

    def __init__(self, service: str) -> None:
        self._prefix = f"/{service}/"
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Called by gRPC for each call: find its handler, and wrap it, once for each method."""
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None or handler.unary_unary is None or not method.startswith(self._prefix):
                return handler
            self._wrapped[method] = grpc.unary_unary_rpc_method_handler(
                partial(self.around, method, self.handle(handler)),
                None if self.raw else handler.request_deserializer,
                None if self.raw else handler.response_serializer,
            )
        return self._wrapped[method]

    def handle(self, handler: Any) -> Handle:
        """What `around` has to call to go on."""
        return handler.unary_unary

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        """Do something before or after `await handle(request, context)`."""
        raise NotImplementedError


class RequestLog(UnaryInterceptor):
    """Log one line for each call, under the request id that the caller sent, or under a new one.

    Args:
        service: the service's full name in the contract.
        log: where the lines go.
    """

    def __init__(self, service: str, log: logging.Logger) -> None:
        super().__init__(service)
        self._log = log

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Called by gRPC for each call, in the context that the handler will run in."""
        metadata = handler_call_details.invocation_metadata
        request_id.accept(next((str(value) for key, value in metadata if key == "x-request-id"), ""))
        wrapped = self._wrapped.get(handler_call_details.method)
        return wrapped or await super().intercept_service(continuation, handler_call_details)

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        started = time.perf_counter()
        error: BaseException | None = None
        try:
            return await handle(request, context)
        except BaseException as raised:
            error = raised
            raise
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 3)
            log_event(self._log, "call", method=method, code=code_of(error, context), ms=milliseconds)


class Metrics(UnaryInterceptor):
    """Count the calls by code, time them, and know how many are in flight."""

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        started = time.perf_counter()
        error: BaseException | None = None
        metrics.IN_FLIGHT.inc()
        try:
            return await handle(request, context)
        except BaseException as raised:
            error = raised
            raise
        finally:
            metrics.IN_FLIGHT.dec()
            metrics.count(method, code_of(error, context), time.perf_counter() - started)


class ConcurrencyLimit(UnaryInterceptor):
    """Refuse calls beyond a number that are being answered; gRPC's own limit would slow every call down.

    Args:
        service: the service's full name in the contract.
        calls: how many may be in flight.
    """

    def __init__(self, service: str, calls: int) -> None:
        super().__init__(service)
        self._free = calls

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        if not self._free:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls at once; try again later")
        self._free -= 1
        try:
            return await handle(request, context)
        finally:
            self._free += 1


class ExceptionsToStatus(UnaryInterceptor):
    """Give every failure a status code; what went wrong inside stays inside, in the log.

    An exception that the handler did not foresee is logged whole and reaches the caller as
    INTERNAL, without its text. Bytes that are no such message are an INVALID_ARGUMENT. Messages are
    parsed and serialized here, because a failure in gRPC's own doing so would be an UNKNOWN.

    Args:
        service: the service's full name in the contract.
        log: where unforeseen exceptions go.
    """

    raw = True

    def __init__(self, service: str, log: logging.Logger) -> None:
        super().__init__(service)
        self._log = log

    def handle(self, handler: Any) -> Handle:
        async def parse_and_handle(data: bytes, context: Context) -> Any:
            try:
                request = handler.request_deserializer(data)
            except DecodeError:
                message = "the request's bytes are no such message"
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
            return handler.response_serializer(await handler.unary_unary(request, context))

        return parse_and_handle

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        try:
            return await handle(request, context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:
            self._log.exception("handler failed", extra={"fields": {"method": method}})
            await context.abort(grpc.StatusCode.INTERNAL, "the service failed; its log says why")


def code_of(error: BaseException | None, context: Context) -> str:
    """The status code's name under which a call ended that raised `error`, or returned."""
    if isinstance(error, asyncio.CancelledError):
        # gRPC cancels the handler when the caller hangs up, and when nobody waits any longer.
        left = context.time_remaining()
        return "CANCELLED" if left is None or left > 0 else "DEADLINE_EXCEEDED"
    if error is None or isinstance(error, grpc.aio.AbortError):
        code = context.code()
        return grpc.StatusCode(code).name if code else "OK"
    return "UNKNOWN"
