"""What clients, registries and this machine do wrong: a clear error, and nothing is damaged."""

import contextlib
import gzip
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import pytest

from tests.pocket_engine.archives import BASE, context, error_of, import_base, saved
from tests.pocket_engine.embedded import EmbeddedEngine, eventually
from tests.pocket_engine.registries import Misbehaving, digest_of, misbehaving
from tests.pocket_engine.tars import tar

LONG = "x" * 3000


@pytest.fixture(scope="module")
def base(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import_base(client, tmp_path_factory.mktemp("base") / "root")
    yield BASE
    client.images.remove(BASE, force=True)


def create(**request: Any) -> tuple[str, str, Any]:
    return "POST", "/containers/create", {"Image": BASE, "Cmd": ["true"], **request}


def host(**config: Any) -> tuple[str, str, Any]:
    return create(HostConfig=config)


def subnet(text: str) -> dict[str, Any]:
    return {"IPAM": {"Config": [{"Subnet": text}]}}


# What is asked: method, path, body; and the status and the words of the answer.
NONSENSE: list[tuple[tuple[str, str, Any], int, str]] = [
    (("POST", "/containers/create", "{"), 400, "Content-Type specified () must be 'application/json'"),
    (("POST", "/containers/create", []), 400, "invalid JSON: it is no object"),
    (create(Image=5), 400, "cannot unmarshal number 5 into field Image of type string"),
    (create(Image="A B"), 400, "invalid reference format"),
    (create(Image=f"{LONG}:1"), 400, "must not be more than 255 characters"),
    (create(Cmd=5), 400, "cannot unmarshal number 5 into field Cmd of type array"),
    (create(Cmd=[1]), 400, "cannot unmarshal number 1 into field Cmd of type string"),
    (create(Env=[None]), 400, "cannot unmarshal null into field Env of type string"),
    (create(Env=["=x"]), 400, "invalid environment variable: =x"),
    (create(Labels={"a": 1}), 400, "cannot unmarshal number 1 into field Labels.a of type string"),
    (create(ExposedPorts=["80"]), 400, "cannot unmarshal array into field ExposedPorts of type object"),
    (create(Hostname=LONG), 400, "invalid hostname"),
    (create(WorkingDir="here"), 400, "the working directory 'here' is invalid"),
    (create(StopSignal="SIGNOPE"), 400, "Invalid signal: SIGNOPE"),
    (create(HostConfig=5), 400, "cannot unmarshal number 5 into field HostConfig of type object"),
    (host(Memory=-1), 400, "Minimum memory limit allowed is 6MB"),
    (host(Memory=1 << 80), 400, f"cannot unmarshal number {1 << 80} into field HostConfig.Memory"),
    (host(Memory=0.5), 400, "cannot unmarshal number 0.5 into field HostConfig.Memory of type int64"),
    (host(ShmSize=-1), 400, "SHM size can not be less than 0"),
    (host(Binds=["/a:/b:/c:/d"]), 500, "invalid volume specification: '/a:/b:/c:/d'"),
    (host(Mounts=[{"Type": "nope", "Target": "/x"}]), 400, "mount type unknown"),
    (host(PortBindings={"80/tcp": 5}), 400, "into field HostConfig.PortBindings.80/tcp of type array"),
    (host(PortBindings={"80/tcp": [{"HostPort": "99999"}]}), 400, 'invalid port specification: "99999"'),
    (host(PortBindings={"99999/tcp": [{}]}), 400, 'invalid port specification: "99999"'),
    (host(RestartPolicy={"Name": "maybe"}), 400, "invalid restart policy 'maybe'"),
    (host(LogConfig={"Type": "json-file", "Config": {"max-size": "much"}}), 400, "invalid size: 'much'"),
    (host(LogConfig={"Type": "json-file", "Config": {"max-file": "0"}}), 400, "invalid value for max-file"),
    (host(LogConfig={"Type": "syslog", "Config": {}}), 500, "no log driver named 'syslog' is registered"),
    (("POST", "/containers/create?name=a/b", {"Image": BASE}), 400, "Invalid container name (a/b)"),
    (("POST", "/containers/create?name=..", {"Image": BASE}), 400, "Invalid container name (..)"),
    (("GET", "/containers/json?filters={", None), 400, "invalid filter"),
    (("GET", "/containers/json?filters=[]", None), 400, "invalid filter: it is no JSON object"),
    (("GET", "/containers/json?limit=many", None), 400, 'parsing "many": invalid syntax'),
    (("GET", f"/containers/{LONG}/json", None), 404, "No such container: xxx"),
    (("GET", "/images/..%2F..%2Fetc/json", None), 400, "invalid reference format"),
    (("POST", f"/images/{BASE}/tag?repo=a/../b", None), 400, "invalid reference format"),
    (("POST", "/images/create?fromImage=../..", None), 400, "invalid reference format"),
    (("POST", "/volumes/create", {"Name": "../up"}), 400, "includes invalid characters"),
    (("POST", "/volumes/create", {"Name": LONG}), 500, "file name too long"),
    (("DELETE", "/volumes/..", None), 404, "get ..: no such volume"),
    (("POST", "/networks/create", {"Name": 5}), 400, "cannot unmarshal number 5 into field Name"),
    (("POST", "/networks/create", {"Name": "n", **subnet("x")}), 400, "Invalid subnet x"),
    (("POST", "/exec/nosuch/start", {}), 404, "No such exec instance: nosuch"),
    (("POST", "/build?buildargs={", b""), 400, "error reading build args"),
    (("POST", "/build?dockerfile=../x", context("FROM scratch")), 500, "forbidden path outside"),
    (("POST", "/build", context("FORM scratch")), 400, "unknown instruction: FORM"),
    (("POST", "/build", context("FROM scratch", "COPPY a b")), 400, "unknown instruction: COPPY"),
    (("POST", "/build", context("FROM")), 400, "FROM requires either one or three arguments"),
    (("POST", "/build", context("# nothing")), 400, "file with no instructions"),
    (("POST", "/build", context("RUN true")), 400, "no build stage in current context"),
    (("POST", "/build", context("FROM scratch", "COPY nosuch /")), 200, "file not found in build context"),
    (("POST", "/build", context("FROM scratch", "EXPOSE many")), 200, "many"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "status", "words"), NONSENSE)
def test_nonsense(
    engine: EmbeddedEngine,
    client: docker.DockerClient,
    base: str,
    asked: tuple[str, str, Any],
    status: int,
    words: str,
) -> None:
    before = what_is_there(client)
    answer = engine.ask(*asked)
    assert (answer.status, words in error_of(answer)) == (status, True), answer
    assert what_is_there(client) == before


def what_is_there(client: docker.DockerClient) -> list[set[str]]:
    kinds = (
        client.images.list(),
        client.containers.list(all=True),
        client.networks.list(),
        client.volumes.list(),
    )
    return [{str(each.id) for each in kind} for kind in kinds]


# Clients that hang up.


@contextlib.contextmanager
def half_a_request(engine: EmbeddedEngine, path: str, body: bytes) -> Iterator[None]:
    """A client that sends half of a body, and goes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(engine.socket))
        head = f"POST {path} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        yield


def nothing_is_left(engine: EmbeddedEngine) -> None:
    unfinished = engine.data_root / "tmp"
    eventually(lambda: not any(unfinished.iterdir()), 10, lambda: str(list(unfinished.iterdir())))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/images/load", saved(tar(("data", os.urandom(1 << 20))), "half:1")),
        ("/images/create?fromSrc=-&repo=half", tar(("data", os.urandom(1 << 20)))),
        ("/build?t=half", context("FROM scratch", "COPY data /", data=os.urandom(1 << 20))),
    ],
)
def test_a_client_that_hangs_up_in_its_request(
    engine: EmbeddedEngine, client: docker.DockerClient, path: str, body: bytes
) -> None:
    before = what_is_there(client)
    with half_a_request(engine, path, body):
        time.sleep(0.1)
    nothing_is_left(engine)
    assert what_is_there(client) == before


def hang_up_after(engine: EmbeddedEngine, path: str, body: bytes, words: bytes) -> None:
    """A client that goes when it has heard some words."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(engine.socket))
        head = f"POST {path} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        heard = b""
        while words not in heard:
            heard += connection.recv(1 << 16) or pytest.fail(heard.decode())


def test_a_client_that_hangs_up_in_a_build(
    engine: EmbeddedEngine, client: docker.DockerClient, base: str
) -> None:
    before = what_is_there(client)
    steps = context(f"FROM {base}", "RUN echo begun; sleep 1000")
    hang_up_after(engine, "/build?forcerm=1", steps, b"begun")
    nothing_is_left(engine)
    eventually(lambda: what_is_there(client) == before, 10)


def test_a_client_that_hangs_up_in_a_pull(engine: EmbeddedEngine, client: docker.DockerClient) -> None:
    before = what_is_there(client)
    with misbehaving() as registry:
        layer = give(registry)
        registry.stall = 2
        path = f"/images/create?fromImage={registry.domain}/stalls&tag=1"
        hang_up_after(engine, path, b"", digest_of(layer)[7:19].encode())
    nothing_is_left(engine)
    assert what_is_there(client)[1:] == before[1:]


# Registries.


def give(registry: Misbehaving) -> bytes:
    """Give it an image of one layer, which is returned as it is sent."""
    plain = tar(("data", os.urandom(1 << 20)))
    layer = gzip.compress(plain)
    registry.add_image([layer], [digest_of(plain)], "1")
    return layer


def hangs_up(registry: Misbehaving) -> None:
    give(registry)
    registry.cut_after = [1000] * 100


def lies_about_a_layer(registry: Misbehaving) -> None:
    registry.blobs[digest_of(give(registry))] = gzip.compress(tar(("data", b"other")))


def lies_about_what_is_in_a_layer(registry: Misbehaving) -> None:
    layer = gzip.compress(tar(("data", b"one")))
    registry.add_image([layer], [digest_of(tar(("data", b"another")))], "1")


def lies_about_the_config(registry: Misbehaving) -> None:
    layer = digest_of(give(registry))
    for digest in registry.blobs.keys() - {layer}:
        registry.blobs[digest] = b'{"rootfs": {"diff_ids": []}}'


def loses_a_layer(registry: Misbehaving) -> None:
    del registry.blobs[digest_of(give(registry))]


def sends_a_climbing_layer(registry: Misbehaving) -> None:
    layer = tar(("../../up", b"x"))
    registry.add_image([gzip.compress(layer)], [digest_of(layer)], "1")


def says_nonsense(registry: Misbehaving) -> None:
    registry.manifests["1"] = b"{", "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (hangs_up, "unexpected EOF"),
        (lies_about_a_layer, "verification failed for digest"),
        (lies_about_what_is_in_a_layer, "verification failed for digest"),
        (lies_about_the_config, "verification failed for digest"),
        (loses_a_layer, "blob unknown to registry"),
        (sends_a_climbing_layer, 'is outside of "/"'),
        (says_nonsense, "manifest is no JSON object"),
        (lambda registry: None, "manifest unknown"),
    ],
)
def test_a_registry_that_misbehaves(
    engine: EmbeddedEngine, client: docker.DockerClient, fault: Callable[[Misbehaving], None], words: str
) -> None:
    before = what_is_there(client)
    with misbehaving() as registry:
        fault(registry)
        name = f"{registry.domain}/faulty"
        answer = engine.ask("POST", f"/images/create?fromImage={name}&tag=1")
        assert words in error_of(answer)
        assert what_is_there(client) == before
        nothing_is_left(engine)
        registry.cut_after = []
        give(registry)
        client.images.pull(name, "1")
        client.images.remove(f"{name}:1")


