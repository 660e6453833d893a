"""Clusters are found in a fixed order; one that is not plainly local is not touched before one agrees."""

import http.server
import json
import os
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from workshop.authority import Authority
from workshop.cluster import finding, kind, kubeconfig

Entry = dict[str, Any]


class Server:
    """An API server, as far as a question for its version goes; it remembers every request."""

    def __init__(self, status: int = 200, answer: object = None, tls: ssl.SSLContext | None = None) -> None:
        requests = self.requests = []  # type: list[str]
        self.connections = 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                body = json.dumps(answer if answer is not None else {"gitVersion": "v1.36.0+k3s1"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Listener(http.server.ThreadingHTTPServer):
            def verify_request(self, *_: object) -> bool:
                server.connections += 1
                return True

            def handle_error(self, *_: object) -> None:
                pass  # A client that does not trust us.

        self._listener = Listener(("127.0.0.1", 0), Handler)
        if tls:
            self._listener.socket = tls.wrap_socket(self._listener.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*arguments: Any, **options: Any) -> Server:
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a PATH without anything in them."""
    for name in ("HOME", "XDG_CACHE_HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        # Nobody listens there: whoever took it for a server on this machine would fail.
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def config(
    *contexts: tuple[str, str], current: str = "", cluster: Entry | None = None, user: Entry | None = None
) -> Entry:
    """A kubeconfig with a cluster for each name and server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": f"c-{name}", "cluster": {"server": url, **(cluster or {})}} for name, url in contexts
        ],
        "users": [{"name": f"u-{name}", "user": user or {}} for name, _ in contexts],
        "contexts": [
            {"name": name, "context": {"cluster": f"c-{name}", "user": f"u-{name}"}} for name, _ in contexts
        ],
        **({"current-context": current} if current else {}),
    }


def write(home: Path, entries: object, name: str = "config") -> Path:
    path = home / ".kube" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(entries if isinstance(entries, str) else yaml.safe_dump(entries))
    return path


def program(home: Path, name: str, script: str) -> Path:
    """A program on the PATH, written in Python."""
    path = home / "bin" / name
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def never(question: str) -> str:
    raise AssertionError(f"nobody should be asked: {question}")


