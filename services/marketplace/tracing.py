"""Traces for OpenTelemetry, when `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go.

Without that variable nothing of OpenTelemetry is imported, and no page pays for it.
"""

import functools
import os
from typing import Any

import grpc
from flask import Flask, Response, g, request

EXPORT_SECONDS = 1  # A collector that does not answer must not hold up a stop.


@functools.cache
def tracer() -> Any:
    """OpenTelemetry's tracer for this process; None where nobody collects traces."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource.create({SERVICE_NAME: "marketplace"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_SECONDS)))
    return provider.get_tracer("marketplace")


def trace(app: Flask) -> None:
    """Record a span for every request of `app`, where somebody collects traces."""
    if tracer() is None:
        return
    from opentelemetry import context, propagate
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    @app.before_request
    def begin() -> None:
        route = request.url_rule.rule if request.url_rule else "none"
        attributes = {"http.request.method": request.method, "http.route": route, "url.path": request.path}
        parent = propagate.extract({name.lower(): value for name, value in request.headers})
        g.span = tracer().start_span(f"{request.method} {route}", parent, SpanKind.SERVER, attributes)
        g.span_token = context.attach(set_span_in_context(g.span))

    @app.after_request
    def answered(response: Response) -> Response:
        g.span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= 500:
            g.span.set_status(Status(StatusCode.ERROR))
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "span" in g:
            g.span.end()
            context.detach(g.span_token)


class CallTracing(grpc.UnaryUnaryClientInterceptor):
    """Record a span for every call to another service, and send its ids along."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Called by gRPC in place of the call."""
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind, Status, StatusCode

        method = client_call_details.method.lstrip("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        with tracer().start_as_current_span(method, kind=SpanKind.CLIENT, attributes=attributes) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            metadata = [*(client_call_details.metadata or ()), *carrier.items()]
            call = continuation(client_call_details._replace(metadata=metadata), request)
            span.set_attribute("rpc.response.status_code", call.code().name)
            if call.code() is not grpc.StatusCode.OK:
                span.set_status(Status(StatusCode.ERROR, call.code().name))
            return call


def client_interceptors() -> list[CallTracing]:
    """What a channel is wrapped in; nothing where nobody collects traces."""
    return [CallTracing()] if tracer() else []
