import base64
import gzip
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, EngineError, Forbidden, NotFound
from pocket_engine.events import Events
from pocket_engine.images import credentials, distribution, hosts, platforms, registry
from pocket_engine.images.credentials import NOBODY, Credentials
from pocket_engine.images.distribution import Remote, Unreachable
from pocket_engine.images.references import parse
from pocket_engine.images.refusals import Refusal, Unauthorized
from pocket_engine.images.registry import Registry
from pocket_engine.images.store import ImageStore
from tests.pocket_engine.registries import (
    CONFIG,
    MANIFEST,
    MANIFEST_LIST,
    Misbehaving,
    digest_of,
    misbehaving,
    refusal,
)
from tests.pocket_engine.tars import add_image, tar

NOISE = os.urandom(300_000)  # Does not get smaller.
PLAIN = [tar(("noise", NOISE)), tar(("small", b"x"))]
LAYERS = [gzip.compress(layer) for layer in PLAIN]
DIFF_IDS = [digest_of(layer) for layer in PLAIN]
HERE = platforms.host().architecture


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data")


@pytest.fixture
def store(data_root: DataRoot) -> ImageStore:
    return ImageStore(data_root, Events())


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Misbehaving]:
    monkeypatch.setattr(distribution, "FIRST_PAUSE_SECONDS", 0.01)
    with misbehaving() as running:
        yield running


@pytest.fixture
def other(remote: Misbehaving) -> Iterator[Misbehaving]:
    with misbehaving() as running:
        yield running


def pull(
    store: ImageStore, data_root: DataRoot, name: str, platform: str = "", user: Credentials = NOBODY
) -> list[dict]:
    return list(Registry(store, data_root).pull(parse(name).with_default_tag(), platform, user))


def statuses(items: list[dict]) -> list[str]:
    return [item.get("status", "") for item in items]


def nothing_half(data_root: DataRoot, store: ImageStore) -> bool:
    return not store.all() and not store.layers.all() and not list((data_root / "tmp").iterdir())


