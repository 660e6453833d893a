"""One command makes a cluster, with the kind that is installed, or with one that is fetched and checked."""

import hashlib
import http.server
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workshop import cli, engine
from workshop.cluster import kind
from workshop.cluster.kind import CannotMake

GIB = 1024**3
RELEASE = b"#!/bin/sh\necho the released kind\n"
PATH = f"/v{kind.VERSION}/kind-linux-amd64"


class Engine:
    """What kind.py asks an engine for; the tests have to run where there is none, too."""

    class api:
        base_url = "http+docker://localhost"

    def __init__(self, name: str = "Docker Engine", memory: int = 8 * GIB, root: str = "/nowhere") -> None:
        self._name, self._memory, self._root = name, memory, root
        self.nodes: list[Node] = []
        self.containers = self

    def version(self) -> dict[str, Any]:
        return {"Platform": {"Name": self._name}, "Version": "29.1"}

    def info(self) -> dict[str, Any]:
        return {"MemTotal": self._memory, "DockerRootDir": self._root}

    def list(self, all: bool, filters: dict[str, str]) -> "list[Node]":
        assert (all, filters) == (True, {"label": "io.x-k8s.kind.cluster=workshop"})
        return self.nodes


class Node:
    """A container that is a node of the cluster."""

    def __init__(self, status: str) -> None:
        self.name, self.status = "workshop-control-plane", status

    def start(self) -> None:
        self.status = "running"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a PATH of our own, on Linux, whatever the machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    program(tmp_path, "docker", "")
    return tmp_path


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Engine]:
    def use(*arguments: Any, **options: Any) -> Engine:
        found = Engine(*arguments, **options)
        monkeypatch.setattr(engine, "connect", lambda say, embedded: found)
        return found

    return use


def program(home: Path, name: str, script: str) -> Path:
    path = home / "bin" / name
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def fake_kind(home: Path, clusters: str = "", said: str = "", code: int = 0) -> Callable[[], list[str]]:
    """A kind that writes down what it is called with; gives what was."""
    record = home / "calls"
    program(
        home,
        "kind",
        f"open({str(record)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"if sys.argv[1:] == ['get', 'clusters']: print({clusters!r}); sys.exit()\n"
        f"print({said!r}, file=sys.stderr); sys.exit({code})",
    )
    return lambda: record.read_text().splitlines() if record.exists() else []


def test_a_cluster_is_made_and_what_kind_says_is_passed_on(home: Path, docker: Callable[..., Engine]):
    docker()
    calls = fake_kind(home, said="Preparing nodes")
    told: list[str] = []
    kind.make(told.append)
    assert calls() == ["get clusters", "create cluster --name workshop --wait 180s"]
    assert "  Preparing nodes" in told
    assert any("“workshop” is ready" in line for line in told)
    assert any("workshop cluster --delete" in line for line in told)


def test_a_second_time_nothing_is_made_and_what_was_stopped_is_started(
    home: Path, docker: Callable[..., Engine]
):
    found = docker()
    found.nodes = [Node("exited"), Node("running")]
    calls = fake_kind(home, clusters="other\nworkshop")
    told: list[str] = []
    kind.make(told.append)
    assert calls() == ["get clusters", "export kubeconfig --name workshop"]
    assert [node.status for node in found.nodes] == ["running", "running"]
    assert sum("Starting the node" in line for line in told) == 1


def test_deleting_removes_ours_and_is_content_where_there_is_none(home: Path):
    calls = fake_kind(home, clusters="workshop workshop-of-somebody")
    kind.delete(lambda line: None)
    assert calls() == ["get clusters", "delete cluster --name workshop"]
    (home / "calls").unlink()
    calls = fake_kind(home, clusters="workshop-of-somebody")
    told: list[str] = []
    kind.delete(told.append)
    assert calls() == ["get clusters"]
    assert told == ["There is no cluster “workshop”."]


def test_deleting_where_there_is_no_kind_fetches_none(home: Path):
    kind.delete(lambda line: None)
    assert not (home / "cache").exists()


def test_the_command_makes_and_deletes(
    home: Path, docker: Callable[..., Engine], capsys: pytest.CaptureFixture[str]
):
    docker()
    calls = fake_kind(home)
    assert cli.main(["cluster"]) == 0
    assert "is ready" in capsys.readouterr().out
    fake_kind(home, clusters="workshop")
    assert cli.main(["cluster", "--delete"]) == 0
    assert calls()[-1] == "delete cluster --name workshop"


FAILURES = [
    ("could not find a log line that matches “Reached target .*Multi-User System.*”", "cgroup v2"),
    ("kubelet: cgroup v1 is not supported", "cgroup v2"),
    ("Bind for 127.0.0.1:40123 failed: port is already allocated", "Run the command again"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "docker info"),
    ("write /var/lib/docker/x: no space left on device", "disk is full"),
    ("failed to create fsnotify watcher: too many open files", "fs.inotify.max_user_watches"),
    ('failed to pull image "kindest/node:v1.37.0"', "could not be pulled"),
    ("error: timed out waiting for the condition", "want of memory"),
    ("something that nobody has seen before", "something that nobody has seen before"),
    ("", "said nothing"),
]


