"""What happens around every call: one log line, and no exception that leaves as UNKNOWN."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError


class RequestLog(grpc.aio.ServerInterceptor):
    """Log one line for every unary call of one gRPC service; health checks and reflection stay silent.

    An exception that the handler did not foresee is logged whole and reaches the caller as
    INTERNAL, without its text; a request that is no message at all is an INVALID_ARGUMENT.

    Args:
        service: the service's full name in the contract.
        log: where the lines go.
    """

    def __init__(self, service: str, log: logging.Logger) -> None:
        self._prefix = f"/{service}/"
        self._log = log

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if not method.startswith(self._prefix) or handler is None or handler.unary_unary is None:
            return handler

        async def logged(data: bytes, context: grpc.aio.ServicerContext) -> Any:
            started = time.perf_counter()
            code = "OK"
            try:
                request = await self._parse(handler.request_deserializer, data, context)
                return await handler.unary_unary(request, context)
            except grpc.aio.AbortError:
                code = grpc.StatusCode(context.code()).name
                raise
            except asyncio.CancelledError:  # The caller hung up, or its deadline passed.
                code = grpc.StatusCode.CANCELLED.name
                raise
            except Exception:
                code = grpc.StatusCode.INTERNAL.name
                self._log.exception("handler failed")
                await context.abort(grpc.StatusCode.INTERNAL, "the service failed; its log says why")
            finally:
                milliseconds = round((time.perf_counter() - started) * 1000, 3)
                fields = {"method": method, "code": code, "ms": milliseconds}
                self._log.info("call", extra={"fields": fields})

        # No deserialiser: gRPC's own would answer UNKNOWN, and leave no line in the log.
        handle: Any = logged  # gRPC's types have no asyncio handlers here.
        return grpc.unary_unary_rpc_method_handler(handle, None, handler.response_serializer)

    async def _parse(
        self, deserialize: Callable[[bytes], Any], data: bytes, context: grpc.aio.ServicerContext
    ) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request's bytes are no such message")