def dead() -> str:
    """The address of a server that has gone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_the_current_context_is_taken_where_it_is_plainly_local(home: Path, serve: Callable[..., Server]):
    first, second = serve(), serve()
    write(home, config(("kind-a", first.url), ("kind-workshop", second.url), current="kind-workshop"))
    found = finding.find(ask=never)
    assert (found.context, found.kind, found.cluster_name) == ("kind-workshop", "kind", "workshop")
    assert found.version == "1.36.0"
    assert found.api.configuration.host == second.url
    assert (first.requests, second.requests) == ([], ["/version/"])


def test_another_local_context_that_answers_comes_before_a_question(home: Path, serve: Callable[..., Server]):
    production, local = serve(), serve()
    write(home, config(("prod", production.url), ("minikube", dead()), ("k3d-x", local.url), current="prod"))
    found = finding.find(ask=never)
    assert (found.context, found.kind, found.cluster_name) == ("k3d-x", "k3d", "x")
    assert production.connections == 0


NOT_LOCAL = [
    pytest.param("prod", {}, {}, id="a tunnel under a name of its own"),
    pytest.param("kind-of-prod", {"proxy-url": "http://127.0.0.1:1"}, {}, id="through a proxy"),
    pytest.param(
        "kind-of-prod", {"tls-server-name": "api.prod.example"}, {}, id="a tunnel to a named server"
    ),
    pytest.param("kind-of-prod", {"insecure-skip-tls-verify": True}, {}, id="a server nobody verifies"),
    pytest.param("kind-of-prod", {}, {"exec": {"command": "aws"}}, id="a cloud's credentials"),
]


@pytest.mark.parametrize("answer", ["", "yes", "y", "PROD", "the wrong name"])
@pytest.mark.parametrize(("name", "cluster", "user"), NOT_LOCAL)
def test_nothing_is_sent_to_a_cluster_that_may_be_somewhere_else_without_its_name(
    home: Path, serve: Callable[..., Server], name: str, cluster: Entry, user: Entry, answer: str
):
    server, asked = serve(), []
    write(home, config((name, server.url), current=name, cluster=cluster, user=user))
    with pytest.raises(finding.NoCluster) as caught:
        finding.find(ask=lambda question: asked.append(question) or answer)
    assert server.connections == 0
    assert len(asked) == 1
    assert name in asked[0]
    assert server.url.removeprefix("http://") in asked[0]
    assert "namespace “microservices”" in asked[0]
    assert f'cluster.connect("{name}")' in str(caught.value).splitlines()[0]


def test_a_known_name_with_an_address_elsewhere_is_not_local():
    addresses = [
        "https://192.0.2.7:6443",
        "https://kind.example.com",
        "https://[2001:db8::1]:6443",
        "",
        "x://[",
    ]
    for server in addresses:
        (context,) = kubeconfig.merged([config(("kind-of-prod", server), current="kind-of-prod")])
        assert not context.is_local, server
        assert context.kind == "cluster"


def test_the_question_is_only_for_the_name_typed_in_full(home: Path, serve: Callable[..., Server]):
    server = serve()
    write(home, config(("prod", server.url), current="prod"))
    found = finding.find(ask=lambda question: " prod ")
    assert (found.context, found.kind, found.cluster_name) == ("prod", "cluster", "prod")


def test_a_proxy_that_does_not_work_is_named(home: Path):
    write(home, config(("prod", "https://192.0.2.7:6443"), current="prod"))
    with pytest.raises(finding.NoCluster, match="the proxy .* does not lead to 192.0.2.7:6443"):
        finding.find("prod")


def test_naming_a_context_is_consent(home: Path, serve: Callable[..., Server]):
    server = serve()
    write(home, config(("prod", server.url), ("kind-a", dead()), current="kind-a"))
    assert finding.find("prod", ask=never).version == "1.36.0"


def test_a_name_that_the_kubeconfig_does_not_have_is_answered_with_those_it_has(home: Path):
    write(home, config(("prod", dead()), ("kind-a", dead())))
    with pytest.raises(finding.NoCluster, match="no context “x”. It has: prod, kind-a"):
        finding.find("x")


@pytest.mark.parametrize("error", [EOFError, NotImplementedError, OSError])
def test_nobody_there_to_ask_means_no(home: Path, serve: Callable[..., Server], error: type[Exception]):
    """IPython's StdinNotImplementedError is a NotImplementedError."""
    from IPython.core.error import StdinNotImplementedError

    assert issubclass(StdinNotImplementedError, NotImplementedError)
    server = serve()
    write(home, config(("prod", server.url), current="prod"))

    def ask(question: str) -> str:
        raise error

    with pytest.raises(finding.NoCluster, match="left alone"):
        finding.find(ask=ask)
    assert server.connections == 0


def test_without_any_kubeconfig_the_message_says_how_to_get_a_cluster():
    with pytest.raises(finding.NoCluster, match="There is no cluster on this machine.\n.*`workshop cluster`"):
        finding.find(ask=never)


