import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import EngineError
from pocket_engine.images import layers as layers_module
from pocket_engine.images.layers import Layer, LayerStore
from pocket_engine.images.unpacking import OPAQUE, OWNER
from tests.pocket_engine.tars import member, tar

DIR, LINK, SYMLINK, FIFO = tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE
BROKEN = "Error processing tar file(exit status 1): "


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data")


@pytest.fixture
def layers(data_root: DataRoot) -> LayerStore:
    return LayerStore(data_root)


@pytest.fixture
def add(layers: LayerStore) -> Callable[..., Path]:
    """Unpack a tar of these entries; the folder."""

    def add(*members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
        return layers.path(layers.add_tar(io.BytesIO(tar(*members))).diff_id)

    return add


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, OPAQUE) == b"y"
    except OSError:
        return False


def everything_in(data_root: DataRoot) -> list[str]:
    rooms = {data_root / room for room in DataRoot.ROOMS} | {data_root / "blobs"}
    return sorted(str(path) for path in data_root.path.rglob("*") if path not in rooms)


HOSTILE = {
    "a name that climbs": ([("../evil", b"x")], '"../evil" is outside of "/"'),
    "a name that climbs on a detour": ([("a/../../evil", b"x")], '"a/../../evil" is outside of "/"'),
    "a folder that climbs": ([member("../evil", DIR)], '"../evil" is outside of "/"'),
    "a link that climbs": (
        [member("link", SYMLINK, linkname="../outside")],
        'invalid symlink "link" -> "../outside"',
    ),
    "a link that climbs from below": (
        [member("a/link", SYMLINK, linkname="../../outside")],
        'invalid symlink "a/link" -> "../../outside"',
    ),
    "a hard link to the outside": (
        [member("link", LINK, linkname="../../etc/passwd")],
        'invalid hardlink "../../etc/passwd" -> "link"',
    ),
    "a hard link to nothing": ([member("link", LINK, linkname="nothing")], "no such file or directory"),
    "a file below a file": ([("a", b"x"), ("a/b", b"x")], "not a directory"),
    "links in a circle": (
        [member("a", SYMLINK, linkname="b"), member("b", SYMLINK, linkname="a"), ("a/x", b"x")],
        "too many levels of symbolic links",
    ),
    "a whiteout of the folder above": ([("a/.wh...", b"")], 'invalid whiteout ".wh..."'),
    "a whiteout of nothing": ([(".wh.", b"")], 'invalid whiteout ".wh."'),
    "the root as a file": ([(".", b"x")], '"." is no folder'),
    "a kind that nobody knows": ([member("x", b"Z")], "unhandled tar header type 90"),
}


