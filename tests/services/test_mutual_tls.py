"""Who shows no certificate, or a wrong one, is refused, and the log says why; a new one needs no restart."""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from workshop.authority import Authority, serial_number

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
import tls
from pair import fetch, start_marketplace
from processes import MARKETPLACE, RECOMMENDATIONS, Running, Start, free_port, run_to_its_end

OURS, STRANGERS = Authority("ours"), Authority("strangers")


def write(folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    """Put an identity into a folder, and name its files as the services want them named."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    names = {"TLS_CERTIFICATE": "certificate.pem", "TLS_KEY": "key.pem", "TLS_CA": "ca.pem"}
    return {variable: str(folder / name) for variable, name in names.items()}


@pytest.fixture
def server(start: Start, tmp_path: Path) -> Running:
    """Recommendations with a certificate for `localhost`; its files are in `tmp_path/server`."""
    return start(
        ["recommendations.py"], RECOMMENDATIONS, **write(tmp_path / "server", OURS.issue("localhost"))
    )


def call(port: int, identity: dict[str, bytes] | None, authority: bytes = OURS.pem) -> int:
    """How many books a client with this identity gets."""
    files = identity or {}
    credentials = grpc.ssl_channel_credentials(authority, files.get("key.pem"), files.get("certificate.pem"))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        request = pb.RecommendationRequest(max_results=2)
        return len(pb_grpc.RecommendationsStub(channel).Recommend(request, timeout=10).recommendations)


def until(happens: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_client_of_our_authority_is_served(server: Running):
    assert call(server.port, OURS.issue("anybody")) == 2


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        pytest.param(None, "PEER_DID_NOT_RETURN_A_CERTIFICATE", id="no certificate"),
        pytest.param(STRANGERS.issue("anybody"), "CERTIFICATE_VERIFY_FAILED", id="another authority's"),
    ],
)
def test_a_client_without_the_right_certificate_is_refused(server: Running, identity, reason: str):
    with pytest.raises(grpc.RpcError) as caught:
        call(server.port, identity)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    until(lambda: reason in server.log, f"the log says {reason}")


def test_the_health_port_answers_probes_without_a_certificate_and_nothing_else(start: Start, tmp_path: Path):
    port = free_port()
    identity = write(tmp_path / "server", OURS.issue("localhost"))
    start(["recommendations.py"], RECOMMENDATIONS, HEALTH_PORT=str(port), **identity)
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        for service in ("", "Recommendations"):
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.RecommendationsStub(channel).Recommend(pb.RecommendationRequest(max_results=1), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_health_port_that_is_taken_is_said_in_a_sentence(server: Running):
    ports = {"PORT": str(free_port()), "HEALTH_PORT": str(server.port)}
    finished = run_to_its_end(["recommendations.py"], RECOMMENDATIONS, **ports)
    assert finished.returncode == 1
    assert f"cannot listen on port {server.port}" in finished.stdout
    assert "HEALTH_PORT" in finished.stdout


def test_a_client_without_tls_is_refused(server: Running):
    with grpc.insecure_channel(f"localhost:{server.port}") as channel, pytest.raises(grpc.RpcError):
        pb_grpc.RecommendationsStub(channel).Recommend(pb.RecommendationRequest(max_results=1), timeout=5)
    until(lambda: "WRONG_VERSION_NUMBER" in server.log, "the log says why")


def test_tls_1_3_is_spoken_and_1_1_is_not(server: Running, tmp_path: Path):
    files = write(tmp_path / "client", OURS.issue("anybody"))

    def connect(version: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=files["TLS_CA"])
        context.load_cert_chain(files["TLS_CERTIFICATE"], files["TLS_KEY"])
        context.set_alpn_protocols(["h2"])
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        plain = socket.create_connection(("localhost", server.port), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.version()

    assert connect(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(OSError), pytest.warns(DeprecationWarning):
        connect(ssl.TLSVersion.TLSv1_1)


def test_the_marketplace_shows_books_with_a_certificate(server: Running, start: Start, tmp_path: Path):
    marketplace = start_marketplace(start, server, **write(tmp_path / "client", OURS.issue("marketplace")))
    assert "data-book-id" in fetch(marketplace)[1]


@pytest.mark.parametrize(
    ("authority", "name", "reason"),
    [
        pytest.param(OURS, "somebody-else", "Hostname Verification Check failed", id="a wrong name"),
        pytest.param(STRANGERS, "localhost", "CERTIFICATE_VERIFY_FAILED", id="another authority's"),
    ],
)
def test_the_marketplace_refuses_a_server_that_is_not_the_one_it_calls(
    start: Start, tmp_path: Path, authority: Authority, name: str, reason: str
):
    identity = authority.issue(name) | {"ca.pem": OURS.pem}
    server = start(["recommendations.py"], RECOMMENDATIONS, **write(tmp_path / "server", identity))
    marketplace = start_marketplace(start, server, **write(tmp_path / "client", OURS.issue("marketplace")))
    status, page, _ = fetch(marketplace)
    assert (status, "data-book-id" in page) == (200, False)
    until(lambda: reason.lower() in marketplace.log.lower(), f"the log says {reason}:\n{marketplace.log}")


def test_the_server_s_certificate_can_be_replaced_while_it_runs(server: Running, tmp_path: Path):
    client = OURS.issue("anybody")
    files = write(tmp_path / "client", client)

    def serial_of_the_server() -> int:
        context = ssl.create_default_context(cafile=files["TLS_CA"])
        context.load_cert_chain(files["TLS_CERTIFICATE"], files["TLS_KEY"])
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("localhost", server.port), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            shown = secure.getpeercert(binary_form=True)
        assert shown
        return serial_number(ssl.DER_cert_to_PEM_cert(shown).encode())

    first = serial_of_the_server()
    new = OURS.issue("localhost")
    (tmp_path / "server" / "key.pem").write_bytes(new["key.pem"])
    assert serial_of_the_server() == first, "half a rotation changes nothing"
    assert "certificate not used" in server.log
    (tmp_path / "server" / "certificate.pem").write_bytes(new["certificate.pem"])
    assert serial_of_the_server() == serial_number(new["certificate.pem"])
    assert call(server.port, client) == 2


def test_a_file_that_is_away_for_a_moment_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    environment = write(tmp_path / "files", OURS.issue("localhost"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    files = tls.files(logging.getLogger("test"))
    key, read = Path(environment["TLS_KEY"]), files._read
    content = key.read_bytes()
    for moment in (1, 2):  # It goes before the files are checked, or before they are read once more.
        reads = []

        def read_and_lose_the_key(moment=moment, reads=reads):
            reads.append(None)
            if len(reads) == moment == 2:
                key.unlink()
            found = read()
            if len(reads) == moment == 1:
                key.unlink()
            return found

        monkeypatch.setattr(files, "_read", read_and_lose_the_key)
        assert files.renewed() is None
        key.write_bytes(content)
    monkeypatch.setattr(files, "_read", read)
    assert files.renewed(), "the very same files are good"


def test_both_sides_move_to_a_new_authority_without_a_restart(server: Running, start: Start, tmp_path: Path):
    marketplace = start_marketplace(start, server, **write(tmp_path / "client", OURS.issue("marketplace")))
    assert "data-book-id" in fetch(marketplace)[1]
    new = Authority("new")
    both = OURS.pem + new.pem
    # First everybody trusts both, then certificates change, then the old authority goes.
    for folder in ("server", "client"):
        (tmp_path / folder / "ca.pem").write_bytes(both)
    for folder, name in (("server", "localhost"), ("client", "marketplace")):
        write(tmp_path / folder, new.issue(name) | {"ca.pem": both})
    for folder in ("server", "client"):
        (tmp_path / folder / "ca.pem").write_bytes(new.pem)
    until(lambda: fetch(marketplace) and marketplace.log.count("certificate loaded") > 1, "it is read again")
    until(lambda: "data-book-id" in fetch(marketplace)[1], "books under the new authority")
    assert call(server.port, new.issue("anybody"), new.pem) == 2
    with pytest.raises(grpc.RpcError):
        call(server.port, OURS.issue("anybody"), new.pem)


def test_the_image_s_health_check_brings_its_own_certificate(start: Start, tmp_path: Path):
    environment = write(tmp_path / "server", OURS.issue("recommendations"))
    server = start(["recommendations.py"], RECOMMENDATIONS, **environment)
    port = {"PORT": str(server.port)}
    check = run_to_its_end(["healthcheck.py"], RECOMMENDATIONS, **environment, **port)
    assert check.returncode == 0, check.stderr
    assert run_to_its_end(["healthcheck.py"], RECOMMENDATIONS, **port).returncode != 0


@pytest.mark.parametrize(
    ("command", "folder"),
    [(["recommendations.py"], RECOMMENDATIONS), (["server.py"], MARKETPLACE)],
    ids=["recommendations", "marketplace"],
)
@pytest.mark.parametrize("left_out", ["TLS_CERTIFICATE", "TLS_KEY", "TLS_CA"])
def test_half_a_configuration_is_no_reason_to_go_on_without_tls(
    tmp_path: Path, command: list[str], folder: Path, left_out: str
):
    environment = write(tmp_path / "files", OURS.issue("localhost"))
    del environment[left_out]
    finished = run_to_its_end(command, folder, PORT=str(free_port()), **environment)
    assert finished.returncode == 1
    assert f"set {left_out} too" in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr


def test_files_that_do_not_fit_each_other_end_it_with_a_reason(tmp_path: Path):
    mixed = OURS.issue("localhost") | {"key.pem": OURS.issue("localhost")["key.pem"]}
    for command, folder in ((["recommendations.py"], RECOMMENDATIONS), (["server.py"], MARKETPLACE)):
        finished = run_to_its_end(command, folder, PORT=str(free_port()), **write(tmp_path / "files", mixed))
        assert finished.returncode == 1
        assert "certificate not used" in finished.stdout
        assert "Traceback" not in finished.stdout + finished.stderr
