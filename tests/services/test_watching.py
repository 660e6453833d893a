"""What happens can be told from outside: by logs, figures and traces, none of which says too much."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from pair import fetch, lines, metrics_port, start_marketplace
from processes import MARKETPLACE, RECOMMENDATIONS, Running, Start, free_port, run_to_its_end

BROKEN_SERVICE = """
import recommendations
class Broken(recommendations.RecommendationsServicer):
    async def Recommend(self, request, context):
        raise RuntimeError("the password is swordfish")
recommendations.RecommendationsServicer = Broken
recommendations.main()
"""

BROKEN_PAGE = """
import marketplace, server
def broken(*_, **__):
    raise RuntimeError("the password is swordfish")
marketplace.render_template = broken
server.main()
"""


def figures(url: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples at a `/metrics`: by name, then by the values of their labels, sorted by label."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        for name, labels, value, *_ in family.samples:
            found.setdefault(name, {})[tuple(labels[key] for key in sorted(labels))] = value
    return found


def figures_of_recommendations(service: Running, calls: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Its figures once so many calls are counted: a refused call is answered first, and counted then."""
    deadline = time.monotonic() + 10
    while True:
        found = figures(f"http://localhost:{metrics_port(service)}/metrics")
        counted = sum(found.get("grpc_server_handled_total", {}).values())
        if counted >= calls:
            return found
        assert time.monotonic() < deadline, f"{counted} of {calls} calls are counted"


@pytest.fixture
def marketplace(start: Start, recommendations: Running) -> Running:
    return start_marketplace(start, recommendations)


def test_a_visitor_s_request_id_travels_to_both_logs_and_back(marketplace: Running, recommendations: Running):
    headers = fetch(marketplace, X_Request_ID="visitor-7")[2]
    assert headers["X-Request-ID"] == "visitor-7"
    assert (marketplace.stop(), recommendations.stop()) == (0, 0)
    assert [line["request_id"] for line in lines(marketplace, "request")] == ["visitor-7"]
    assert [line["request_id"] for line in lines(recommendations, "call")] == ["visitor-7"]


@pytest.mark.parametrize("sent", ["", "two words", 'x", "level": "error', "x" * 65, "\u00e9"])
def test_an_id_that_does_not_belong_into_a_log_is_replaced(
    marketplace: Running, recommendations: Running, sent: str
):
    given = [fetch(marketplace, X_Request_ID=sent)[2]["X-Request-ID"] for _ in range(2)]
    assert sent not in given
    assert given[0] != given[1]
    assert (marketplace.stop(), recommendations.stop()) == (0, 0)
    assert [line["request_id"] for line in lines(recommendations, "call")] == given


