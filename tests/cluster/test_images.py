"""Images reach a cluster by the way that its sort has; where there is none, it is said what to do."""

import http.server
import json
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes.client
import pytest
import yaml
from docker.errors import APIError, ImageNotFound

from workshop.cluster import images
from workshop.cluster.finding import Found
from workshop.cluster.images import CannotLoad, ImageMissing

NAMES = ["recommendations:1.0.0", "marketplace:1.0.0"]


class Engine:
    """What images.py asks an engine for, with the two images on it; it writes down what is done to them."""

    def __init__(self) -> None:
        self.names, self.done, self.tags = list(NAMES), list[str](), list[str]()
        self.refusal: str | None = None
        self.api = self.images = self

    def get(self, name: str) -> "Image":
        if name not in self.names:
            raise ImageNotFound(name)
        return Image(self, name)

    def get_image(self, name: str) -> Iterator[bytes]:
        yield b"the archive "
        yield b"of " + name.encode()

    def info(self) -> dict[str, str]:
        return {"ServerVersion": "29.1.2", "Name": "docker-desktop"}

    def push(self, repository: str, tag: str, stream: bool, decode: bool) -> Iterator[dict[str, str]]:
        self.done.append(f"push {repository}:{tag}")
        yield {"status": "Pushing"}
        if self.refusal:
            yield {"error": self.refusal}

    def remove(self, name: str, noprune: bool) -> None:
        self.done.append(f"untag {name}")


