"""A container's files from outside: by hand in a plain folder, and by a child process in its namespaces."""

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pocket_engine.data_root import remove_tree
from pocket_engine.errors import BadRequest, EngineError, Forbidden, NotFound
from pocket_engine.files import Tree, owner
from pocket_engine.runners import CannotStart, Mount, Running
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from tests.pocket_engine import small_root
from tests.pocket_engine.boxes import Box

FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}


def tar(**members: Any) -> io.BytesIO:
    """An archive of files (bytes), or of members described by the attributes of a TarInfo."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        for name, described in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(described, bytes):
                described = {"content": described}
            content = described.get("content", b"")
            member.size, member.mtime = len(content), 1_000_000_000
            for attribute in set(described) - {"content"}:
                setattr(member, attribute, described[attribute])
            writer.addfile(member, io.BytesIO(content))
    archive.seek(0)
    return archive


def members(archive: io.BytesIO) -> dict[str, tarfile.TarInfo]:
    archive.seek(0)
    with tarfile.open(fileobj=archive) as reader:
        return {member.name: member for member in reader}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    yield root
    remove_tree(root)


@pytest.fixture
def tree(root: Path) -> Tree:
    return Tree(str(root), "c0ffee")


# Where paths lead.


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/etc/passwd", "/etc/passwd"),
        ("../../../../etc/passwd", "/etc/passwd"),
        ("etc/../etc/./passwd", "/etc/passwd"),
        ("/nosuch/file", "/nosuch/file"),
    ],
)
def test_links_stay_inside(tree: Tree, root: Path, target: str, found: str):
    (root / "link").symlink_to(target)
    (root / "up").symlink_to("../../..")
    assert tree.stat("/link")["linkTarget"] == found
    assert tree.stat("/up/etc/passwd")["size"] == len("inside")
    for path in ("/../secret", "/up/secret", "up/../../secret"):
        with pytest.raises(NotFound, match=rf"^Could not find the file {path} in container c0ffee$"):
            tree.stat(path)


def test_a_circle_of_links(tree: Tree, root: Path):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(EngineError, match="^/a: too many levels of symbolic links$"):
        tree.stat("/a")


def test_mounts_are_part_of_the_tree(root: Path, tmp_path: Path):
    (tmp_path / "volume/deep").mkdir(parents=True)
    (root / "link").symlink_to("/data/deep")
    tree = Tree(
        str(root), "c0ffee", mounts={"/data": f"{tmp_path}/volume", "/data/deep": f"{tmp_path}/volume"}
    )
    tree.unpack("/link", tar(file=b"content"))
    assert (tmp_path / "volume/file").read_bytes() == b"content"
    assert tree.stat("/data/../data/file")["size"] == 7


# stat.


def test_stat(tree: Tree, root: Path):
    os.utime(root / "etc", ns=(0, 1_500_000_000_250_000_000))
    assert tree.stat("/etc") == {
        "name": "etc",
        "size": (root / "etc").stat().st_size,
        "mode": 1 << 31 | 0o755,
        "mtime": "2017-07-14T02:40:00.25Z",
        "linkTarget": "",
    }
    assert [tree.stat(path)["name"] for path in ("/", "/etc/", "/etc/.", "etc")] == ["/", "etc", ".", "etc"]


@pytest.mark.parametrize(("mode", "go"), [(0o4755, 1 << 23), (0o2755, 1 << 22), (0o1755, 1 << 20)])
def test_special_bits_as_go_has_them(tree: Tree, root: Path, mode: int, go: int):
    (root / "etc/passwd").chmod(mode)
    assert tree.stat("/etc/passwd")["mode"] == go | 0o755


# pack.


def test_pack_names_everything_by_the_last_part(tree: Tree, root: Path):
    (root / "etc/link").symlink_to("passwd")
    os.link(root / "etc/passwd", root / "etc/same")
    os.setxattr(root / "etc/passwd", "user.pocket.owner", b"12:34")
    archive = io.BytesIO()
    tree.pack("/etc", archive)
    found = members(archive)
    assert list(found) == ["etc", "etc/link", "etc/passwd", "etc/same"]
    assert (found["etc/passwd"].uid, found["etc/passwd"].gid, found["etc/passwd"].size) == (12, 34, 6)
    assert (found["etc/link"].linkname, found["etc/same"].linkname) == ("passwd", "etc/passwd")
    for path, first in (("/etc/.", "."), ("/etc/passwd", "passwd"), ("/etc/link", "link")):
        archive = io.BytesIO()
        tree.pack(path, archive)
        assert next(iter(members(archive))) == first


def test_pack_reads_what_its_owner_may_not(tree: Tree, root: Path):
    (root / "shut").mkdir()
    (root / "shut/file").write_text("x")
    (root / "shut/file").chmod(0)
    (root / "shut").chmod(0)
    archive = io.BytesIO()
    tree.pack("/shut", archive)
    found = members(archive)
    assert {name: found[name].mode for name in found} == {"shut": 0, "shut/file": 0}
    assert stat.S_IMODE((root / "shut").stat().st_mode) == 0


def test_a_socket_has_no_place_in_an_archive(tree: Tree, root: Path):
    os.mknod(root / "etc/socket", stat.S_IFSOCK | 0o600)
    archive = io.BytesIO()
    tree.pack("/etc", archive)
    assert list(members(archive)) == ["etc", "etc/passwd"]


# unpack.


def test_unpack(tree: Tree, root: Path):
    tree.unpack(
        "/etc",
        tar(
            **{
                "new": {**FOLDER, "mode": 0o500, "uid": 5},
                "new/file": {"content": b"content", "mode": 0o4751, "uid": 1, "gid": 2},
                "new/hard": {"type": tarfile.LNKTYPE, "linkname": "new/file"},
                "new/soft": {"type": tarfile.SYMTYPE, "linkname": "/anywhere"},
                "new/null": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
                "new/pipe": {"type": tarfile.FIFOTYPE, "mode": 0o640},
                "passwd": b"replaced",
                "far/away/file": b"",
            }
        ),
    )
    new = root / "etc/new"
    assert (new / "file").read_bytes() == b"content"
    assert owner(str(new / "file")) == (1, 2) and owner(str(new)) == (5, 0)
    assert stat.S_IMODE((new / "file").stat().st_mode) == 0o4751
    assert stat.S_IMODE(new.stat().st_mode) == 0o500
    assert (new / "file").stat().st_mtime == new.stat().st_mtime == 1_000_000_000
    assert (new / "hard").samefile(new / "file")
    assert os.readlink(new / "soft") == "/anywhere"
    assert stat.S_ISFIFO((new / "pipe").stat().st_mode) and not (new / "null").exists()
    assert (root / "etc/passwd").read_text() == "replaced"
    assert (root / "etc/far/away/file").exists()


def test_unpack_takes_an_owner_away(tree: Tree, root: Path):
    for uid in (7, 0):
        tree.unpack("/etc", tar(folder={**FOLDER, "uid": uid}))
        assert owner(str(root / "etc/folder")) == (uid, 0)


@pytest.mark.parametrize("name", ["../escaped", "etc/../../escaped", "/../escaped"])
def test_unpack_refuses_to_climb(tree: Tree, tmp_path: Path, name: str):
    with pytest.raises(BadRequest, match='is outside of "/etc"$'):
        tree.unpack("/etc", tar(**{name: b"evil"}))
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("up", ["../../../..", "/../.."])
def test_unpack_does_not_follow_its_own_links_out(tree: Tree, root: Path, tmp_path: Path, up: str):
    tree.unpack("/etc", tar(**{"link": {"type": tarfile.SYMTYPE, "linkname": up}, "link/escaped": b"evil"}))
    assert not (tmp_path / "escaped").exists()
    assert (root / "escaped").read_bytes() == b"evil"  # `/` is as high as it goes.


def test_unpack_links_to_nothing_outside(tree: Tree, root: Path, tmp_path: Path):
    climbing = {"type": tarfile.LNKTYPE, "linkname": "../../secret"}
    with pytest.raises(EngineError, match="no such file"):
        tree.unpack("/etc", tar(hard=climbing))
    assert not (root / "etc/hard").exists()


def test_unpack_replaces_a_link_and_not_what_it_leads_to(tree: Tree, root: Path):
    (root / "etc/link").symlink_to("passwd")
    tree.unpack("/etc", tar(link=b"new"))
    assert (root / "etc/passwd").read_text() == "inside"
    assert (root / "etc/link").read_text() == "new"


def test_folders_and_files_in_each_others_place(tree: Tree, root: Path):
    with pytest.raises(
        EngineError, match='^cannot overwrite non-directory "/etc/passwd" with directory "/etc"$'
    ):
        tree.unpack("/etc", tar(passwd=FOLDER), no_overwrite=True)
    with pytest.raises(EngineError, match='^cannot overwrite directory "/etc" with non-directory "/"$'):
        tree.unpack("/", tar(etc=b""), no_overwrite=True)
    tree.unpack("/etc", tar(passwd=FOLDER))
    assert (root / "etc/passwd").is_dir()
    tree.unpack("/", tar(etc=b""))
    assert (root / "etc").is_file()


def test_unpack_where_nothing_can_be(tree: Tree):
    with pytest.raises(NotFound, match="^Could not find the file /nosuch in container c0ffee$"):
        tree.unpack("/nosuch", tar())
    with pytest.raises(EngineError, match="^extraction point is not a directory$"):
        tree.unpack("/etc/passwd", tar())


@pytest.mark.parametrize("broken", [b"no tar at all", tar(a=b"x" * 5000).getvalue()[:3000]])
def test_unpack_something_broken(tree: Tree, broken: bytes):
    with pytest.raises(BadRequest, match="^Error processing tar file"):
        tree.unpack("/etc", io.BytesIO(broken))


def test_read_only(root: Path, tmp_path: Path):
    (tmp_path / "rw").mkdir()
    mounts = {"/etc": str(root / "etc"), "/rw": str(tmp_path / "rw")}
    tree = Tree(str(root), "c0ffee", mounts, read_only=("/", "/etc"))
    tree.unpack("/rw", tar(file=b""))
    for path, message in (("/", "container rootfs"), ("/etc", "mounted volume")):
        with pytest.raises(Forbidden, match=f"^{message} is marked read-only$"):
            tree.unpack(path, tar(file=b""))


# By a child process in a container's namespaces.


@pytest.fixture(params=["stopped", "running"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Box, Running | None]]:
    layer = small_root.make(tmp_path / "layer")
    (tmp_path / "volume").mkdir()
    mounts = (Mount(tmp_path / "volume", "/data"), Mount(tmp_path / "volume", "/data-ro", read_only=True))
    box = Box.new(NamespacesRunner(), (layer,), tmp_path / "box", mounts=mounts)
    try:
        box.sh("touch /etc/touched")
    except CannotStart as error:
        pytest.skip(f"this machine allows no namespaces: {error}")
    first = box.start("sleep", "60")[0] if request.param == "running" else None
    yield box, first
    if first:
        first.destroy()
    remove_tree(tmp_path)


def test_files_inside(box: tuple[Box, Running | None], tmp_path: Path):
    files = box[0].runner.files(box[0].sandbox, box[1])
    files.unpack("/etc", tar(file={"content": b"x" * 300_000, "uid": 3}))
    files.unpack("/data", tar(file=b"in the volume"))
    assert (tmp_path / "volume/file").read_bytes() == b"in the volume"
    assert not (tmp_path / "layer/etc/file").exists()
    assert files.stat("/etc/file")["size"] == 300_000
    archive = io.BytesIO()
    files.pack("/etc", archive)
    found = members(archive)
    assert (found["etc/file"].uid, found["etc/file"].size) == (3, 300_000)
    assert {"etc", "etc/passwd", "etc/touched"} <= set(found)
    with pytest.raises(NotFound, match="^Could not find the file /nosuch in container b0b0"):
        files.pack("/nosuch", io.BytesIO())
    with pytest.raises(Forbidden, match="mounted volume is marked read-only"):
        files.unpack("/data-ro", tar(file=b"" * 300_000))


def test_export_leaves_mounts_out(box: tuple[Box, Running | None], tmp_path: Path):
    (tmp_path / "volume/file").touch()
    archive = io.BytesIO()
    box[0].runner.export(box[0].root, archive, box[1])
    found = members(archive)
    assert {"bin/sh", "etc/touched", "data", "proc", "dev"} <= set(found)
    assert "data/file" not in found and "dev/null" not in found and "proc/1" not in found


def test_a_program_that_has_just_ended(box: tuple[Box, Running | None]):
    first, _ = box[0].start("true")
    first.wait()
    assert box[0].runner.files(box[0].sandbox, first).stat("/etc/touched")["size"] == 0