def test_an_unforeseen_exception_is_for_the_log_and_not_for_the_caller(start: Start):
    service = start(["-c", BROKEN_SERVICE], RECOMMENDATIONS)
    with (
        grpc.insecure_channel(f"localhost:{service.port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        stub = pb_grpc.RecommendationsStub(channel)
        stub.Recommend(pb.RecommendationRequest(), timeout=10, metadata=[("x-request-id", "unlucky")])
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "swordfish" not in str(caught.value)
    handled = figures_of_recommendations(service, calls=1)["grpc_server_handled_total"]
    assert handled == {("INTERNAL", "/Recommendations/Recommend"): 1}
    assert service.stop() == 0
    [failed] = lines(service, "handler failed")
    assert failed["request_id"] == "unlucky"
    assert "RuntimeError: the password is swordfish" in failed["exception"]


def test_a_page_that_fails_says_nothing_of_why(start: Start, recommendations: Running):
    service = start_marketplace(start, recommendations)
    service.stop()
    service = start(["-c", BROKEN_PAGE], MARKETPLACE, RECOMMENDATIONS_PORT=str(recommendations.port))
    status, body, headers = fetch(service)
    assert status == 500
    assert "swordfish" not in body
    assert "Traceback" not in body
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert figures(f"http://localhost:{service.port}/metrics")["http_server_requests_total"] == {
        ("500", "GET", "/"): 1
    }
    assert service.stop() == 0
    assert "RuntimeError: the password is swordfish" in service.log


def test_the_figures_of_recommendations_count_calls_by_how_they_ended(recommendations: Running):
    with grpc.insecure_channel(f"localhost:{recommendations.port}") as channel:
        stub = pb_grpc.RecommendationsStub(channel)
        for wish in (1, 2, 3):
            stub.Recommend(pb.RecommendationRequest(max_results=wish), timeout=10)
        for wish, category in ((1, 9), (0, 0)):
            with pytest.raises(grpc.RpcError):
                stub.Recommend(pb.RecommendationRequest(max_results=wish, category=category), timeout=10)
    found = figures_of_recommendations(recommendations, calls=5)
    method = "/Recommendations/Recommend"
    assert found["grpc_server_handled_total"] == {
        ("OK", method): 3,
        ("NOT_FOUND", method): 1,
        ("INVALID_ARGUMENT", method): 1,
    }
    assert found["grpc_server_handling_seconds_count"] == {(method,): 5}
    assert found["grpc_server_handling_seconds_bucket"][(method, "+Inf")] == 5
    assert found["grpc_server_in_flight"] == {(): 0}


def test_the_figures_of_the_page_have_routes_and_no_path_that_somebody_invents(
    marketplace: Running, recommendations: Running
):
    for path in ("/", "/?category=SELF_HELP", "/?category=NONE", "/a", "/b"):
        fetch(marketplace, path)
    recommendations.process.kill()
    recommendations.process.wait()
    fetch(marketplace)
    found = figures(f"http://localhost:{marketplace.port}/metrics")
    assert found["http_server_requests_total"] == {
        ("200", "GET", "/"): 3,
        ("404", "GET", "/"): 1,
        ("404", "GET", "none"): 2,
    }
    assert found["http_server_request_seconds_count"] == {("/",): 4, ("none",): 2}
    assert found["http_server_in_flight"] == {(): 1}, "the request for the figures themselves"
    assert found["recommendations_calls_total"] == {("OK",): 2, ("UNAVAILABLE",): 1}


def test_a_taken_port_for_figures_is_no_reason_not_to_recommend(start: Start, recommendations: Running):
    taken = str(metrics_port(recommendations))
    second = start(["recommendations.py"], RECOMMENDATIONS, METRICS_PORT=taken, LISTEN_HOST="0.0.0.0")
    with grpc.insecure_channel(f"localhost:{second.port}") as channel:
        stub = pb_grpc.RecommendationsStub(channel)
        assert stub.Recommend(pb.RecommendationRequest(max_results=1), timeout=10).recommendations
    assert f"no metrics: cannot listen on port {taken}" in second.log


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives spans, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: dict[str, list] = {}
        self.arrived = threading.Condition()

    def Export(self, request, context):
        with self.arrived:
            for resource in request.resource_spans:
                attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
                spans = [span for scope in resource.scope_spans for span in scope.spans]
                self.spans.setdefault(attributes["service.name"], []).extend(spans)
            self.arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def count(self) -> int:
        return sum(map(len, self.spans.values()))


@pytest.fixture
def collector():
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.port = server.add_insecure_port("localhost:0")
    server.start()
    yield collector
    server.stop(None).wait()


def test_a_trace_runs_through_both_services(start: Start, collector: Collector):
    tracing = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{collector.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    recommendations = start(["recommendations.py"], RECOMMENDATIONS, **tracing)
    marketplace = start_marketplace(start, recommendations, **tracing)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    for number in range(2):
        fetch(marketplace, traceparent=f"00-{trace_id}-b7ad6b7169203331-01", X_Request_ID=f"visitor-{number}")
    with collector.arrived:
        assert collector.arrived.wait_for(lambda: collector.count() >= 6, timeout=20)
    page, call = sorted(collector.spans["marketplace"], key=lambda span: span.start_time_unix_nano)[:2]
    handled = min(collector.spans["recommendations"], key=lambda span: span.start_time_unix_nano)
    assert [span.name for span in (page, call, handled)] == [
        "GET /", "Recommendations/Recommend", "Recommendations/Recommend",
    ]  # fmt: skip
    assert {span.trace_id.hex() for span in (page, call, handled)} == {trace_id}
    assert page.parent_span_id.hex() == "b7ad6b7169203331"
    assert call.parent_span_id == page.span_id
    assert handled.parent_span_id == call.span_id
    assert page.start_time_unix_nano <= call.start_time_unix_nano <= handled.start_time_unix_nano
    assert (marketplace.stop(), recommendations.stop()) == (0, 0)
    ids = [line["request_id"] for line in lines(recommendations, "call")]
    assert ids == ["visitor-0", "visitor-1"]


@pytest.mark.parametrize("folder", [RECOMMENDATIONS, MARKETPLACE], ids=["recommendations", "marketplace"])
def test_where_nobody_collects_traces_nothing_of_opentelemetry_is_loaded(folder):
    module = {RECOMMENDATIONS: "recommendations", MARKETPLACE: "server, marketplace"}[folder]
    make = {
        RECOMMENDATIONS: "import asyncio; asyncio.run(recommendations.create_server('localhost:0'))",
        MARKETPLACE: "marketplace.create_app()",
    }[folder]
    code = f"import sys, {module}; {make}; sys.exit('opentelemetry' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("folder", [RECOMMENDATIONS, MARKETPLACE], ids=["recommendations", "marketplace"])
def test_a_collector_that_is_away_does_not_hold_up_a_stop(start: Start, folder):
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{free_port()}"}
    traced = start(["recommendations.py"], RECOMMENDATIONS, **nowhere)
    page = start_marketplace(start, traced, **nowhere)
    assert fetch(page)[0] == 200
    going = traced if folder == RECOMMENDATIONS else page
    going.process.terminate()
    assert going.process.wait(timeout=4) == 0


LOG_A_LOT = """
import logging, threading, logs
logs.log_to_stdout()
log = logging.getLogger("test")
def write(number):
    for line in range(10_000):
        logs.log_event(log, "event", number=f"{number}/{line}")
threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
log.info("%d", "not a number")
logs.log_event(log, "odd", thing=object())
"""


def test_no_line_is_lost_and_none_does_harm():
    finished = run_to_its_end(["-c", LOG_A_LOT], MARKETPLACE)
    assert finished.returncode == 0, finished.stderr
    numbers = [line["number"] for line in map(json.loads, finished.stdout.splitlines()) if "number" in line]
    assert len(numbers) == len(set(numbers)) == 40_000
    assert '"message": "odd"' in finished.stdout


@pytest.mark.parametrize("reader", ["gone", "stalled"])
def test_where_nobody_reads_the_log_any_longer_the_page_goes_on(recommendations: Running, reader: str):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "server.py"],
        cwd=MARKETPLACE,
        env={**os.environ, "PORT": str(port), "RECOMMENDATIONS_PORT": str(recommendations.port)},
        stdout=subprocess.PIPE,
    )
    try:
        service = Running(process, port, None)
        service.wait_until_it_listens()
        if reader == "gone":
            process.stdout.close()
        recommendations.process.kill()
        for _ in range(300):  # More lines than a pipe holds.
            assert fetch(service)[0] == 200
        assert service.stop() == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
