"""Killed with -9 at any moment, a hundred times: what was finished is there, and nothing of what was not."""

import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import random
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import psutil
import pytest
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from tests.pocket_engine.archives import BASE, context, import_base
from tests.pocket_engine.embedded import EmbeddedEngine, demand_runner, eventually
from tests.pocket_engine.registries import Misbehaving, digest_of, misbehaving
from tests.pocket_engine.tars import tar

LONGEST_SECONDS = 0.8  # That an engine is at work before it is killed.
MARK = "48151.623"  # What our containers sleep for, by which their processes are known.
ENGINE_IS_GONE = (RequestException, DockerException, HTTPError, OSError)


class Ledger:
    """What the engine has said that it has done. What it was asked and did not answer may or may not be.

    Args:
        registry: from which images are pulled.
    """

    def __init__(self, registry: Misbehaving) -> None:
        self.registry = registry
        self.images: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self.done: Counter[str] = Counter()
        self.lock = threading.Lock()


@contextlib.contextmanager
def asked(ledger: Ledger, *ids: str) -> Iterator[None]:
    """A request that takes something away: until it is answered, nobody knows."""
    with ledger.lock:
        ledger.unanswered.update(ids)
    yield
    with ledger.lock:
        for each in ids:
            ledger.images.pop(each, None)
            ledger.containers.pop(each, None)


def import_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    name = f"imported:{chance.getrandbits(40):x}"
    client.api.import_image_from_data(tar(("data", chance.randbytes(200_000))), *name.split(":"))
    keep_image(client, ledger, name)


def build_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    name = f"built:{chance.getrandbits(40):x}"
    steps = [f"FROM {BASE}", "COPY data /data", f"RUN echo {name} > /name", f"LABEL name={name}"]
    sent = context(*steps, data=chance.randbytes(50_000))
    client.images.build(fileobj=io.BytesIO(sent), custom_context=True, tag=name, rm=True, forcerm=True)
    keep_image(client, ledger, name)


def pull_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    tag, layer = f"{chance.getrandbits(40):x}", tar(("data", chance.randbytes(200_000)))
    ledger.registry.add_image([gzip.compress(layer)], [digest_of(layer)], tag)
    name = f"{ledger.registry.domain}/pulled:{tag}"
    client.images.pull(name)
    keep_image(client, ledger, name)


def load_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    with ledger.lock:
        names = list(ledger.images.values())
    if names:
        name = chance.choice(names)
        with contextlib.suppress(NotFound):
            saved = b"".join(client.images.get(name).save(named=name))
            client.images.load(saved)


def remove_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    with ledger.lock:
        known = list(ledger.images.items())
    if len(known) > 4:
        id, name = chance.choice(known)
        with contextlib.suppress(NotFound), asked(ledger, id):
            client.images.remove(name, force=True)


