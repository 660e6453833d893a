"""A full disk: whatever is asked, the engine says so, nothing is damaged, and with room it goes on."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from pocket_engine.runners import choosing
from tests.pocket_engine.archives import BASE, context, error_of, import_base, saved
from tests.pocket_engine.embedded import Answer, EmbeddedEngine, eventually
from tests.pocket_engine.registries import digest_of, misbehaving
from tests.pocket_engine.tars import tar

DISK = 96 << 20
BIG = 4 << 20
LEFT = 1 << 20  # Enough to begin something big, and not to end it.
NO_SPACE = "no space left on device"

# Root needs no user namespace to mount something that nobody else sees.
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


class SmallDisk:
    """An engine whose data root is on a disk of its own, in memory."""

    def __init__(self, *options: str) -> None:
        self.engine = EmbeddedEngine(*options)
        mount = f'mkdir "$0" && mount -t tmpfs -o size={DISK} disk "$0" && exec "$@"'
        self.engine.through = [*UNSHARE, "sh", "-c", mount, str(self.engine.data_root)]

    @property
    def data_root(self) -> Path:
        """The data root as seen from here: only the engine's own processes see the mount."""
        assert self.engine.process is not None
        return Path(f"/proc/{self.engine.process.pid}/root{self.engine.data_root}")

    @contextlib.contextmanager
    def remembered(self) -> Iterator[None]:
        """Keep the disk, and let the engine be started on it again."""
        assert self.engine.process is not None
        first, self.engine.through = self.engine.through, ["nsenter", "--preserve-credentials"]
        with contextlib.ExitStack() as opened:
            for name, option in {"mnt": "mount", "user": "user"}.items():
                kept = opened.enter_context(open(f"/proc/{self.engine.process.pid}/ns/{name}", "rb"))
                if not os.path.samefile(kept.fileno(), f"/proc/self/ns/{name}"):
                    self.engine.through.append(f"--{option}=/proc/{os.getpid()}/fd/{kept.fileno()}")
            yield
        self.engine.through = first

    @contextlib.contextmanager
    def full(self, left: int = 0) -> Iterator[None]:
        """Fill it, but for so many bytes."""
        ballast, free = self.data_root / "ballast", os.statvfs(self.data_root)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left)
        try:
            yield
        finally:
            (self.data_root / ballast.name).unlink()  # Perhaps it is another process by now.


