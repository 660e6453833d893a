"""Published ports: what comes in is carried to the container and back, unharmed."""

import contextlib
import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pocket_engine.errors import BadRequest, EngineError, NotImplementedHere
from pocket_engine.networks.publishing import Publishing, wishes

SECONDS = 20

Serve = Callable[[Callable[[socket.socket], None]], tuple[str, int]]
Publish = Callable[..., Publishing]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run a function for each connection; where to."""
    listening: list[socket.socket] = []

    def accept(server: socket.socket, handle: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=[client], daemon=True).start()

    def serve(handle: Callable[[socket.socket], None]) -> tuple[str, int]:
        server = socket.create_server(("127.0.0.1", 0), backlog=2048)
        listening.append(server)
        threading.Thread(target=accept, args=[server, handle], daemon=True).start()
        return server.getsockname()

    yield serve
    for server in listening:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.fixture
def publish() -> Iterator[Publish]:
    """Publish port 5000 of a service, by default at a free port of 127.0.0.1."""
    made: list[Publishing] = []

    def publish(service: tuple[str, int], address: str = "127.0.0.1", port: str = "") -> Publishing:
        wanted = wishes((), {"5000/tcp": [{"HostIp": address, "HostPort": port}]}, False)
        made.append(Publishing(wanted, lambda wish: service, lambda *a: any(one.has(*a) for one in made)))
        return made[-1]

    yield publish
    for publishing in made:
        publishing.close()


def call(publishing: Publishing) -> socket.socket:
    binding = publishing.bindings["5000/tcp"][0]
    return socket.create_connection((binding["HostIp"], int(binding["HostPort"])), SECONDS)


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def echo(client: socket.socket) -> None:
    with client:
        while data := client.recv(65536):
            client.sendall(data)


def test_an_answer_comes_after_the_callers_end(serve: Serve, publish: Publish):
    def answer(client: socket.socket) -> None:
        with client:
            client.sendall(hashlib.sha256(read_all(client)).hexdigest().encode())

    with call(publish(serve(answer))) as client:
        sent = random.Random(1).randbytes(20_000_000)
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(sent).hexdigest()


def test_a_slow_reader_gets_all(serve: Serve, publish: Publish):
    sent = random.Random(2).randbytes(20_000_000)

    def answer(client: socket.socket) -> None:
        with client:
            client.sendall(sent)

    with call(publish(serve(answer))) as client:
        with call(publish(serve(echo))) as other:  # Nobody waits for the slow one.
            other.sendall(b"quick")
            assert other.recv(5) == b"quick"
        assert read_all(client) == sent


def test_many_at_once(serve: Serve, publish: Publish):
    publishing = publish(serve(echo))

    def ask(number: int) -> bytes:
        with call(publishing) as client:
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(1000))) == [b"%d" % number for number in range(1000)]


def test_a_broken_connection_is_no_end_of_data(serve: Serve, publish: Publish):
    def reset(client: socket.socket) -> None:
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

    with call(publish(serve(reset))) as client:
        client.sendall(b"?")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_nobody_listens_inside(publish: Publish):
    with socket.create_server(("127.0.0.1", 0)) as server:
        service = server.getsockname()
    publishing = publish(service)
    with pytest.raises(ConnectionError), call(publishing) as client:
        client.sendall(b"?")
        assert client.recv(1)


def test_everywhere_means_both_families(serve: Serve, publish: Publish):
    publishing = publish(serve(echo), address="")
    addresses = {binding["HostIp"] for binding in publishing.bindings["5000/tcp"]}
    assert "0.0.0.0" in addresses
    assert len({binding["HostPort"] for binding in publishing.bindings["5000/tcp"]}) == 1
    if "::" in addresses:
        port = int(publishing.bindings["5000/tcp"][0]["HostPort"])
        with socket.create_connection(("::1", port), SECONDS) as client:
            client.sendall(b"six")
            assert client.recv(3) == b"six"


def test_ports_that_are_taken(serve: Serve, publish: Publish):
    service = serve(echo)
    port = publish(service).bindings["5000/tcp"][0]["HostPort"]
    with pytest.raises(EngineError, match=f"Bind for 127.0.0.1:{port} failed: port is already allocated"):
        publish(service, port=port)
    with pytest.raises(EngineError, match="bind: address already in use"):
        publish(service, port=str(service[1]))
    ports = publish(service, port=f"{port}-{int(port) + 20}").bindings["5000/tcp"]
    assert int(port) < int(ports[0]["HostPort"]) <= int(port) + 20


def test_a_port_is_free_again(serve: Serve, publish: Publish):
    service = serve(echo)
    publishing = publish(service)
    with call(publishing) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        publishing.close()
    port = publishing.bindings["5000/tcp"][0]["HostPort"]
    wanted = wishes((), {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}, False)
    Publishing(wanted, lambda wish: service).close()


def test_what_can_be_wished():
    (wish,) = wishes(("80/tcp", "53/udp"), {"80/tcp": None}, False) or [None]
    assert wish is None
    assert [wish.port for wish in wishes(("80/tcp", "90/tcp"), {}, True)] == [80, 90]
    (wish,) = wishes((), {"80/tcp": [{"HostIp": "", "HostPort": "8000-8002"}]}, False)
    assert (wish.port, wish.address, list(wish.candidates)) == (80, "", [8000, 8001, 8002])
    with pytest.raises(BadRequest, match="invalid port specification"):
        wishes((), {"80/tcp": [{"HostPort": "many"}]}, False)
    with pytest.raises(NotImplementedHere, match="TCP and UDP ports only"):
        wishes((), {"53/sctp": [{"HostPort": "53"}]}, False)


def test_datagrams():
    with socket.socket(type=socket.SOCK_DGRAM) as service, contextlib.ExitStack() as stack:
        service.bind(("127.0.0.1", 0))
        service.settimeout(SECONDS)
        wanted = wishes((), {"53/udp": [{"HostIp": "127.0.0.1"}]}, False)
        publishing = Publishing(wanted, lambda wish: service.getsockname())
        stack.callback(publishing.close)
        (binding,) = publishing.bindings["53/udp"]
        port = int(binding["HostPort"])
        assert publishing.has("udp", "127.0.0.1", port) and not publishing.has("tcp", "127.0.0.1", port)
        clients = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(3)]
        for number, client in enumerate(clients):
            client.settimeout(SECONDS)
            client.sendto(b"from %d" % number, ("127.0.0.1", port))
        for _ in clients:
            question, caller = service.recvfrom(100)
            service.sendto(b"answer to " + question, caller)
        for number, client in enumerate(clients):
            assert client.recvfrom(100) == (b"answer to from %d" % number, ("127.0.0.1", port))
