"""A port here leads to the pods of a Service: large pages, many visitors, pods that die."""

import hashlib
import http.client
import selectors
import socket
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes.client
import pytest

from workshop import ports
from workshop.authority import Authority
from workshop.cluster import forward
from workshop.cluster.forward import CannotForward, Forward

sys.path.insert(0, str(Path(__file__).parent))
from pod_server import BLOCK, PROTOCOL, ApiServer, Pod

SECONDS = 20


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApiServer]:
    """The API server, once without TLS and once with it."""
    context = None
    if request.param == "https":
        for name, content in Authority().issue("localhost").items():
            (tmp_path / name).write_bytes(content)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server = ApiServer(context)
    yield server
    server.close()


@pytest.fixture
def pod(server: ApiServer) -> Iterator[Callable[[str], Pod]]:
    """Make a pod that the Service selects."""
    pods: list[Pod] = []

    def make(name: str, ready: bool = True) -> Pod:
        pods.append(Pod(name))
        server.add(pods[-1], ready)
        return pods[-1]

    yield make
    for each in pods:
        each.stop()


@pytest.fixture
def api(server: ApiServer, tmp_path: Path) -> Iterator[kubernetes.client.ApiClient]:
    configuration = kubernetes.client.Configuration()
    configuration.host = server.url
    configuration.proxy = None
    configuration.api_key = {"authorization": "Bearer token"}
    if server.url.startswith("https"):
        configuration.ssl_ca_cert = str(tmp_path / "ca.pem")
    with kubernetes.client.ApiClient(configuration) as api:
        yield api


@pytest.fixture
def page(api: kubernetes.client.ApiClient, pod: Callable[[str], Pod]) -> Iterator[Forward]:
    """The way to a Service with one pod, `a`; no thread of ours may end in a traceback meanwhile."""
    pod("a")
    crashes: list[object] = []
    before, threading.excepthook = threading.excepthook, lambda arguments: crashes.append(arguments.exc_value)
    try:
        with Forward(api, "microservices", "marketplace", 5000) as page:
            yield page
    finally:
        threading.excepthook = before
    assert not crashes
    assert not [thread for thread in threading.enumerate() if thread.name == "forward to marketplace"]


def get(page: Forward, path: str = "") -> bytes:
    with urllib.request.urlopen(page.url + path, timeout=SECONDS) as answer:
        return answer.read()


def until(happens: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_page_comes_through_the_port_that_the_pod_gives_the_name(server: ApiServer, page: Forward):
    assert get(page) == b"a"
    assert page.port >= 5000
    assert page.url == f"http://127.0.0.1:{page.port}/"
    assert server.protocols == [PROTOCOL]
    assert server.selectors[0] == "app.kubernetes.io/name=marketplace"


def test_it_listens_on_this_machine_only_and_on_the_next_port_where_the_usual_is_taken(page: Forward):
    assert page._listener.getsockname()[0] == "127.0.0.1"
    assert not ports.is_free(page.port)
    assert ports.next_free(5000) > page.port or page.port > 5000


@pytest.mark.parametrize("path", ["large", "until-the-end"])
def test_a_large_page_comes_whole(page: Forward, path: str):
    body = get(page, f"{path}?320")  # 20 MiB
    assert hashlib.sha256(body).digest() == hashlib.sha256(BLOCK * 320).digest()


def test_a_large_upload_arrives_whole_and_comes_back(page: Forward):
    with urllib.request.urlopen(page.url, data=BLOCK * 80, timeout=SECONDS) as answer:
        assert answer.read() == BLOCK * 80


def test_a_connection_is_kept_for_many_requests(server: ApiServer, page: Forward):
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=SECONDS)
    for path in ("/", "/large?3", "/") * 3:
        connection.request("GET", path)
        assert connection.getresponse().read() == (b"a" if path == "/" else BLOCK * 3)
    connection.close()
    assert len(server.protocols) == 1


def test_many_connections_at_once(page: Forward):
    with ThreadPoolExecutor(24) as clients:
        bodies = list(clients.map(lambda _: get(page, "large?4"), range(72)))
    assert bodies == [BLOCK * 4] * 72


def test_connections_take_turns_among_the_ready_pods(
    server: ApiServer, page: Forward, pod: Callable[..., Pod]
):
    pod("b")
    pod("not-ready", ready=False)
    leaving = pod("leaving")
    server.pods[leaving.name]["metadata"]["deletionTimestamp"] = "2026-11-25T00:00:00Z"
    until(lambda: {get(page) for _ in range(4)} == {b"a", b"b"}, "both are asked")


def test_when_a_pod_dies_the_next_connection_goes_to_another(
    server: ApiServer, page: Forward, pod: Callable[[str], Pod]
):
    assert get(page) == b"a"
    pod("b")
    del server.ports["a"]  # It is still listed: nobody has noticed yet.
    assert {get(page) for _ in range(6)} == {b"b"}
    del server.pods["a"]
    assert {get(page) for _ in range(6)} == {b"b"}


