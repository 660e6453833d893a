"""Clients that send rubbish, floods, trickles, or nothing: the others are served all the same."""

import os
import resource
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from statistics import median

import grpc
import psutil
import pytest

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from pair import fetch, metrics_port, start_marketplace
from processes import MARKETPLACE, RECOMMENDATIONS, Running, Start, free_port

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

    def probe(_: int) -> tuple[int, str, float]:
        started = time.monotonic()
        return *fetch(marketplace, "/readyz")[:2], time.monotonic() - started

    with ThreadPoolExecutor(60) as pool:
        probes = list(pool.map(probe, range(100)))
    assert {probe[:2] for probe in probes} == {(200, '{"recommendations":"unreachable","status":"ready"}\n')}
    # One of them looks, for half a second; were all to look, they would wait in line.
    assert median(seconds for *_, seconds in probes) < 0.5


def test_a_trickle_of_bytes_holds_up_nobody(marketplace: Running, recommendations: Running):
    with (
        connections(marketplace.port, 200, b"GET / HT") as visitors,
        connections(recommendations.port, 200, PREFACE) as callers,
    ):
        for byte in b"TP/1.1":
            for client in (*visitors, *callers):
                with suppress(OSError):  # Some are thrown out meanwhile.
                    client.send(bytes([byte]))
            check_that_others_are_served(marketplace, recommendations)


def test_with_few_open_files_at_first_many_connections_are_served(
    start: Start, marketplace: Running, recommendations: Running
):
    few = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, r.getrlimit(r.RLIMIT_NOFILE)[1])); "
    callee = start(["-c", f"{few}import recommendations; recommendations.main()"], RECOMMENDATIONS)
    port = {"PORT": str(free_port()), "RECOMMENDATIONS_PORT": str(callee.port)}
    page = start(["-c", f"{few}import server; server.main()"], MARKETPLACE, **port)
    with connections(callee.port, 400, PREFACE), connections(page.port, 400, b""):
        check_that_others_are_served(page, callee)


def test_who_takes_no_answer_does_not_hold_up_a_stop(marketplace: Running):
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", marketplace.port))
    deaf.settimeout(1)
    with deaf:
        with pytest.raises(TimeoutError):
            while True:  # Until all buffers between us are full.
                deaf.sendall(b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert marketplace.stop() == 0
    assert "somebody has not taken their answer" in marketplace.log


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