def test_of_several_files_the_first_that_names_a_current_context_counts(
    home: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Server]
):
    """As for kubectl; the official client lets the last one win."""
    first, second = serve(), serve()
    files = [
        write(home, "", "empty"),
        home / "missing",
        write(home, config(("kind-a", first.url), current="kind-a"), "one"),
        write(home, config(("kind-b", second.url), ("kind-a", dead()), current="kind-b"), "two"),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    assert finding.find(ask=never).context == "kind-a"
    assert finding.find("kind-b").api.configuration.host == second.url


def test_a_dead_local_cluster_is_said_at_once_with_how_to_start_it(home: Path):
    write(home, config(("minikube", dead()), current="minikube"))
    begun = time.monotonic()
    with pytest.raises(finding.NoCluster, match="nobody listens at 127.0.0.1:.*`minikube start -p minikube`"):
        finding.find(ask=never)
    assert time.monotonic() - begun < 5


def test_a_server_that_says_nothing_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finding, "READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write(home, config(("kind-x", f"http://127.0.0.1:{silent.getsockname()[1]}"), current="kind-x"))
        with pytest.raises(finding.NoCluster, match="no answer from 127.0.0.1"):
            finding.find(ask=never)


ANSWERS = [
    pytest.param(
        401, {}, "does not accept the credentials; they have expired.*kind export kubeconfig", id="401"
    ),
    pytest.param(403, {}, "forbids them", id="403"),
    pytest.param(500, {}, "HTTP 500", id="500"),
    pytest.param(200, ["a", "page"], "no Kubernetes API server", id="something else"),
]


@pytest.mark.parametrize(("status", "answer", "words"), ANSWERS)
def test_what_a_server_says_is_put_in_words(
    home: Path, serve: Callable[..., Server], status: int, answer: object, words: str
):
    write(home, config(("kind-x", serve(status, answer).url), current="kind-x"))
    with pytest.raises(finding.NoCluster, match=words):
        finding.find(ask=never)


def test_tls_that_does_not_fit_is_said_and_one_that_does_is_used(home: Path, serve: Callable[..., Server]):
    ours = Authority("ours")
    for name, content in ours.issue("localhost").items():
        (home / name).write_bytes(content)
    (home / "strangers.pem").write_bytes(Authority("strangers").pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "certificate.pem", home / "key.pem")
    url = serve(tls=context).url.replace("127.0.0.1", "localhost")
    strange = {"certificate-authority": str(home / "strangers.pem")}
    write(home, config(("kind-x", url), current="kind-x", cluster=strange))
    with pytest.raises(finding.NoCluster, match="certificate of localhost:.* is not the one.*renews it"):
        finding.find(ask=never)
    write(
        home,
        config(("kind-x", url), current="kind-x", cluster={"certificate-authority": str(home / "ca.pem")}),
    )
    assert finding.find(ask=never).version == "1.36.0"


def test_a_server_without_tls_where_the_kubeconfig_wants_it(home: Path, serve: Callable[..., Server]):
    url = serve().url.replace("http:", "https:")
    write(home, config(("kind-x", url), current="kind-x"))
    with pytest.raises(finding.NoCluster, match="does not speak TLS as the kubeconfig wants it"):
        finding.find(ask=never)


BROKEN = [
    pytest.param("clusters: [", "no valid YAML", id="no YAML"),
    pytest.param("just a text", "no kubeconfig", id="a text"),
    pytest.param("clusters: {a: b}", "no kubeconfig", id="no list"),
    pytest.param("contexts: [{context: {}}]", "no kubeconfig", id="without a name"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN)
def test_a_broken_kubeconfig_is_named_with_what_is_wrong(home: Path, text: str, words: str):
    path = write(home, text)
    with pytest.raises(kubeconfig.Unreadable, match=words) as caught:
        finding.find(ask=never)
    assert str(path) in str(caught.value)


def with_plugin(command: str, url: str) -> Entry:
    plugin = {"command": command, "apiVersion": "client.authentication.k8s.io/v1"}
    return config(("cloud", url), current="cloud", user={"exec": plugin})


def test_a_credentials_program_that_is_missing_is_named(home: Path, serve: Callable[..., Server]):
    server = serve()
    write(home, with_plugin("gke-gcloud-auth-plugin", server.url))
    with pytest.raises(finding.NoCluster, match="“gke-gcloud-auth-plugin”, which is not installed here"):
        finding.find("cloud")
    assert server.connections == 0


def test_a_credentials_program_that_fails_is_said_and_nobody_is_asked_as_a_nobody(
    home: Path, serve: Callable[..., Server]
):
    server = serve()
    program(home, "aws", "sys.exit('the session has expired: aws sso login')")
    write(home, with_plugin("aws", server.url))
    with pytest.raises(finding.NoCluster, match="“aws” gave no credentials.*aws sso login"):
        finding.find("cloud")
    assert server.connections == 0


def test_a_credentials_program_is_not_even_run_before_somebody_agrees(
    home: Path, serve: Callable[..., Server]
):
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "t"},
    }
    program(home, "aws", f"open({str(home / 'ran')!r}, 'w'); print(json.dumps({answer!r}))")
    write(home, with_plugin("aws", serve().url))
    with pytest.raises(finding.NoCluster):
        finding.find(ask=lambda question: "no")
    assert not (home / "ran").exists()
    assert finding.find("cloud").version == "1.36.0"
    assert (home / "ran").exists()


