"""Killed with -9 at any moment, a hundred times: what was finished is there, and nothing of what was not."""

import contextlib
import functools
import hashlib
import io
import json
import os
import random
import tarfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from tests.pocket_engine import small_root
from tests.pocket_engine.embedded import EmbeddedEngine, eventually

KILLS = 100
LONGEST_SECONDS = 0.8  # That an engine is at work before it is killed.
BASE = "base:1"
MARK = "48151.623"  # What our containers sleep for, by which their processes are known.
ENGINE_IS_GONE = (RequestException, DockerException, OSError)


class Ledger:
    """What the engine has said that it has done. What it was asked and did not answer may or may not be."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.unanswered: set[str] = set()
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
    packed = archive({"data": chance.randbytes(200_000)})
    repository, tag = name.split(":")
    client.api.import_image_from_data(packed, repository, tag)
    keep_image(client, ledger, name)


def build_image(client: docker.DockerClient, ledger: Ledger, chance: random.Random) -> None:
    name = f"built:{chance.getrandbits(40):x}"
    steps = [f"FROM {BASE}", "COPY data /data", f"RUN echo {name} > /name", f"LABEL name={name}"]
    context = archive({"Dockerfile": "\n".join(steps).encode(), "data": chance.randbytes(50_000)})
    client.images.build(fileobj=io.BytesIO(context), custom_context=True, tag=name, rm=True)
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
    *(import_image, build_image, build_image, load_image, remove_image),
    *(run_container, run_container, remove_container),
)


def keep_image(client: docker.DockerClient, ledger: Ledger, name: str) -> None:
    id = str(client.images.get(name).id)
    with ledger.lock:
        ledger.images[id] = name


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def keep_busy(host: str, ledger: Ledger, chance: random.Random) -> None:
    """Ask for one thing after another, until nobody answers."""
    with contextlib.suppress(*ENGINE_IS_GONE):
        client = docker.DockerClient(host, timeout=30, version="1.41")
        while True:
            # Two of us may want the same thing gone.
            with contextlib.suppress(APIError):
                chance.choice(WORK)(client, ledger, chance)


def problems(engine: EmbeddedEngine, ledger: Ledger, client: docker.DockerClient) -> Iterator[str]:
    """Whatever is not as it was promised, after a start."""
    known: Any = {image.id for image in client.images.list(all=True)}
    for id, name in ledger.images.items():
        if id not in known and id not in ledger.unanswered:
            yield f"the image {name} is lost"
    yield from broken_layers(engine, known)
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
    with tarfile.open(fileobj=io.BytesIO(saved.body)) as tar:

        def content(name: str) -> bytes:
            member = tar.extractfile(name)
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
    images, containers = (
        {each.id for each in found} for found in (client.images.list(), client.containers.list(all=True))
    )
    ledger.images = {id: name for id, name in ledger.images.items() if id in images}
    ledger.containers = {id: name for id, name in ledger.containers.items() if id in containers}
    ledger.unanswered.clear()
    for id in list(ledger.containers)[:-4]:
        client.containers.get(id).remove(force=True)
        del ledger.containers[id]
    for id in list(ledger.images)[:-6]:
        client.images.remove(ledger.images.pop(id), force=True)


@pytest.mark.timeout(1500)
def test_a_hundred_times(new_engine: Callable[..., EmbeddedEngine], tmp_path: Path) -> None:
    chance, ledger = random.Random(), Ledger()
    engine = new_engine().start()
    with engine.client() as client:
        root = io.BytesIO()
        with tarfile.open(fileobj=root, mode="w") as tar:
            tar.add(small_root.make(tmp_path / "root"), ".")
        client.api.import_image_from_data(root.getvalue(), *BASE.split(":"))
    for number in range(KILLS):
        with ThreadPoolExecutor() as pool:
            for _ in range(3):
                pool.submit(keep_busy, engine.host, ledger, random.Random(chance.random()))
            time.sleep(chance.uniform(0, LONGEST_SECONDS))
            engine.kill()
        eventually(lambda: not orphans(), 5, lambda: f"still running: {orphans()}")
        unfinished = list((engine.data_root / "tmp").iterdir())
        engine.start()
        assert not any(os.path.lexists(leftover) for leftover in unfinished), f"in round {number}"
        with engine.client() as client:
            assert list(problems(engine, ledger, client)) == [], f"in round {number}"
            assert client.containers.run(BASE, ["sh", "-c", "echo alive"], remove=True) == b"alive\n"
            settle(client, ledger)
