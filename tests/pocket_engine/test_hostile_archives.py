"""Archives that are broken, or climb out: whatever the way in, this machine is not touched."""

import gzip
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import docker
import pytest
from docker.models.containers import Container

from tests.pocket_engine.archives import BASE, context, error_of, import_base, saved
from tests.pocket_engine.embedded import Answer, EmbeddedEngine
from tests.pocket_engine.tars import member, tar

SECRET = b"nobody's business"


class Outside(NamedTuple):
    """A folder of this machine that no archive may reach.

    Attributes:
        folder: it.
        secret: a file in it.
    """

    folder: Path
    secret: Path

    def is_untouched(self) -> bool:
        status = os.lstat(self.secret)
        return (
            os.listdir(self.folder) == [self.secret.name]
            and self.secret.read_bytes() == SECRET
            and status.st_nlink == 1
            and status.st_mode & 0o777 == 0o600
        )


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    folder = tmp_path / "outside"
    folder.mkdir()
    found = Outside(folder, folder / "secret")
    found.secret.write_bytes(SECRET)
    found.secret.chmod(0o600)
    yield found
    assert found.is_untouched()


@pytest.fixture(scope="module")
def base(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import_base(client, tmp_path_factory.mktemp("base") / "root")
    yield BASE
    client.images.remove(BASE, force=True)


@pytest.fixture
def target(client: docker.DockerClient, base: str) -> Iterator[Container]:
    """A container that archives are put into."""
    container = client.containers.create(base, ["true"], name="target")
    yield container
    container.remove(force=True)


# The ways in.


def load(engine: EmbeddedEngine, archive: bytes) -> Answer:
    return engine.ask("POST", "/images/load", saved(archive, "hostile:1"))


def load_directly(engine: EmbeddedEngine, archive: bytes) -> Answer:
    return engine.ask("POST", "/images/load", archive)


def import_it(engine: EmbeddedEngine, archive: bytes) -> Answer:
    return engine.ask("POST", "/images/create?fromSrc=-&repo=hostile&tag=1", archive)


def build_from(engine: EmbeddedEngine, archive: bytes) -> Answer:
    dockerfile = context("FROM scratch", "COPY . /")
    end_of_archive = 2 * tarfile.BLOCKSIZE
    files = dockerfile[: 2 * tarfile.BLOCKSIZE] if archive else dockerfile
    assert len(files) == end_of_archive  # The Dockerfile's header and its one block.
    return engine.ask("POST", "/build?t=hostile:1", files + archive)


def add(engine: EmbeddedEngine, archive: bytes) -> Answer:
    steps = context("FROM scratch", "ADD hostile.tar /", **{"hostile.tar": archive})
    return engine.ask("POST", "/build?t=hostile:1", steps)


def put(engine: EmbeddedEngine, archive: bytes) -> Answer:
    return engine.ask("PUT", "/containers/target/archive?path=/", archive)


WAYS = (load, load_directly, import_it, build_from, add, put)


# What they try, against a folder outside and a file in it.


def names_that_climb(outside: Outside) -> bytes:
    return tar((f"{'../' * 20}{outside.folder}/written", b"x"))


def names_that_climb_later(outside: Outside) -> bytes:
    return tar((f"here/{'../' * 20}{outside.folder}/written", b"x"))


def absolute_names(outside: Outside) -> bytes:
    return tar((f"{outside.folder}/written", b"x"), (str(outside.secret), b"overwritten"))


def through_an_absolute_link(outside: Outside) -> bytes:
    link = member("door", tarfile.SYMTYPE, linkname=str(outside.folder))
    return tar(link, ("door/written", b"x"), ("door/secret", b"overwritten"))


def through_a_climbing_link(outside: Outside) -> bytes:
    link = member("door", tarfile.SYMTYPE, linkname=f"{'../' * 20}{outside.folder}")
    return tar(link, ("door/written", b"x"))


def through_two_links(outside: Outside) -> bytes:
    up = member("up", tarfile.SYMTYPE, linkname="/")
    link = member("door", tarfile.SYMTYPE, linkname=f"up{outside.folder}")
    return tar(up, link, ("door/written", b"x"))


def over_a_link(outside: Outside) -> bytes:
    return tar(member("file", tarfile.SYMTYPE, linkname=str(outside.secret)), ("file", b"overwritten"))


def folder_over_a_link(outside: Outside) -> bytes:
    link = member("door", tarfile.SYMTYPE, linkname=str(outside.folder))
    return tar(link, member("door", tarfile.DIRTYPE, mode=0o777), ("door/written", b"x"))


def hard_link(outside: Outside) -> bytes:
    return tar(member("stolen", tarfile.LNKTYPE, linkname=str(outside.secret)))


def climbing_hard_link(outside: Outside) -> bytes:
    return tar(member("stolen", tarfile.LNKTYPE, linkname=f"{'../' * 20}{outside.secret}"))


def hard_link_through_a_link(outside: Outside) -> bytes:
    link = member("door", tarfile.SYMTYPE, linkname=str(outside.folder))
    return tar(link, member("stolen", tarfile.LNKTYPE, linkname="door/secret"), ("stolen", b"overwritten"))


def whiteout_that_climbs(outside: Outside) -> bytes:
    link = member("door", tarfile.SYMTYPE, linkname=str(outside.folder))
    return tar(link, ("door/.wh.secret", b""), ("door/.wh..wh..opq", b""), ("door/.wh...", b""))


def devices(outside: Outside) -> bytes:
    disk = member("disk", tarfile.BLKTYPE, devmajor=8, devminor=0)
    return tar(disk, member("memory", tarfile.CHRTYPE, devmajor=1, devminor=1), ("after", b"x"))


TRICKS = (
    *(names_that_climb, names_that_climb_later, absolute_names),
    *(through_an_absolute_link, through_a_climbing_link, through_two_links, over_a_link, folder_over_a_link),
    *(hard_link, climbing_hard_link, hard_link_through_a_link, whiteout_that_climbs, devices),
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_outside_is_reached(
    engine: EmbeddedEngine,
    client: docker.DockerClient,
    target: Container,
    outside: Outside,
    trick: Callable[[Outside], bytes],
    way: Callable[[EmbeddedEngine, bytes], Answer],
) -> None:
    answer = way(engine, trick(outside))
    assert answer.status in (200, 400, 500)
    if client.images.list("hostile"):
        exported = b"".join(client.images.get("hostile:1").save())
        client.images.remove("hostile:1")
    else:
        exported = b"".join(target.export())
    assert SECRET not in exported
    assert list((engine.data_root / "tmp").iterdir()) == []
    assert engine.get("/_ping").status == 200


BROKEN = {
    "nothing": b"",
    "text": b"no tar at all" * 100,
    "zeros": bytes(512),
    "cut": tar(("a", b"x" * 5000))[:2000],
    "cut in a header": tar(("a", b"x" * 5000), ("b", b"x"))[:5900],
    "cut gzip": gzip.compress(tar(("a", os.urandom(5000))))[:3000],
    "gzip of rubbish": gzip.compress(b"rubbish" * 1000),
    "bad checksum": tar(("a", b"x"), ("b", b"x")).replace(b"ustar", b"?????"),
    "a size that never comes": tar(member("a", size=1 << 40))[:1024],
}


@pytest.mark.parametrize("way", [load, load_directly, import_it, add, put])
@pytest.mark.parametrize("broken", BROKEN)
def test_broken_archives(
    engine: EmbeddedEngine,
    client: docker.DockerClient,
    target: Container,
    broken: str,
    way: Callable[[EmbeddedEngine, bytes], Answer],
) -> None:
    before = {image.id for image in client.images.list(all=True)}
    answer = way(engine, BROKEN[broken])
    # ADD copies what is no archive; an archive of nothing is one.
    if not (way is add or broken in ("nothing", "zeros") and way is not load_directly):
        assert error_of(answer)
        assert {image.id for image in client.images.list(all=True)} == before
    assert list((engine.data_root / "tmp").iterdir()) == []
    assert engine.get("/_ping").status == 200


def test_a_link_in_a_container_does_not_lead_docker_cp_out(
    engine: EmbeddedEngine, client: docker.DockerClient, base: str, outside: Outside
) -> None:
    links = f"ln -s / /x; ln -s {outside.folder} /door; ln -s {'../' * 20}{outside.folder} /up"
    container = client.containers.run(base, ["sh", "-c", f"{links}; sleep 1000"], detach=True)
    try:
        container.exec_run("true")
        for path in ("/door", "/up", f"/x{outside.folder}"):
            answer = engine.ask(
                "PUT", f"/containers/{container.id}/archive?path={path}", tar(("written", b"x"))
            )
            assert answer.status == 404
        with pytest.raises(docker.errors.NotFound):
            container.get_archive("/door/secret")
    finally:
        container.remove(force=True)


def test_a_link_that_comes_and_goes_does_not_either(
    engine: EmbeddedEngine, client: docker.DockerClient, base: str, outside: Outside
) -> None:
    """A program swaps a folder for a link outside while files are copied into it."""
    swap = f"while :; do rm -rf /d; mkdir /d; rm -rf /d; ln -s {outside.folder} /d; done"
    container = client.containers.run(base, ["bash", "-c", swap], detach=True)
    archive = tar(*((f"file{number}", b"x") for number in range(20)))
    try:
        for _ in range(60):
            engine.ask("PUT", f"/containers/{container.id}/archive?path=/d", archive)
            assert outside.is_untouched()
    finally:
        container.remove(force=True)