# Many at once.


def test_hundreds_of_requests_at_once(engine: EmbeddedEngine, client: docker.DockerClient, base: str) -> None:
    def requests(number: int) -> Iterator[tuple[Any, ...]]:
        yield "GET", "/containers/json?all=1"
        yield "GET", f"/images/{base}/json"
        yield "POST", "/images/create?fromSrc=-", tar(("number", b"%d" % number))
        yield "POST", f"/containers/create?name=many{number}", {"Image": base, "Cmd": ["true"]}
        yield "POST", "/volumes/create", {"Name": f"many{number}"}
        yield "POST", f"/build?t=many{number}", context(f"FROM {base}", f"ENV NUMBER={number}")

    before = what_is_there(client)
    with ThreadPoolExecutor(60) as pool:
        asked = [request for number in range(60) for request in requests(number)]
        assert {answer.status for answer in pool.map(lambda one: engine.ask(*one), asked)} == {200, 201}
    after = what_is_there(client)
    assert [len(now - then) for now, then in zip(after, before, strict=True)] == [120, 60, 0, 60]
    for number in range(60):
        client.containers.get(f"many{number}").remove()
        client.images.remove(f"many{number}")
        client.volumes.get(f"many{number}").remove()
    for image in what_is_there(client)[0] - before[0]:  # The imported ones, which have no name.
        client.images.remove(image)
    assert what_is_there(client) == before