@pytest.fixture(scope="module", params=choosing.NAMES)
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    probe = [*UNSHARE, "mount", "-t", "tmpfs", "disk", "/tmp"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a test cannot mount a small disk here: {tried.stderr.strip()}")
    disk = SmallDisk("--runner", request.param)
    try:
        try:
            disk.engine.start()
        except AssertionError as error:
            pytest.skip(f"{request.param} does not run on such a disk: {error}")
        with disk.engine.client() as client:
            import_base(client, tmp_path_factory.mktemp("base") / "root")
        yield disk
    finally:
        disk.engine.discard()


@pytest.fixture
def client(disk: SmallDisk) -> Iterator[docker.DockerClient]:
    with disk.engine.client() as client:
        yield client


def load(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/images/load", saved(tar(("data", os.urandom(BIG))), "big:1"))


def import_tar(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/images/create?fromSrc=-&repo=big&tag=1", tar(("data", os.urandom(BIG))))


def pull(engine: EmbeddedEngine) -> Answer:
    layer = tar(("data", os.urandom(BIG)))
    with misbehaving() as registry:
        registry.add_image([layer], [digest_of(layer)], "1")
        answer = engine.ask("POST", f"/images/create?fromImage={registry.domain}/big&tag=1")
        if not error_of(answer):
            assert engine.ask("POST", f"/images/{registry.domain}/big:1/tag?repo=big&tag=1").status == 201
            assert engine.ask("DELETE", f"/images/{registry.domain}/big:1").status == 200
        return answer


def build_with_a_big_context(engine: EmbeddedEngine) -> Answer:
    big = context("FROM scratch", "COPY data /", data=os.urandom(BIG))
    return engine.ask("POST", "/build?t=big:1", big)


def build_with_a_big_copy(engine: EmbeddedEngine) -> Answer:
    """The context fits, but not what the build makes of it."""
    copies = [f"COPY data /{number}" for number in range(8)]
    return engine.ask("POST", "/build?t=big:1", context(f"FROM {BASE}", *copies, data=os.urandom(LEFT // 4)))


def build_that_writes(engine: EmbeddedEngine) -> Answer:
    steps = [f"FROM {BASE}", f"RUN head -c {BIG} /dev/urandom > /data"]
    return engine.ask("POST", "/build?t=big:1&nocache=1&forcerm=1", context(*steps))


def commit(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/commit?container=big&repo=big&tag=1", {})


def copy_in(engine: EmbeddedEngine) -> Answer:
    return engine.ask("PUT", "/containers/small/archive?path=/", tar(("data", os.urandom(BIG))))


def create(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/containers/create?name=made", {"Image": BASE, "Cmd": ["true"]})


def create_volume(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/volumes/create", {"Name": "made"})


def create_network(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/networks/create", {"Name": "made"})


def tag(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", f"/images/{BASE}/tag?repo=made&tag=1")


def rename(engine: EmbeddedEngine) -> Answer:
    return engine.ask("POST", "/containers/small/rename?name=made")


# What is asked, with how many bytes left.
@pytest.mark.parametrize(
    ("ask", "left"),
    [
        (load, LEFT),
        (import_tar, LEFT),
        (pull, LEFT),
        (build_with_a_big_context, LEFT),
        (build_with_a_big_copy, LEFT),
        (build_that_writes, LEFT),
        (commit, LEFT),
        (copy_in, LEFT),
        (create, 0),
        (create_volume, 0),
        (create_network, 0),
        (tag, 0),
        (rename, 0),
    ],
)
def test_it_says_so_and_goes_on(
    disk: SmallDisk, client: docker.DockerClient, ask: Callable[[EmbeddedEngine], Answer], left: int
) -> None:
    small = client.containers.create(BASE, ["true"], name="small")
    big = client.containers.create(BASE, ["true"], name="big")
    big.put_archive("/", tar(("data", os.urandom(BIG))))
    try:
        before = everything(client)
        with disk.full(left):
            answer = ask(disk.engine)
            assert error_of(answer)
            assert NO_SPACE in answer.body.decode().lower()
            assert "/data/" not in error_of(answer), "the engine's own folders tell nobody anything"
            assert everything(client) == before
        assert list((disk.data_root / "tmp").iterdir()) == []
        assert not error_of(ask(disk.engine))
        assert client.containers.run(BASE, ["sh", "-c", "echo alive"], remove=True) == b"alive\n"
    finally:
        remove(small, big)
        forget(client)


def everything(client: docker.DockerClient) -> object:
    """What is finished: names of images, containers, networks, volumes."""
    return (
        sorted(name for image in client.images.list() for name in image.tags),
        sorted(container.name for container in client.containers.list(all=True)),
        sorted(network.name for network in client.networks.list()),
        sorted(volume.name for volume in client.volumes.list()),
    )


def remove(*containers: docker.models.containers.Container) -> None:
    for container in containers:
        container.remove(force=True)


def forget(client: docker.DockerClient) -> None:
    """Remove what a test made."""
    for name in ("big:1", "made:1"):
        with contextlib.suppress(docker.errors.NotFound):
            client.images.remove(name, force=True)
    for kind in (client.containers, client.networks, client.volumes):
        with contextlib.suppress(docker.errors.NotFound):
            kind.get("made").remove()
    client.images.prune()


def test_a_container_that_logs_goes_on(disk: SmallDisk, client: docker.DockerClient) -> None:
    chatter = "while :; do echo before; sleep 0.02; [ -e /now ] && echo after; done"
    container = client.containers.run(BASE, ["sh", "-c", chatter], detach=True)
    try:
        eventually(lambda: b"before" in container.logs(), 10)
        with disk.full():
            eventually(lambda: "nothing more is written" in disk.engine.said, 10)
            container.reload()
            assert container.status == "running"
            assert b"before" in container.logs()
        container.put_archive("/", tar(("now", b"")))
        eventually(lambda: b"after" in container.logs(), 10)
    finally:
        remove(container)


def test_stopping_and_removing_make_room(disk: SmallDisk, client: docker.DockerClient) -> None:
    image = client.images.get(BASE)
    image.tag("spare", "1")
    container = client.containers.run(BASE, ["sleep", "1000"], detach=True)
    with disk.full():
        container.kill()
        container.remove()
        client.images.remove("spare:1")
    assert everything(client) == ([BASE], [], ["bridge", "host", "none"], [])


def test_it_starts_on_a_full_disk(disk: SmallDisk, client: docker.DockerClient) -> None:
    container = client.containers.run(BASE, ["sleep", "1000"], detach=True)
    try:
        before = everything(client)
        with disk.remembered(), disk.full():
            disk.engine.kill()
            disk.engine.start()
            assert everything(client) == before
            container.reload()
            assert container.attrs["State"]["ExitCode"] == 137
        assert client.containers.run(BASE, ["sh", "-c", "echo alive"], remove=True) == b"alive\n"
    finally:
        remove(container)