@pytest.mark.parametrize(("said", "words"), FAILURES)
def test_what_kind_fails_with_is_put_in_words(
    home: Path,
    docker: Callable[..., Engine],
    capsys: pytest.CaptureFixture[str],
    said: str,
    words: str,
):
    docker()
    fake_kind(home, said=said, code=1)
    assert cli.main(["cluster"]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_the_embedded_engine_and_no_engine_are_told_apart_from_a_docker_engine(
    home: Path, docker: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
):
    calls, connect = fake_kind(home), engine.connect
    docker("Pocket engine")
    with pytest.raises(CannotMake, match="real Docker Engine.*embedded engine cannot"):
        kind.make(lambda line: None)
    monkeypatch.setattr(engine, "connect", connect)
    monkeypatch.setenv("DOCKER_HOST", "unix:///there/is/none.sock")
    with pytest.raises(
        CannotMake, match="real Docker Engine.*embedded engine cannot.*\nNo Docker Engine answered"
    ):
        kind.make(lambda line: None)
    assert calls() == []


def test_without_the_docker_command_kind_is_not_even_called(home: Path, docker: Callable[..., Engine]):
    docker()
    calls = fake_kind(home)
    (home / "bin" / "docker").unlink()
    with pytest.raises(CannotMake, match="the docker command, which is not on the PATH"):
        kind.make(lambda line: None)
    assert calls() == []


def test_little_memory_is_said_and_a_full_disk_is_refused(
    home: Path, docker: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
):
    docker(memory=2 * GIB, root=str(home))
    calls = fake_kind(home)
    usage = type("Usage", (), {"free": 4 * GIB})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    told: list[str] = []
    kind.make(told.append)
    assert any("2.0 GiB of memory" in line for line in told)
    assert any("4.0 GiB are free" in line for line in told)
    (home / "calls").unlink()
    usage.free = 1 * GIB
    with pytest.raises(CannotMake, match="1.0 GiB are free"):
        kind.make(lambda line: None)
    assert calls() == ["get clusters"]


class Releases:
    """A real HTTP server with releases.

    Attributes:
        files: what it has, by path.
        cut: so many bytes of a file it sends before the connection breaks; None for all.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {PATH: RELEASE}
        self.cut: int | None = None
        releases = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = releases.files.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: releases.cut])

            def log_message(self, *_: object) -> None:
                pass

        self._listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    monkeypatch.setitem(kind.SHA256, "linux-amd64", hashlib.sha256(RELEASE).hexdigest())
    releases = Releases()
    yield releases
    releases.close()


def quiet(line: str) -> None:
    pass


def cached(home: Path) -> list[Path]:
    folder = home / "cache" / "microservices-workshop"
    return list(folder.iterdir()) if folder.exists() else []


def test_a_release_is_fetched_once_checked_and_can_be_run(home: Path, releases: Releases):
    told: list[str] = []
    path = kind.ensure(told.append, releases.address)
    assert path.read_bytes() == RELEASE
    assert path.stat().st_mode & 0o111
    assert told[0].startswith(f"Fetching kind {kind.VERSION}")
    assert releases.address in told[0]
    releases.files.clear()
    assert kind.ensure(quiet, releases.address) == path
    assert cached(home) == [path]


def test_what_is_installed_is_taken_before_anything_is_fetched(home: Path, releases: Releases):
    fake_kind(home)
    assert kind.ensure(quiet, releases.address) == home / "bin" / "kind"
    assert cached(home) == []


def wrong(releases: Releases) -> None:
    releases.files[PATH] = b"<html>Please log in to the hotel's network</html>"


def cut(releases: Releases) -> None:
    releases.cut = 10


def missing(releases: Releases) -> None:
    releases.files.clear()


def gone(releases: Releases) -> None:
    releases.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            wrong, f"is not kind {kind.VERSION}: its SHA-256 is .* thrown away", id="something else"
        ),
        pytest.param(cut, "the connection broke off", id="an interrupted download"),
        pytest.param(missing, "HTTP 404", id="no such release"),
        pytest.param(gone, "there is no way to it from here", id="no network"),
    ],
)
def test_what_is_not_the_release_is_not_kept(
    home: Path, releases: Releases, fault: Callable[[Releases], None], words: str
):
    fault(releases)
    with pytest.raises(CannotMake, match=words) as caught:
        kind.ensure(quiet, releases.address)
    assert "Install it yourself: `go install sigs.k8s.io/kind@v" in str(caught.value)
    assert cached(home) == []
    assert kind.executable() is None


def test_a_machine_that_has_no_release_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(CannotMake, match=r"\(linux-riscv64\). Install it yourself"):
        kind.ensure(quiet, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("system", "machine", "which"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "x86_64", "darwin-amd64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Windows", "AMD64", "windows-amd64"),
    ],
)
def test_every_platform_that_has_a_release_is_known(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, which: str
):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert kind._platform() == which
    assert len(bytes.fromhex(kind.SHA256[which])) == 32


def test_a_kind_that_hangs_has_no_clusters(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kind, "ASK_SECONDS", 0.3)
    program(home, "kind", "import signal; signal.pause()")
    assert kind.clusters() == []