def test_without_a_pod_a_client_sees_a_broken_connection_and_we_say_why(server: ApiServer, page: Forward):
    server.ports.clear()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        raw_get(page)
    until(lambda: page.last_error, "the reason is kept")
    assert "No pod of the Service marketplace can be reached: a: 404" in str(page.last_error)
    assert "-+-+-" not in str(page.last_error)


def test_a_pod_where_nobody_listens_is_a_broken_connection_and_we_say_why(server: ApiServer, page: Forward):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server.ports["a"] = nobody.getsockname()[1]
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            raw_get(page)
    until(lambda: page.last_error, "the reason is kept")
    assert "connection refused" in str(page.last_error)


def raw_get(page: Forward, path: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(server: ApiServer, page: Forward):
    server.breaks_after = 300_000
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        raw_get(page, "/until-the-end?320")
    until(lambda: page.last_error, "the reason is kept")
    assert "broke off" in str(page.last_error)
    server.breaks_after = None
    assert get(page) == b"a"


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(server: ApiServer, page: Forward):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", page.port), timeout=SECONDS) as client:
            client.sendall(b"GET /large?320 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000)
    until(lambda: server.open == 0, "its websockets are closed")
    assert page.last_error is None
    assert get(page) == b"a"


def test_a_client_that_has_said_all_still_gets_its_answer(page: Forward):
    with socket.create_connection(("127.0.0.1", page.port), timeout=SECONDS) as client:
        client.sendall(b"GET /until-the-end?40 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.partition(b"\r\n\r\n")[2] == BLOCK * 40


def test_a_client_that_has_said_all_and_gets_no_answer_is_let_go_without_a_spin(
    server: ApiServer, page: Forward, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forward, "LINGER_SECONDS", 0.5)
    wakes: list[int] = []
    select = selectors.DefaultSelector.select

    def counted(self: selectors.DefaultSelector, timeout: float | None = None) -> object:
        if threading.current_thread().name == "forward to marketplace":
            wakes.append(1)
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", counted)
    with socket.create_connection(("127.0.0.1", page.port), timeout=SECONDS) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    until(lambda: server.open == 0, "its websocket is closed")
    assert 0 < len(wakes) < 30


def test_a_ping_of_the_server_is_answered(server: ApiServer, page: Forward):
    server.pings = True
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=SECONDS)
    connection.request("GET", "/large?20")
    assert connection.getresponse().read() == BLOCK * 20
    until(lambda: server.pongs == [b"are you there"], "the ping is answered")
    connection.close()


def test_closing_ends_everything_at_once(server: ApiServer, page: Forward):
    with socket.create_connection(("127.0.0.1", page.port), timeout=SECONDS) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
        begun = time.monotonic()
        page.close()
        assert time.monotonic() - begun < 3
        assert b"".join(iter(lambda: client.recv(1000), b""))[1000:] == b""
    until(lambda: server.open == 0, "its websocket is closed")
    assert ports.is_free(page.port)
    page.close()


def test_the_client_that_was_given_can_be_used_for_other_things_meanwhile(
    page: Forward, api: kubernetes.client.ApiClient
):
    def ask(_: int) -> int:
        answer = kubernetes.client.CoreV1Api(api).list_namespaced_pod("microservices", _preload_content=False)
        return answer.status  # type: ignore[attr-defined]

    with ThreadPoolExecutor(8) as clients:
        pages = [clients.submit(get, page) for _ in range(20)]
        assert set(clients.map(ask, range(20))) == {200}
        assert {each.result() for each in pages} == {b"a"}


def no_service(server: ApiServer) -> None:
    server.service = None


def no_selector(server: ApiServer) -> None:
    assert server.service
    del server.service["spec"]["selector"]


def other_port(server: ApiServer) -> None:
    assert server.service
    server.service["spec"]["ports"] = [{"port": 80}]


def no_pod(server: ApiServer) -> None:
    server.pods.clear()


def none_ready(server: ApiServer) -> None:
    server.pods["a"]["status"] = {}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (no_service, "no Service marketplace in the namespace microservices. Apply"),
        (no_selector, "selects no pods"),
        (other_port, "no port 5000; it has: 80"),
        (no_pod, r"selects no pod \(app.kubernetes.io/name=marketplace\)"),
        (none_ready, "1 pods, and none of them is ready"),
    ],
)
def test_what_cannot_be_reached_is_said_at_once(
    server: ApiServer,
    api: kubernetes.client.ApiClient,
    pod: Callable[[str], Pod],
    fault: Callable[[ApiServer], None],
    words: str,
):
    pod("a")
    fault(server)
    with pytest.raises(CannotForward, match=words):
        Forward(api, "microservices", "marketplace", 5000)


def test_a_port_can_be_named_and_a_target_be_a_number(
    server: ApiServer, api: kubernetes.client.ApiClient, pod: Callable[[str], Pod]
):
    assert server.service
    server.service["spec"]["ports"] = [{"name": "other", "port": 1}, {"name": "http", "port": pod("a").port}]
    with Forward(api, "microservices", "marketplace", "http") as page:
        assert get(page) == b"a"


def test_a_cluster_that_is_gone_is_said(server: ApiServer, api: kubernetes.client.ApiClient):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        api.configuration.host = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(CannotForward, match="The cluster does not answer"):
            Forward(api, "microservices", "marketplace", 5000)