# The engine's own places.


def test_a_data_root_that_goes(new_engine: Callable[..., EmbeddedEngine]) -> None:
    engine = new_engine().start()
    with engine.client() as client:
        client.volumes.create("before")
        shutil.rmtree(engine.data_root)
        assert engine.get("/_ping").status == 200
        answer = engine.ask("POST", "/volumes/create", {"Name": "after"})
        assert (answer.status, "no such file or directory" in error_of(answer)) == (500, True)
        assert engine.stop() == 0
        engine.start()
        assert client.volumes.list() == []
        client.volumes.create("again")


def test_a_socket_that_goes(new_engine: Callable[..., EmbeddedEngine]) -> None:
    engine = new_engine().start()
    engine.socket.unlink()
    assert engine.stop() == 0
    assert engine.start().get("/_ping").status == 200


def test_two_engines_on_one_data_root(new_engine: Callable[..., EmbeddedEngine]) -> None:
    engine = new_engine().start()
    other = [sys.executable, "-m", "pocket_engine", "--host", f"unix://{engine.folder}/other.sock"]
    tried = subprocess.run(
        [*other, "--data-root", str(engine.data_root)], capture_output=True, text=True, timeout=30
    )
    assert tried.returncode != 0
    assert f"Another engine works in {engine.data_root}." in tried.stderr
    assert "Traceback" not in tried.stderr
    assert engine.get("/_ping").status == 200


# Logs.


def test_a_log_without_a_limit_has_one(
    engine: EmbeddedEngine, client: docker.DockerClient, base: str
) -> None:
    """A program that says the same without end must not fill the disk while nobody looks."""
    container = client.containers.run(
        base, ["sh", "-c", "tr '\\0' x < /dev/zero | head -c 150000000"], detach=True
    )
    try:
        container.wait()
        container.reload()
        log = container.attrs["LogPath"]
        folder = os.path.dirname(log)
        sizes = [os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder) if "json.log" in name]
        assert len(sizes) == 2
        assert max(sizes) < 101 << 20
    finally:
        container.remove(force=True)