def test_a_pull(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    digest = remote.add_image(LAYERS, DIFF_IDS, "v1", architecture=HERE)
    name = f"{remote.domain}/shop/books:v1"
    items = pull(store, data_root, name)
    image = store.get(name)
    assert (store.layer_paths(image)[0] / "noise").read_bytes() == NOISE
    assert store.references(image.id) == ([name], [f"{remote.domain}/shop/books@{digest}"])
    assert items[0] == {"status": "Pulling from shop/books", "id": "v1"}
    assert items[-2:] == [
        {"status": f"Digest: {digest}"},
        {"status": f"Status: Downloaded newer image for {name}"},
    ]
    of_layer = [item["status"] for item in items if item.get("id") == digest_of(LAYERS[0])[7:19]]
    assert list(dict.fromkeys(of_layer)) == [
        "Pulling fs layer",
        *(["Downloading"] if "Downloading" in of_layer else []),
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
    ]
    again = pull(store, data_root, name)
    assert statuses(again).count("Already exists") == 2
    assert again[-1] == {"status": f"Status: Image is up to date for {name}"}
    assert remote.requests[f"GET /v2/shop/books/blobs/{digest_of(LAYERS[0])}"] == 1
    assert list((data_root / "tmp").iterdir()) == []


def test_a_layer_that_is_in_an_image_twice(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    remote.add_image([LAYERS[1], LAYERS[1]], [DIFF_IDS[1], DIFF_IDS[1]], "latest")
    pull(store, data_root, f"{remote.domain}/twice")
    assert store.get(f"{remote.domain}/twice").diff_ids == (DIFF_IDS[1], DIFF_IDS[1])


def test_by_digest(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    digest = remote.add_image(LAYERS, DIFF_IDS)
    name = f"{remote.domain}/books@{digest}"
    pull(store, data_root, name)
    assert store.references(store.get(name).id) == ([], [name])
    remote.manifests[digest] = remote.manifests[digest][0] + b" ", MANIFEST
    with pytest.raises(EngineError, match=f"manifest verification failed for digest {digest}"):
        pull(store, data_root, name)


def test_the_platform_is_chosen_from_a_list(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    wanted = remote.add_image(LAYERS[:1], DIFF_IDS[:1], architecture=HERE)
    other = remote.add_image(LAYERS[1:], DIFF_IDS[1:], architecture="s390x")
    entries = [
        {"digest": other, "mediaType": MANIFEST, "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": wanted, "mediaType": MANIFEST, "platform": {"os": "linux", "architecture": HERE}},
        {"digest": other, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    listed = remote.add_manifest({"mediaType": MANIFEST_LIST, "manifests": entries}, MANIFEST_LIST, "latest")
    name = f"{remote.domain}/books"
    pull(store, data_root, name)
    assert store.get(name).diff_ids == (DIFF_IDS[0],)
    assert store.get(f"{name}@{listed}") == store.get(name)
    pull(store, data_root, name, "linux/s390x")
    assert store.get(name).diff_ids == (DIFF_IDS[1],)
    with pytest.raises(NotFound) as refused:
        pull(store, data_root, name, "linux/riscv64")
    assert refused.value.message.startswith(
        "no matching manifest for linux/riscv64 in the manifest list entries"
    )
    assert refused.value.message.endswith(
        f"is there for {', '.join(sorted([f'linux/{HERE}', 'linux/s390x']))}"
    )
    with pytest.raises(BadRequest, match='"foobar": unknown operating system or architecture'):
        pull(store, data_root, name, "foobar")
    looked = Registry(store, data_root).look(parse(name))
    assert looked["Descriptor"]["digest"] == listed
    assert {"os": "linux", "architecture": HERE} in looked["Platforms"]


def test_a_single_image_for_another_platform(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest", architecture="s390x")
    with pytest.raises(NotFound, match="does not match the specified platform: wanted linux/riscv64"):
        pull(store, data_root, f"{remote.domain}/books", "linux/riscv64")
    assert Registry(store, data_root).look(parse(f"{remote.domain}/books"))["Platforms"] == [
        {"architecture": "s390x", "os": "linux"}
    ]


def test_all_tags(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "v1", "v2")
    list(Registry(store, data_root).pull(parse(f"{remote.domain}/books")))
    assert store.references(store.all()[0].id)[0] == [f"{remote.domain}/books:{tag}" for tag in ("v1", "v2")]


def test_tokens(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    remote.token = "secret"
    pull(store, data_root, f"{remote.domain}/books")
    assert remote.authorizations == [""]  # One token for the whole pull.
    remote.login = ("ada", "lovelace")
    with pytest.raises(NotFound) as refused:
        pull(store, data_root, f"{remote.domain}/books")
    assert refused.value.message == (
        f"pull access denied for {remote.domain}/books, repository does not exist or may require "
        "'docker login': unauthorized: incorrect username or password"
    )
    header = base64.urlsafe_b64encode(json.dumps({"username": "ada", "password": "lovelace"}).encode())
    pull(store, data_root, f"{remote.domain}/books", user=credentials.from_header(header.decode()))


def test_a_token_that_has_expired_is_replaced(remote: Misbehaving) -> None:
    asking = Remote(f"http://{remote.domain}")
    for remote.token in ("first", "second"):
        assert asking.tags("books") == []
    assert remote.requests["GET /token"] == 2


def test_basic_authentication_and_tokens_of_the_clients_own(remote: Misbehaving) -> None:
    challenge = (401, {}, {"WWW-Authenticate": 'Basic realm="books"'})
    remote.refusals["/v2/books/tags/list"] = [challenge]
    assert Remote(f"http://{remote.domain}", Credentials("ada", "lovelace")).tags("books") == []
    remote.refusals["/v2/books/tags/list"] = [challenge]
    with pytest.raises(Refusal, match="401 Unauthorized"):
        Remote(f"http://{remote.domain}").tags("books")
    remote.token = "own"
    assert Remote(f"http://{remote.domain}", Credentials(registry_token="own")).tags("books") == []
    with pytest.raises(Refusal, match="who are you"):
        Remote(f"http://{remote.domain}", Credentials(registry_token="wrong")).tags("books")
    assert not remote.requests["GET /token"]


def test_no_other_host_gets_the_token(remote: Misbehaving, other: Misbehaving) -> None:
    remote.token = "secret"
    asking = Remote(f"http://{remote.domain}")
    asking.tags("books")
    other.token = "secret"
    with pytest.raises(Refusal, match="who are you"):
        asking.ask("GET", f"http://{other.domain}/v2/books/tags/list", "books")


def test_credentials_are_tried_by_a_login(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    remote.token, remote.login = "secret", ("ada", "lovelace")
    Registry(store, data_root).log_in(remote.domain, Credentials("ada", "lovelace"))
    with pytest.raises(Unauthorized, match="unauthorized: incorrect username or password"):
        Registry(store, data_root).log_in(f"http://{remote.domain}/v1/", Credentials("ada", "wrong"))


def test_no_password_goes_over_the_network_in_the_clear(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    realm = {"WWW-Authenticate": 'Bearer realm="http://registry.invalid/token"'}
    remote.refusals["/v2/books/manifests/latest"] = [(401, {}, realm)]
    with pytest.raises(Forbidden, match="a token over plain HTTP from registry.invalid: refused"):
        pull(store, data_root, f"{remote.domain}/books", user=Credentials("ada", "lovelace"))
    assert hosts.url_of("registry.invalid:5000") == "https://registry.invalid:5000"
    assert hosts.url_of("127.0.0.2:5000") == "http://127.0.0.2:5000"


def test_a_header_that_is_none_is_refused() -> None:
    assert credentials.from_header("") == Credentials()
    with pytest.raises(BadRequest, match="invalid X-Registry-Auth header"):
        credentials.from_header("%%%")


@pytest.mark.parametrize(
    ("status", "code", "message", "told"),
    [
        (
            404,
            "MANIFEST_UNKNOWN",
            "manifest unknown",
            "manifest for {n}:latest not found: manifest unknown: ",
        ),
        (404, "NAME_UNKNOWN", "unknown", "repository {n} not found: name unknown: unknown"),
        (
            403,
            "DENIED",
            "requested access to the resource is denied",
            "pull access denied for {n}, repository ",
        ),
        (429, "TOOMANYREQUESTS", "slow down", "toomanyrequests: slow down. The registry limits how often"),
        (500, "", "", "received unexpected HTTP status: 500 Internal Server Error"),
    ],
)
def test_refusals_are_told_in_dockers_words(
    store: ImageStore,
    data_root: DataRoot,
    remote: Misbehaving,
    status: int,
    code: str,
    message: str,
    told: str,
) -> None:
    answer = (status, refusal(code, message) if code else {}, {"Retry-After": "17"})
    remote.refusals["/v2/books/manifests/latest"] = [answer] * 10
    with pytest.raises(EngineError) as refused:
        pull(store, data_root, f"{remote.domain}/books")
    assert told.format(n=f"{remote.domain}/books") in refused.value.message
    assert ("try again in 17 seconds" in refused.value.message) == (status == 429)
    asked = remote.requests["GET /v2/books/manifests/latest"]
    assert asked == (distribution.ATTEMPTS if status == 500 else 1)


def test_a_registry_that_recovers(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    remote.refusals["/v2/books/manifests/latest"] = [(503, {}, {})] * 2
    pull(store, data_root, f"{remote.domain}/books")
    assert store.find(f"{remote.domain}/books")


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_download_goes_on(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving, knows_ranges: bool
) -> None:
    remote.add_image(LAYERS[:1], DIFF_IDS[:1], "latest")
    remote.knows_ranges = knows_ranges
    chunk = 64 * 1024
    remote.cut_after = [10_000_000, 2 * chunk, chunk]  # The first request is for the config.
    items = pull(store, data_root, f"{remote.domain}/books")
    assert remote.ranges[0] == f"bytes={2 * chunk}-"
    assert remote.ranges[1] == f"bytes={(3 if knows_ranges else 1) * chunk}-"
    assert [status for status in statuses(items) if status.startswith("Retrying in")]
    assert (store.layer_paths(store.get(f"{remote.domain}/books"))[0] / "noise").read_bytes() == NOISE


def test_a_registry_that_always_hangs_up(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    remote.cut_after = [10_000_000, *[0] * 100]
    with pytest.raises(Unreachable) as refused:
        pull(store, data_root, f"{remote.domain}/books")
    assert f"failed after {distribution.ATTEMPTS} attempts: " in refused.value.message
    assert "Nothing of it is kept" in refused.value.message
    assert not store.all() and list((data_root / "tmp").iterdir()) == []


def test_a_registry_that_stalls(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    monkeypatch.setattr(hosts, "SILENCE_SECONDS", 0.05)
    remote.stall = 0.5
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="has not answered for too long"):
        pull(store, data_root, f"{remote.domain}/books")
    assert time.monotonic() - begun < 10
    assert nothing_half(data_root, store)


def test_nobody_listens(store: ImageStore, data_root: DataRoot) -> None:
    with pytest.raises(Unreachable) as refused:
        pull(store, data_root, "127.0.0.1:1/books")
    assert refused.value.message == (
        'Get "http://127.0.0.1:1/v2/books/manifests/latest": connect: connection refused'
    )


def test_wrong_bytes_are_not_kept(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    remote.blobs[digest_of(LAYERS[1])] = LAYERS[1][:-1] + b"?"
    with pytest.raises(EngineError, match=f"verification failed for digest {digest_of(LAYERS[1])}"):
        pull(store, data_root, f"{remote.domain}/books")
    assert not store.all() and list((data_root / "tmp").iterdir()) == []


def test_a_config_that_promises_other_layers(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    remote.add_image(LAYERS, DIFF_IDS[::-1], "swapped")
    remote.add_image(LAYERS, DIFF_IDS[:1], "short")
    with pytest.raises(EngineError, match="verification failed"):
        pull(store, data_root, f"{remote.domain}/books:swapped")
    with pytest.raises(EngineError, match="layers length mismatch: expected 1, got 2"):
        pull(store, data_root, f"{remote.domain}/books:short")
    assert not store.all()


def test_what_is_no_image_is_refused(store: ImageStore, data_root: DataRoot, remote: Misbehaving) -> None:
    remote.add_manifest(
        {"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws", "old"
    )
    chart = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:0", "size": 1}
    remote.add_manifest({"mediaType": MANIFEST, "config": chart, "layers": []}, MANIFEST, "chart")
    remote.manifests["text"] = b"no json", MANIFEST
    remote.add_manifest({"mediaType": MANIFEST, "config": {"mediaType": CONFIG}}, MANIFEST, "hollow")
    for tag, reason in {
        "old": "is not supported",
        "chart": "unsupported media type application/vnd.cncf.helm",
        "text": "is no JSON object",
        "hollow": "its manifest or config is not valid",
    }.items():
        with pytest.raises(EngineError, match=reason):
            pull(store, data_root, f"{remote.domain}/books:{tag}")


def test_a_pull_that_nobody_waits_for_ends(
    store: ImageStore, data_root: DataRoot, remote: Misbehaving
) -> None:
    remote.add_image(LAYERS, DIFF_IDS, "latest")
    items = iter(Registry(store, data_root).pull(parse(f"{remote.domain}/books:latest")))
    while next(items)["status"] != "Pulling fs layer":
        pass
    items.close()  # type: ignore[attr-defined]
    assert not store.all() and list((data_root / "tmp").iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pull")]


def test_mirrors_are_asked_in_order_and_then_the_registry(
    store: ImageStore,
    data_root: DataRoot,
    remote: Misbehaving,
    other: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with misbehaving() as hub:
        monkeypatch.setattr(registry, "url_of", lambda domain: f"http://{hub.domain}")
        mirrored = Registry(store, data_root, [f"http://{remote.domain}", f"http://{other.domain}"])
        for server in (hub, other):
            server.add_image(LAYERS, DIFF_IDS, "latest")
        list(mirrored.pull(parse("books:latest")))
        assert remote.requests["GET /v2/library/books/manifests/latest"] == 1
        assert other.requests["GET /v2/library/books/manifests/latest"] == 1
        assert not hub.requests
        assert store.references(store.get("books").id)[0] == ["books:latest"]
        other.manifests.clear()
        list(mirrored.pull(parse("books:latest")))
        assert hub.requests["GET /v2/library/books/manifests/latest"] == 1


def test_a_mirror_that_breaks_down_in_the_middle_is_left(
    store: ImageStore,
    data_root: DataRoot,
    remote: Misbehaving,
    other: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "url_of", lambda domain: f"http://{other.domain}")
    for server in (remote, other):
        server.add_image(LAYERS, DIFF_IDS, "latest")
    del remote.blobs[digest_of(LAYERS[0])]
    list(Registry(store, data_root, [f"http://{remote.domain}"]).pull(parse("books:latest")))
    assert store.find("books")


def test_a_mirror_over_plain_http_is_refused(store: ImageStore, data_root: DataRoot) -> None:
    with pytest.raises(ValueError, match="invalid mirror http://mirror.invalid"):
        Registry(store, data_root, ["http://mirror.invalid"])


def test_a_push_of_what_is_not_here(store: ImageStore, data_root: DataRoot) -> None:
    items = Registry(store, data_root).push(parse("127.0.0.1:1/nosuch:v1"))
    assert next(items) == {"status": "The push refers to repository [127.0.0.1:1/nosuch]"}
    with pytest.raises(NotFound, match="An image does not exist locally with the tag: 127.0.0.1:1/nosuch"):
        next(items)


@pytest.fixture
def debian_registry(tmp_path: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port; its address."""
    program = shutil.which("docker-registry")
    if program is None:
        reason = "docker-registry is not installed: apt-get install docker-registry"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
    }
    file = tmp_path / "registry.yml"
    file.write_text(json.dumps(settings))  # JSON is YAML.
    with subprocess.Popen(
        [program, "serve", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        try:
            deadline = time.monotonic() + 20
            while not answers(address):
                assert run.poll() is None and time.monotonic() < deadline, "docker-registry does not start"
                time.sleep(0.05)
            yield address
        finally:
            run.terminate()


def answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_there_and_back_through_a_real_registry(
    store: ImageStore, data_root: DataRoot, tmp_path: Path, debian_registry: str
) -> None:
    name = f"{debian_registry}/shop/books"
    image = add_image(store, PLAIN, f"{name}:v1", f"{name}:v2")
    items = list(Registry(store, data_root).push(parse(f"{name}:v1")))
    assert items[0] == {"status": f"The push refers to repository [{name}]"}
    assert statuses(items).count("Preparing") == statuses(items).count("Pushed") == 2
    aux = items[-1]["aux"]
    assert aux["Tag"] == "v1"
    assert items[-2] == {"status": f"v1: digest: {aux['Digest']} size: {aux['Size']}"}
    assert store.references(image.id)[1] == [f"{name}@{aux['Digest']}"]
    again = list(Registry(store, data_root).push(parse(name)))
    assert statuses(again).count("Layer already exists") == 4 and "Pushed" not in statuses(again)
    assert [item["aux"]["Digest"] for item in again if "aux" in item] == [aux["Digest"]] * 2

    there = DataRoot(tmp_path / "there")
    fresh = ImageStore(there, Events())
    pull(fresh, there, f"{name}:v2")
    assert fresh.get(f"{name}:v2").id == image.id
    assert (fresh.layer_paths(image)[0] / "noise").read_bytes() == NOISE
    pull(fresh, there, f"{name}@{aux['Digest']}")
    list(Registry(fresh, there).pull(parse(name)))
    assert fresh.references(image.id)[0] == [f"{name}:v1", f"{name}:v2"]
    fresh.tag(image.id, f"{name}:v3")
    third = list(Registry(fresh, there).push(parse(f"{name}:v3")))
    assert statuses(third).count("Layer already exists") == 2
    with pytest.raises(NotFound, match=f"manifest for {name}:nosuch not found: manifest unknown"):
        pull(fresh, there, f"{name}:nosuch")