def run_container(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    name = f"c{chance.getrandbits(40):x}"
    container = client.containers.create(BASE, ["sleep", MARK], name=name)
    with ledger.lock:
        ledger.containers[str(container.id)] = name
    container.start()


def remove_container(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    with ledger.lock:
        known = list(ledger.containers)
    if len(known) > 3:
        id = chance.choice(known)
        with contextlib.suppress(NotFound), asked(ledger, id):
            client.containers.get(id).remove(force=True)


WORK: tuple[Callable[[docker.DockerClient, Ledger, random.Random], None], ...] = (
    *(import_image, build_image, build_image, pull_image, load_image, remove_image),
    *(run_container, run_container, remove_container),
)


def keep_image(client: docker.DockerClient, ledger: Ledger, name: str) -> None:
    id = str(client.images.get(name).id)
    with ledger.lock:
        ledger.images[id] = name


def keep_busy(host: str, ledger: Ledger, chance: random.Random) -> None:
    """Ask for one thing after another, until nobody answers."""
    with contextlib.suppress(*ENGINE_IS_GONE):
        client = docker.DockerClient(host, timeout=30, version="1.41")
        while True:
            # Two of us may want the same thing gone.
            with contextlib.suppress(APIError):
                work = chance.choice(WORK)
                work(client, ledger, chance)
                ledger.done[work.__name__] += 1


def problems(engine: EmbeddedEngine, ledger: Ledger, client: docker.DockerClient) -> Iterator[str]:
    """Whatever is not as it was promised, after a start."""
    images = {str(image.id): image.tags for image in client.images.list(all=True)}
    for id, name in ledger.images.items():
        if name not in images.get(id, ()) and id not in ledger.unanswered:
            yield f"the image {name} or its name is lost"
    yield from broken_layers(engine, images)
    present = {container.id: container for container in client.containers.list(all=True)}
    for id, name in ledger.containers.items():
        if id not in present and id not in ledger.unanswered:
            yield f"the container {name} is lost"
    for container in present.values():
        if container.status not in ("created", "exited"):
            yield f"the container {container.name} is {container.status}"


def broken_layers(engine: EmbeddedEngine, ids: Collection[str]) -> Iterator[str]:
    """Save all images, and compare every layer with what their configurations say of it."""
    saved = engine.get("/images/get?" + "&".join(f"names={id}" for id in ids))
    if saved.status != 200:
        yield f"the images cannot be saved: {saved.body!r}"
        return
    with tarfile.open(fileobj=io.BytesIO(saved.body)) as archive:

        def content(name: str) -> bytes:
            member = archive.extractfile(name)
            assert member is not None
            return member.read()

        digests = functools.cache(lambda name: "sha256:" + hashlib.sha256(content(name)).hexdigest())
        for image in json.loads(content("manifest.json")):
            wanted = json.loads(content(image["Config"]))["rootfs"]["diff_ids"]
            found = [digests(layer) for layer in image["Layers"]]
            if wanted != found:
                yield f"the image {image['Config']} has layers {found}, and should have {wanted}"


def orphans() -> list[psutil.Process]:
    """The processes of our containers."""
    return [
        process for process in psutil.process_iter(["cmdline"]) if MARK in (process.info["cmdline"] or [])
    ]


def settle(client: docker.DockerClient, ledger: Ledger) -> None:
    """What nobody answered is decided now; old things go, so that the last round is as short as the first."""
    images = {each.id: each.tags for each in client.images.list()}
    containers = {each.id for each in client.containers.list(all=True)}
    ledger.images = {id: name for id, name in ledger.images.items() if name in images.get(id, ())}
    ledger.containers = {id: name for id, name in ledger.containers.items() if id in containers}
    ledger.unanswered.clear()
    for id in list(ledger.containers)[:-4]:
        client.containers.get(id).remove(force=True)
        del ledger.containers[id]
    for id in list(ledger.images)[:-6]:
        client.images.remove(ledger.images.pop(id), force=True)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("runner", "kills"), [("namespaces", 100), ("proot", 20)])
def test_a_hundred_times(
    new_engine: Callable[..., EmbeddedEngine], tmp_path: Path, runner: str, kills: int
) -> None:
    demand_runner(runner)
    chance, engine = random.Random(), new_engine("--runner", runner).start()
    with misbehaving() as registry:
        ledger = Ledger(registry)
        with engine.client() as client:
            import_base(client, tmp_path / "root")
        for number in range(kills):
            work_and_die(engine, ledger, chance)
            eventually(lambda: not orphans(), 5, lambda: f"still running: {orphans()}")
            unfinished = list((engine.data_root / "tmp").iterdir())
            engine.start()
            assert not any(os.path.lexists(leftover) for leftover in unfinished), f"in round {number}"
            with engine.client() as client:
                assert list(problems(engine, ledger, client)) == [], f"in round {number}"
                settle(client, ledger)
        with engine.client() as client:
            assert client.containers.run(BASE, ["sh", "-c", "echo alive"], remove=True) == b"alive\n"
        assert ledger.done.keys() == {work.__name__ for work in WORK}, "not all was tried"


def work_and_die(engine: EmbeddedEngine, ledger: Ledger, chance: random.Random) -> None:
    """Let it do several things at once, and kill it in the middle."""
    with ThreadPoolExecutor() as pool:
        busy = [pool.submit(keep_busy, engine.host, ledger, random.Random(chance.random())) for _ in range(3)]
        time.sleep(chance.uniform(0, LONGEST_SECONDS))
        engine.kill()
    for each in busy:
        each.result()