def test_a_cluster_that_only_kind_knows_is_found_and_the_kubeconfig_stays(
    home: Path, serve: Callable[..., Server]
):
    production, server = serve(), serve()
    before = write(
        home, config(("prod", production.url), ("kind-listed", dead()), current="prod")
    ).read_bytes()
    entries = yaml.safe_dump(config(("kind-workshop", server.url), current="kind-workshop"))
    program(
        home,
        "kind",
        f"print('listed\\nworkshop') if sys.argv[1:] == ['get', 'clusters'] else print({entries!r})\n"
        "assert sys.argv[1:] in (['get', 'clusters'], ['get', 'kubeconfig', '--name', 'workshop'])",
    )
    assert finding.find(ask=never).cluster_name == "workshop"
    assert production.connections == 0
    assert (home / ".kube" / "config").read_bytes() == before


def test_a_cluster_that_only_minikube_knows_is_found_and_the_kubeconfig_stays(
    home: Path, serve: Callable[..., Server]
):
    signed = {"extensions": [{"name": "cluster_info", "extension": {"provider": "minikube.sigs.k8s.io"}}]}
    entries = yaml.safe_dump(config(("shop", serve().url), current="shop", cluster=signed))
    program(
        home,
        "minikube",
        "if sys.argv[1] == 'profile': print(json.dumps({'valid': [{'Name': 'shop'}]}))\n"
        f"else: open(os.environ['KUBECONFIG'], 'w').write({entries!r})",
    )
    found = finding.find(ask=never)
    assert (found.kind, found.cluster_name) == ("minikube", "shop")
    assert not (home / ".kube").exists()


@pytest.mark.parametrize("script", ["sys.exit(1)", "print('{')", "print('[]')"])
def test_tools_that_fail_are_no_clusters(home: Path, script: str):
    program(home, "kind", script)
    program(home, "minikube", script)
    with pytest.raises(finding.NoCluster):
        finding.find(ask=never)


def bridges(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fields = {"family": socket.AF_INET, "address": "192.168.49.1", "netmask": "255.255.255.0"}
    address = type("Address", (), fields)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {name: [address]})


@pytest.mark.parametrize(
    ("context", "server", "interface", "is_local"),
    [
        pytest.param("minikube", "https://192.168.49.2:8443", "br-1a2b3c", True, id="on a bridge"),
        pytest.param("minikube", "https://192.168.49.2:8443", "eth0", False, id="in the office"),
        pytest.param(
            "minikube", "https://192.168.50.2:8443", "br-1a2b3c", False, id="behind another network"
        ),
        pytest.param("kind-x", "https://192.168.49.2:8443", "br-1a2b3c", False, id="kind uses no bridge"),
        pytest.param("microk8s", "https://192.168.49.1:16443", "eth0", True, id="this machine's own address"),
        pytest.param("k3d-x", "https://0.0.0.0:6550", "eth0", True, id="k3d's way to write it"),
        pytest.param("docker-desktop", "https://127.0.0.1:6443", "eth0", True, id="Docker Desktop"),
        pytest.param("kind-x", "https://[::1]:6443", "eth0", True, id="loopback of IPv6"),
    ],
)
def test_a_private_address_is_local_on_a_bridge_only(
    monkeypatch: pytest.MonkeyPatch, context: str, server: str, interface: str, is_local: bool
):
    bridges(monkeypatch, interface)
    (found,) = kubeconfig.merged([config((context, server))])
    assert found.is_local is is_local


def test_a_name_of_this_machine_counts_for_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch):
    looked_up = []

    def look_up(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        return [(0, 0, 0, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    entries = config(("docker-desktop", "https://kubernetes.docker.internal:6443"))
    address = "127.0.0.1"
    assert kubeconfig.merged([entries])[0].is_local
    address = "192.0.2.1"
    assert not kubeconfig.merged([entries])[0].is_local
    assert not kubeconfig.merged([config(("kind-x", "https://api.example.com"))])[0].is_local
    assert "api.example.com" not in looked_up


def test_the_tools_commands_are_really_run_where_they_are(home: Path):
    program(home, "kind", "print('one two')")
    assert kind.clusters() == ["one", "two"]