@pytest.mark.parametrize(("members", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_layer_is_refused_and_nothing_stays(
    data_root: DataRoot, layers: LayerStore, members: list, reason: str
) -> None:
    with pytest.raises(EngineError) as refused:
        layers.add_tar(io.BytesIO(tar(("before", b"x"), *members)))
    assert refused.value.message.startswith(BROKEN)
    assert reason in refused.value.message
    assert everything_in(data_root) == []
    assert not (data_root.path.parent / "evil").exists()


@pytest.mark.parametrize("target", ["/", "/etc", "..", "up/up"])
def test_what_is_written_through_a_link_stays_inside(add: Callable[..., Path], target: str) -> None:
    folder = add(
        member("sub", DIR),
        member("sub/up", SYMLINK, linkname=".."),
        member("sub/link", SYMLINK, linkname=target),
        ("sub/link/pocket-engine-test", b"inside"),
    )
    assert not Path("/etc/pocket-engine-test").exists() and not Path("/pocket-engine-test").exists()
    written = [path for path in folder.rglob("pocket-engine-test") if not path.parent.is_symlink()]
    assert [path.read_bytes() for path in written] == [b"inside"]


def test_a_hard_link_follows_no_link_out(add: Callable[..., Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(EngineError, match="no such file or directory"):
        add(
            member("out", SYMLINK, linkname=str(tmp_path)),
            member("stolen", LINK, linkname="out/secret"),
        )
    folder = add(
        member("out", SYMLINK, linkname=str(secret)), member("copy", LINK, linkname="out"), ("x", b"")
    )
    assert (folder / "copy").is_symlink()
    assert secret.stat().st_nlink == 1


def test_absolute_names_begin_at_the_layers_root(add: Callable[..., Path]) -> None:
    folder = add(("/etc/absolute", b"x"), ("/../still", b"y"))
    assert (folder / "etc/absolute").read_bytes() == b"x"
    assert (folder / "still").read_bytes() == b"y"


def test_files_keep_all_that_matters(add: Callable[..., Path]) -> None:
    folder = add(
        member("bin", DIR, mode=0o751, mtime=1_000_000_000),
        member("bin/su", mode=0o4755, uid=0, gid=0, mtime=1_000_000_001),
        member("bin/ours", mode=0o640, uid=10001, gid=33),
        member("home", DIR, mode=0o700, uid=10001, gid=10001),
        member("bin/hard", LINK, linkname="bin/ours"),
        member("bin/soft", SYMLINK, linkname="/bin/su", mtime=1_000_000_002),
        member("fifo", FIFO, mode=0o600),
        ("long/" + "n" * 200 + "/" + "ä" * 100, b"deep"),
    )
    assert stat.S_IMODE((folder / "bin").stat().st_mode) == 0o751
    assert (folder / "bin").stat().st_mtime == 1_000_000_000
    assert stat.S_IMODE((folder / "bin/su").stat().st_mode) == 0o4755
    assert os.getxattr(folder / "bin/ours", OWNER) == b"10001:33"
    assert os.getxattr(folder / "home", OWNER) == b"10001:10001"
    assert OWNER not in os.listxattr(folder / "bin/su")
    assert (folder / "bin/hard").samefile(folder / "bin/ours")
    assert os.readlink(folder / "bin/soft") == "/bin/su"
    assert (folder / "bin/soft").lstat().st_mtime == 1_000_000_002
    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert (folder / "long" / ("n" * 200) / ("ä" * 100)).read_bytes() == b"deep"


def test_device_nodes_are_left_out_and_reported(layers: LayerStore) -> None:
    null = member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
    disk = member("dev/sda", tarfile.BLKTYPE, devmajor=8, devminor=0)
    layer = layers.add_tar(io.BytesIO(tar(member("dev", DIR), null, disk)))
    assert layer.skipped == ("dev/null", "dev/sda")
    assert list((layers.path(layer.diff_id) / "dev").iterdir()) == []


def test_whiteouts_take_overlays_form(add: Callable[..., Path]) -> None:
    folder = add(
        ("etc/.wh.passwd", b""),
        ("var/.wh..wh..opq", b""),
        ("var/log", b"x"),
        (".wh..wh.plnk", b""),
        ("same/kept", b"x"),
        (".wh.same", b""),
        (".wh.again", b""),
        ("again/new", b"x"),
        (".wh.file", b""),
        ("file", b"new"),
    )
    assert is_whiteout(folder / "etc/passwd")
    assert is_opaque(folder / "var") and (folder / "var/log").read_bytes() == b"x"
    # A whiteout hides what lies below the layer, never what the layer itself has.
    assert is_opaque(folder / "same") and (folder / "same/kept").read_bytes() == b"x"
    assert is_opaque(folder / "again") and (folder / "again/new").read_bytes() == b"x"
    assert (folder / "file").read_bytes() == b"new"
    assert sorted(path.name for path in folder.iterdir()) == ["again", "etc", "file", "same", "var"]


def test_later_entries_replace_earlier_ones(add: Callable[..., Path]) -> None:
    folder = add(
        member("a", DIR, mode=0o500),
        ("a/b/c", b"x"),
        member("link", SYMLINK, linkname="a"),
        ("a", b"now a file"),
        member("link", DIR),
        ("link/inside", b"y"),
        ("twice", b"1"),
        ("twice", b"2"),
    )
    assert (folder / "a").read_bytes() == b"now a file"
    assert not (folder / "link").is_symlink() and (folder / "link/inside").read_bytes() == b"y"
    assert (folder / "twice").read_bytes() == b"2"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_told_by_the_bytes(layers: LayerStore, pack: Callable[[bytes], bytes]) -> None:
    plain = tar(("a", b"content"))
    layer = layers.add_tar(io.BytesIO(pack(plain)))
    assert (layers.path(layer.diff_id) / "a").read_bytes() == b"content"
    assert layer.tar_size == len(plain)
    with layers.tar(layer.diff_id) as archive:
        assert archive.read() == plain


def test_zstd_is_read_or_refused_with_advice(layers: LayerStore) -> None:
    packed = bytes.fromhex("28b52ffd0400090000616263b2b1ac5d")
    with pytest.raises(EngineError) as refused:
        layers.add_tar(io.BytesIO(packed))
    assert "zstd" in refused.value.message or refused.value.message.startswith(BROKEN)


@pytest.mark.parametrize(
    "broken",
    [
        tar(("a", b"x" * 5000))[:2000],
        gzip.compress(tar(("a", os.urandom(5000))))[:3000],
        tar(("a", b"x")).replace(b"ustar", b"?????") + b"!" * 512,
        tar(("a", b"x"))[:1024] + b"rubbish" * 100,
        gzip.compress(tar(("a", b"x" * 9000)))[:-8] + b"\0" * 8,
        b"no tar at all",
    ],
    ids=["cut", "cut gzip", "bad checksum", "rubbish in the middle", "bad crc", "text"],
)
def test_a_broken_tar_is_no_layer(data_root: DataRoot, layers: LayerStore, broken: bytes) -> None:
    with pytest.raises(EngineError) as refused:
        layers.add_tar(io.BytesIO(broken))
    assert refused.value.message.startswith(BROKEN)
    assert everything_in(data_root) == []


def test_other_bytes_than_promised_are_refused(data_root: DataRoot, layers: LayerStore) -> None:
    other = "sha256:" + "0" * 64
    for promise in ({"digest": other}, {"diff_id": other}):
        with pytest.raises(EngineError, match=f"verification failed for digest {other}"):
            layers.add_tar(io.BytesIO(tar(("a", b"x"))), **promise)
    assert everything_in(data_root) == []


def test_a_full_disk_leaves_nothing(
    data_root: DataRoot, layers: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pocket_engine.images.unpacking.os.write", full)
    with pytest.raises(EngineError, match="no space left on device"):
        layers.add_tar(io.BytesIO(tar(("a", b"x"))))
    assert everything_in(data_root) == []


def test_a_sparse_file_is_not_filled(layers: LayerStore, tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 20)
        file.write(b"island")
    packed = tmp_path / "sparse.tar"
    command = ["tar", "--sparse", "--format=pax", "-C", str(tmp_path), "-cf", str(packed), "sparse"]
    subprocess.run(command, check=True)
    with open(packed, "rb") as archive:
        file = layers.path(layers.add_tar(archive).diff_id) / "sparse"
    assert file.stat().st_size == 1 << 30
    assert file.stat().st_blocks * 512 < 1 << 22
    with open(file, "rb") as unpacked:
        unpacked.seek(1 << 20)
        assert unpacked.read(6) == b"island"


def written_folder(data_root: DataRoot) -> Path:
    """What a container may have written, in a layer's form."""
    folder = data_root.scratch("written")
    (folder / "etc").mkdir()
    (folder / "etc/conf").write_text("x" * 3000)
    os.link(folder / "etc/conf", folder / "etc/hard")
    os.symlink("conf", folder / "etc/soft")
    os.mknod(folder / "etc/gone", stat.S_IFCHR, 0)
    (folder / "var").mkdir()
    os.setxattr(folder / "var", OPAQUE, b"y")
    (folder / "secret").mkdir()
    (folder / "secret/shut").write_text("shut")
    os.setxattr(folder / "secret/shut", OWNER, b"10001:10002")
    os.chmod(folder / "secret/shut", 0)
    os.chmod(folder / "secret", 0)
    for path in (folder / "etc/soft", folder / "etc", folder / "var", folder / "etc/conf"):
        os.utime(path, (1_700_000_000.5, 1_700_000_000.5), follow_symlinks=False)
    return folder


def test_what_a_container_wrote_becomes_the_same_layer_each_time(
    data_root: DataRoot, layers: LayerStore
) -> None:
    folder = written_folder(data_root)
    first = layers.add_folder(folder)
    assert not folder.exists()
    again = DataRoot(data_root.path / "again")
    with layers.tar(first.diff_id) as archive:
        copied = LayerStore(again).add_tar(archive)
    unpacked = LayerStore(again).path(copied.diff_id)
    assert is_whiteout(unpacked / "etc/gone") and is_opaque(unpacked / "var")
    assert (unpacked / "etc/hard").samefile(unpacked / "etc/conf")
    assert stat.S_IMODE((unpacked / "secret").stat().st_mode) == 0
    moved = again.scratch("moved") / "diff"
    os.rename(unpacked, moved)
    assert LayerStore(DataRoot(data_root.path / "third")).add_folder(moved).diff_id == first.diff_id
    with layers.tar(first.diff_id) as archive, tarfile.open(fileobj=archive) as tar_file:
        entries = {entry.name: entry for entry in tar_file}
    shut = entries["secret/shut"]
    assert (shut.mode, shut.uid, shut.gid, shut.size) == (0, 10001, 10002, 4)


def test_nothing_written_is_an_empty_layer(data_root: DataRoot, layers: LayerStore) -> None:
    assert layers.add_folder(data_root.scratch("written")).empty


def test_a_layer_goes_even_when_its_folders_are_shut(data_root: DataRoot, layers: LayerStore) -> None:
    layer = layers.add_tar(io.BytesIO(tar(("shut/file", b"x"), member("shut", DIR, mode=0))))
    layers.remove(layer.diff_id)
    assert everything_in(data_root) == []


def test_a_disk_that_is_full_at_the_last_moment_leaves_nothing(
    data_root: DataRoot, layers: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(layers_module, "write_json", full)
        with pytest.raises(EngineError, match="no space left on device"):
            layers.add_tar(io.BytesIO(tar(("a", b"x"))))
    assert everything_in(data_root) == []
    layers.add_tar(io.BytesIO(tar(("a", b"x"))))


def test_the_next_start_removes_what_a_crash_left(data_root: DataRoot, layers: LayerStore) -> None:
    kept = layers.add_tar(io.BytesIO(tar(("kept", b"x"))))
    before = everything_in(data_root)
    half = layers.add_tar(io.BytesIO(tar(("half", b"x"))))
    layers.path(half.diff_id).with_suffix(".json").unlink()  # As if the last step had not been made.
    layers.collect_garbage(set())
    assert everything_in(data_root) == before
    assert isinstance(layers.find(kept.diff_id), Layer)
