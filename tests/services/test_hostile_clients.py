"""Clients that send rubbish, floods, trickles, or nothing: the others are served all the same."""

import os
import resource
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import grpc
import psutil
import pytest

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from pair import fetch, lines, metrics_port, start_marketplace
from processes import MARKETPLACE, Running, Start, free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HUGE_FRAME = PREFACE + bytes([255, 255, 255, 0, 0, 0, 0, 0, 1]) + b"x" * 100_000
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"

# Ten thousand, where this machine allows so many.
MANY = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000)


@pytest.fixture
def marketplace(start: Start, recommendations: Running) -> Running:
    return start_marketplace(start, recommendations)


@contextmanager
def connections(port: int, number: int, beginning: bytes) -> Iterator[list[socket.socket]]:
    """Clients that say `beginning`, and then nothing."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    opened: list[socket.socket] = []
    try:
        for _ in range(number):
            opened.append(socket.create_connection(("localhost", port), timeout=10))
            with suppress(BrokenPipeError, ConnectionResetError):  # Some are thrown out while they speak.
                opened[-1].sendall(beginning)
        yield opened
    finally:
        for client in opened:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def check_that_others_are_served(marketplace: Running, recommendations: Running) -> None:
    for _ in range(5):
        status, page, _ = fetch(marketplace)
        assert (status, "data-book-id" in page) == (200, True)
    with grpc.insecure_channel(f"localhost:{recommendations.port}") as channel:
        stub = pb_grpc.RecommendationsStub(channel)
        assert len(stub.Recommend(pb.RecommendationRequest(max_results=3), timeout=5).recommendations) == 3


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHo", id="half a head"),
        pytest.param(HEAD + b"X-Long: ", id="half a header"),
        pytest.param(HEAD.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\nabc", id="half a body"),
        pytest.param(os.urandom(1000), id="noise"),
    ],
)
def test_many_clients_of_the_page_that_never_finish(
    marketplace: Running, recommendations: Running, beginning: bytes
):
    with connections(marketplace.port, MANY if not beginning else 100, beginning):
        check_that_others_are_served(marketplace, recommendations)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(PREFACE, id="no call"),
        pytest.param(PREFACE + os.urandom(1000), id="noise"),
        pytest.param(HUGE_FRAME, id="a huge frame"),
        pytest.param(HEAD + b"\r\n", id="another protocol"),
    ],
)
def test_many_clients_of_recommendations_that_make_no_sense(
    marketplace: Running, recommendations: Running, beginning: bytes
):
    with connections(recommendations.port, 50 if len(beginning) > len(PREFACE) else MANY, beginning):
        check_that_others_are_served(marketplace, recommendations)


@pytest.mark.parametrize("beginning", [b"", b"GET /met", b"\r\n" * 10_000], ids=["nothing", "half", "junk"])
def test_many_clients_of_the_figures_take_no_threads(recommendations: Running, beginning: bytes):
    port = metrics_port(recommendations)
    threads = psutil.Process(recommendations.process.pid).num_threads()
    with connections(port, 500, beginning):
        with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as answer:
            assert b"grpc_server_in_flight" in answer.read()
        assert psutil.Process(recommendations.process.pid).num_threads() <= threads + 5


def test_probes_while_recommendations_is_away_leave_the_page_s_threads_free(start: Start):
    marketplace = start(["server.py"], MARKETPLACE, RECOMMENDATIONS_PORT=str(free_port()))
    with ThreadPoolExecutor(60) as pool:
        probes = [pool.submit(fetch, marketplace, "/readyz") for _ in range(600)]
        pages = [fetch(marketplace)[0] for _ in range(5)]
        answers = {probe.result()[:2] for probe in probes}
    assert pages == [200] * 5
    assert answers == {(200, '{"recommendations":"unreachable","status":"ready"}\n')}
    slow = [line for line in lines(marketplace, "request") if line["path"] == "/" and line["ms"] > 600]
    assert slow == []


@pytest.mark.parametrize("size", [65_000, 70_000, 20_000_000])
def test_a_message_has_a_size_beyond_which_it_is_not_read(recommendations: Running, size: int):
    unknown_field = b"\x9a\x06" + b"x" * size
    with grpc.insecure_channel(
        f"localhost:{recommendations.port}", [("grpc.max_send_message_length", -1)]
    ) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Recommendations/Recommend")(unknown_field, timeout=20)
        too_large = caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert too_large == (size > 65_536)
        stub = pb_grpc.RecommendationsStub(channel)
        assert stub.Recommend(pb.RecommendationRequest(max_results=1), timeout=10).recommendations


@pytest.mark.parametrize(
    ("method", "expected"), [("POST", 405), ("DELETE", 405), ("TRACE", 405), ("BREW", 405)]
)
def test_methods_that_the_page_does_not_have(marketplace: Running, method: str, expected: int):
    with connections(marketplace.port, 1, HEAD.replace(b"GET", method.encode()) + b"\r\n") as [client]:
        assert client.recv(1000).startswith(b"HTTP/1.1 %d" % expected)


def test_every_answer_carries_the_security_headers(marketplace: Running):
    for path in ("/", "/?category=NONE", "/nothing", "/static/style.css", "/healthz"):
        headers = fetch(marketplace, path)[2]
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["Referrer-Policy"] == "same-origin", path