class Image:
    """One image of the engine."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name, self.tags = engine, name, engine.tags

    def tag(self, repository: str, tag: str) -> None:
        self._engine.done.append(f"tag {self._name} {repository}:{tag}")


class Cluster:
    """An API server that has nodes, and perhaps an announcement.

    Attributes:
        answers: what it says, by path; anything else is not there.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, answer = cluster.answers.get(self.path, (404, {"kind": "Status", "code": 404}))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def runs_on(self, runtime: str, *names: str) -> None:
        nodes = [
            {"metadata": {"name": name}, "status": {"nodeInfo": {"containerRuntimeVersion": runtime}}}
            for name in names
        ]
        self.answers["/api/v1/nodes"] = 200, {"items": nodes}

    def announces(self, **hosting: str) -> None:
        path = "/api/v1/namespaces/kube-public/configmaps/local-registry-hosting"
        self.answers[path] = 200, {"data": {"localRegistryHosting.v1": yaml.safe_dump(hosting)}}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def found(cluster: Cluster) -> Callable[[str], Found]:
    configuration = kubernetes.client.Configuration()
    configuration.host, configuration.proxy, configuration.retries = cluster.url, None, False
    api = kubernetes.client.ApiClient(configuration)
    return lambda sort, name="shop": Found(f"context-{name}", sort, "1.36.0", api, name)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[str]]]:
    """A program that writes down its arguments, with the content of every file among them."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def make(name: str, said: str = "", code: int = 0) -> Callable[[], list[str]]:
        path, record = tmp_path / "bin" / name, tmp_path / "calls"
        path.write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            "words = [open(word).read() if os.path.isfile(word) else word for word in sys.argv[1:]]\n"
            f"open({str(record)!r}, 'a').write(' '.join(words) + '\\n')\nprint({said!r})\nsys.exit({code})\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return lambda: record.read_text().splitlines() if record.exists() else []

    return make


@pytest.mark.parametrize(
    ("sort", "call"),
    [
        ("kind", "load image-archive the archive of {} --name shop"),
        ("minikube", "image load the archive of {} --profile shop"),
        ("k3d", "image import the archive of {} --cluster shop"),
    ],
)
def test_a_clusters_own_tool_gets_each_image_as_an_archive(
    found: Callable[..., Found],
    tool: Callable[..., Callable[[], list[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    call: str,
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    calls = tool(sort)
    assert images.load(found(sort), Engine(), NAMES) == {name: name for name in NAMES}
    assert calls() == [call.format(name) for name in NAMES]
    assert list(temporary.iterdir()) == []


def test_an_image_that_is_missing_is_named_with_the_line_that_builds_it(
    found: Callable[..., Found], tool: Callable[..., Callable[[], list[str]]]
):
    calls, engine = tool("kind"), Engine()
    engine.names.remove("marketplace:1.0.0")
    with pytest.raises(ImageMissing, match="no image “marketplace:1.0.0”") as caught:
        images.load(found("kind"), engine, NAMES)
    assert "docker build . -f docker/marketplace.Dockerfile -t marketplace:1.0.0" in str(caught.value)
    assert calls() == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ERROR: no nodes found", "ERROR: no nodes found"),
        ("ctr: no space left on device", "the node's disk is full"),
        ("ctr: content digest sha256:1: not found", "its archive is not complete"),
    ],
)
def test_a_tool_that_fails_is_quoted(
    found: Callable[..., Found], tool: Callable[..., Callable[[], list[str]]], said: str, words: str
):
    tool("kind", said=said, code=1)
    with pytest.raises(CannotLoad, match=words) as caught:
        images.load(found("kind"), Engine(), NAMES)
    assert "kind could not load “recommendations:1.0.0”" in str(caught.value)


def test_a_tool_that_is_not_there_is_named(
    found: Callable[..., Found], tool: Callable[..., Callable[[], list[str]]]
):
    with pytest.raises(CannotLoad, match="the command minikube, which is not on the PATH"):
        images.load(found("minikube"), Engine(), NAMES)


def test_a_cluster_on_this_very_engine_needs_nothing(found: Callable[..., Found], cluster: Cluster):
    cluster.runs_on("docker://29.1.2", "docker-desktop")
    engine = Engine()
    assert images.load(found("Docker Desktop"), engine, NAMES) == {name: name for name in NAMES}
    assert engine.done == []


@pytest.mark.parametrize(
    ("runtime", "nodes"),
    [
        pytest.param("containerd://2.1.3", ["docker-desktop"], id="a store of its own"),
        pytest.param("docker://28.0.0", ["docker-desktop"], id="another Docker"),
        pytest.param("docker://29.1.2", ["server-in-the-cellar"], id="another machine"),
        pytest.param("docker://29.1.2", ["docker-desktop", "second"], id="two nodes"),
    ],
)
def test_a_cluster_that_only_looks_like_this_engine_is_told_how_images_get_there(
    found: Callable[..., Found], cluster: Cluster, runtime: str, nodes: list[str]
):
    cluster.runs_on(runtime, *nodes)
    with pytest.raises(CannotLoad, match="docker push REGISTRY/NAME.*newName: REGISTRY/NAME"):
        images.load(found("Docker Desktop"), Engine(), NAMES)


@pytest.mark.parametrize(
    ("hosting", "known"),
    [
        ({"host": "localhost:5001"}, "localhost:5001/recommendations:1.0.0"),
        (
            {"host": "localhost:5001", "hostFromContainerRuntime": "registry:5000"},
            "registry:5000/recommendations:1.0.0",
        ),
    ],
)
def test_an_announced_registry_is_pushed_to_and_nodes_know_it_by_their_own_name(
    found: Callable[..., Found], cluster: Cluster, hosting: dict[str, str], known: str
):
    cluster.runs_on("containerd://2.1.3", "node")
    cluster.announces(**hosting)
    engine = Engine()
    assert images.load(found("cluster"), engine, NAMES[:1]) == {"recommendations:1.0.0": known}
    assert engine.done == [
        "tag recommendations:1.0.0 localhost:5001/recommendations:1.0.0",
        "push localhost:5001/recommendations:1.0.0",
        "untag localhost:5001/recommendations:1.0.0",
    ]


def test_a_name_that_the_learner_had_given_stays(found: Callable[..., Found], cluster: Cluster):
    cluster.announces(host="localhost:5001")
    engine = Engine()
    engine.tags = ["localhost:5001/recommendations:1.0.0"]
    images.load(found("cluster"), engine, NAMES[:1])
    assert not [step for step in engine.done if step.startswith("untag")]


@pytest.mark.parametrize("everywhere", [True, False])
def test_images_that_every_node_has_already_need_nothing(
    found: Callable[..., Found], cluster: Cluster, everywhere: bool
):
    has_them = {"images": [{"names": [f"docker.io/library/{name}"]} for name in NAMES]}
    nodes = [
        {"metadata": {"name": "one"}, "status": has_them},
        {"metadata": {"name": "two"}, "status": has_them if everywhere else {"images": []}},
    ]
    cluster.answers["/api/v1/nodes"] = 200, {"items": nodes}
    if everywhere:
        assert images.load(found("cluster"), Engine(), NAMES) == {name: name for name in NAMES}
    else:
        with pytest.raises(CannotLoad, match="No way leads"):
            images.load(found("cluster"), Engine(), NAMES)


def test_a_registry_that_refuses_is_quoted_and_the_name_goes_again(
    found: Callable[..., Found], cluster: Cluster
):
    cluster.announces(host="localhost:5001")
    engine = Engine()
    engine.refusal = "no basic auth credentials"
    with pytest.raises(
        CannotLoad, match="registry localhost:5001 did not take .*: no basic auth credentials"
    ):
        images.load(found("cluster"), engine, NAMES)
    assert engine.done[-1].startswith("untag")
    engine.push = lambda *_, **__: (_ for _ in ()).throw(APIError("x", explanation="closed"))  # type: ignore
    with pytest.raises(CannotLoad, match="did not take .*: closed"):
        images.load(found("cluster"), engine, NAMES)


@pytest.mark.parametrize("answer", [(200, {"data": {"localRegistryHosting.v1": "{"}}), (200, {}), (403, {})])
def test_an_announcement_that_says_nothing_is_none(
    found: Callable[..., Found], cluster: Cluster, answer: tuple[int, object]
):
    cluster.answers["/api/v1/nodes"] = 403, {}
    cluster.answers["/api/v1/namespaces/kube-public/configmaps/local-registry-hosting"] = answer
    with pytest.raises(CannotLoad, match="No way leads"):
        images.load(found("cluster"), Engine(), NAMES)


def test_a_cluster_that_has_gone_is_said(found: Callable[..., Found], cluster: Cluster):
    cluster.close()
    with pytest.raises(CannotLoad, match="The cluster does not answer"):
        images.load(found("cluster"), Engine(), NAMES)
