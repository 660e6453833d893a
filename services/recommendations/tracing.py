"""Traces for OpenTelemetry, when `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go.

Without that variable nothing of OpenTelemetry is imported, and no call pays for it.
"""

import os
from typing import Any

from interceptors import Context, Handle, UnaryInterceptor, code_of

EXPORT_SECONDS = 1  # A collector that does not answer must not hold up a stop.

# What went wrong on our side; the other codes are answers to the caller's mistakes.
FAILURES = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


class Tracing(UnaryInterceptor):
    """Record a span for each call, as part of the caller's trace where the caller sent one.

    Args:
        service: the service's full name in the contract.
        provider: an OpenTelemetry tracer provider.
    """

    def __init__(self, service: str, provider: Any) -> None:
        super().__init__(service)
        self._tracer = provider.get_tracer("recommendations")

    async def around(self, method: str, handle: Handle, request: Any, context: Context) -> Any:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind, Status, StatusCode

        parent = propagate.extract(dict(context.invocation_metadata() or ()))
        attributes = {"rpc.system.name": "grpc", "rpc.method": method.lstrip("/")}
        with self._tracer.start_as_current_span(
            method.lstrip("/"),
            parent,
            SpanKind.SERVER,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                response = await handle(request, context)
                span.set_attribute("rpc.response.status_code", "OK")
                return response
            except BaseException as error:
                code = code_of(error, context)
                span.set_attribute("rpc.response.status_code", code)
                if code in FAILURES:
                    span.set_status(Status(StatusCode.ERROR, code))
                raise


def interceptors(service: str) -> list[Tracing]:
    """The interceptor that traces, or none where nobody collects traces."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return []
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource.create({SERVICE_NAME: "recommendations"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_SECONDS)))
    return [Tracing(service, provider)]
