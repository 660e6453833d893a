"""The Secrets hold certificates with which both services really talk to each other, and nobody else does."""

import base64
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from workshop import cli, manifests
from workshop.cluster import certificates

from processes import RECOMMENDATIONS, Running, free_port, run_to_its_end

Secret = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def secrets() -> list[Secret]:
    return certificates.secrets()


def certificate(secret: Secret, name: str = "tls.crt") -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"][name]))


def write(folder: Path, secret: Secret) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in secret["data"].items():
        (folder / name).write_bytes(base64.b64decode(content))
    return folder


def context(folder: Path, protocol: int) -> ssl.SSLContext:
    """Strict, as Python 3.13 is by default."""
    made = ssl.SSLContext(protocol)
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(folder / "ca.crt")
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """What a client gets to read from a server that both sides verify; the error of the side that refused."""
    ours, theirs = socket.socketpair()
    refusals: list[str] = []

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as connection:
                connection.send(b"books")
        except ssl.SSLError as error:
            refusals.append(str(error))
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as connection:
            return connection.recv(100).decode()
    except (ssl.SSLError, OSError) as error:
        refusals.append(str(error))
    finally:
        ours.close()
        thread.join()
    return " ".join(refusals)


@pytest.mark.parametrize("name", certificates.names("recommendations", "microservices"))
def test_the_marketplace_trusts_recommendations_under_each_of_its_names(
    secrets: list[Secret], tmp_path: Path, name: str
):
    server = context(write(tmp_path / "r", secrets[0]), ssl.PROTOCOL_TLS_SERVER)
    client = context(write(tmp_path / "m", secrets[1]), ssl.PROTOCOL_TLS_CLIENT)
    assert shake_hands(server, client, name) == "books"


def test_recommendations_certificate_is_a_clients_too_for_its_health_check(
    secrets: list[Secret], tmp_path: Path
):
    folder = write(tmp_path / "r", secrets[0])
    server, client = context(folder, ssl.PROTOCOL_TLS_SERVER), context(folder, ssl.PROTOCOL_TLS_CLIENT)
    assert shake_hands(server, client, "recommendations") == "books"


def test_the_marketplaces_certificate_is_no_servers(secrets: list[Secret], tmp_path: Path):
    server = context(write(tmp_path / "m", secrets[1]), ssl.PROTOCOL_TLS_SERVER)
    client = context(write(tmp_path / "r", secrets[0]), ssl.PROTOCOL_TLS_CLIENT)
    assert "unsuitable certificate purpose" in shake_hands(server, client, "marketplace")


def test_the_certificates_of_another_making_are_strangers(secrets: list[Secret], tmp_path: Path):
    server = context(write(tmp_path / "r", secrets[0]), ssl.PROTOCOL_TLS_SERVER)
    stranger = write(tmp_path / "m", certificates.secrets()[1])
    (stranger / "ca.crt").write_bytes((tmp_path / "r" / "ca.crt").read_bytes())
    client = context(stranger, ssl.PROTOCOL_TLS_CLIENT)
    assert "CERTIFICATE_VERIFY_FAILED" in shake_hands(server, client, "recommendations")


@pytest.fixture
def recommendations(secrets: list[Secret], tmp_path: Path) -> Iterator[Running]:
    """The real service with its Secret, mounted as a pod has it."""
    folder = write(tmp_path / "recommendations-tls", secrets[0])
    port, log = free_port(), tmp_path / "log"
    environment = {"PORT": str(port), "METRICS_PORT": "0"}
    for variable, name in (("TLS_CERTIFICATE", "tls.crt"), ("TLS_KEY", "tls.key"), ("TLS_CA", "ca.crt")):
        environment[variable] = str(folder / name)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "recommendations.py"],
            cwd=RECOMMENDATIONS,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Running(process, port, log)
    try:
        running.wait_until_it_listens()
        done = run_to_its_end(["healthcheck.py"], RECOMMENDATIONS, **environment)
        assert done.returncode == 0, done.stderr
        yield running
    finally:
        process.kill()
        process.wait()


def test_the_real_service_is_healthy_with_its_secret_and_serves_the_marketplace(
    recommendations: Running, secrets: list[Secret]
):
    files = {name: base64.b64decode(content) for name, content in secrets[1]["data"].items()}
    credentials = grpc.ssl_channel_credentials(files["ca.crt"], files["tls.key"], files["tls.crt"])
    name = [("grpc.ssl_target_name_override", "recommendations.microservices.svc")]
    with grpc.secure_channel(f"localhost:{recommendations.port}", credentials, name) as channel:
        request = health_pb2.HealthCheckRequest(service="Recommendations")
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_both_are_secrets_as_the_schema_wants_them_with_our_labels(secrets: list[Secret]):
    names = [secret["metadata"]["name"] for secret in secrets]
    assert names == ["recommendations-tls", "marketplace-tls"]
    for secret in secrets:
        assert secret["type"] == "kubernetes.io/tls"
        assert sorted(secret["data"]) == ["ca.crt", "tls.crt", "tls.key"]
        assert secret["metadata"]["namespace"] == "microservices"
        assert secret["metadata"]["labels"]["app.kubernetes.io/part-of"] == "online-books-for-you"
        manifest = manifests.parse(yaml.safe_dump(secret), "secret.yaml")[0]
        assert not manifests.validate([manifest]).problems


def test_another_namespace_has_names_of_its_own():
    for secret in certificates.secrets("staging"):
        assert secret["metadata"]["namespace"] == "staging"
        names = certificate(secret).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        component = secret["metadata"]["name"].removesuffix("-tls")
        assert f"{component}.staging.svc" in names.value.get_values_for_type(x509.DNSName)


def test_they_hold_for_a_year_on_curve_p_256_and_the_authority_can_make_no_other_one(secrets: list[Secret]):
    now = datetime.now(UTC)
    for secret in secrets:
        ours, authority = certificate(secret), certificate(secret, "ca.crt")
        assert now + timedelta(days=364) < ours.not_valid_after_utc < now + timedelta(days=366)
        assert ours.not_valid_before_utc < now
        key = ours.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        ours.verify_directly_issued_by(authority)
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (constraints.ca, constraints.path_length) == (True, 0)
    assert secrets[0]["data"]["ca.crt"] == secrets[1]["data"]["ca.crt"]
    # The authority's key is in none of them: each holds one key, which is its own certificate's.
    for secret in secrets:
        pem = b"".join(map(base64.b64decode, secret["data"].values()))
        assert len(re.findall(b"BEGIN [A-Z ]*PRIVATE KEY", pem)) == 1


def test_the_command_prints_them_for_kubectl_and_writes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["certificates"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [secret["kind"] for secret in printed] == ["Secret", "Secret"]
    for secret in printed:
        write(tmp_path / secret["metadata"]["name"], secret)
    server = context(tmp_path / "recommendations-tls", ssl.PROTOCOL_TLS_SERVER)
    client = context(tmp_path / "marketplace-tls", ssl.PROTOCOL_TLS_CLIENT)
    assert shake_hands(server, client, "recommendations") == "books"
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "workshop", "certificates"]
    root = Path(cli.__file__).parents[1]
    subprocess.run(command, cwd=empty, env={"PYTHONPATH": str(root), "HOME": str(empty)}, check=True)
    assert not list(empty.iterdir())
