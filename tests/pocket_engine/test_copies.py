"""Roots that are copies: what differs from the layers, what becomes a layer, and what containers share."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.filesystems import overlay
from pocket_engine.filesystems.copies import Copies
from pocket_engine.filesystems.whiteouts import is_whiteout, white_out
from pocket_engine.runners import Root

OWNER = "user.pocket.owner"


class Place:
    """A data root with two layers, and roots on them.

    Attributes:
        lower, upper: the layers.
    """

    def __init__(self, folder: Path) -> None:
        self.data_root = DataRoot(folder)
        self.copies = Copies(self.data_root)
        self.lower, self.upper = (self.data_root / "layers" / name for name in ("0" * 64, "1" * 64))
        _fill_lower(self.lower)
        _fill_upper(self.upper)

    def new_root(self, *layers: Path) -> Root:
        folder = self.data_root.scratch("container")
        root = Root(layers or (self.lower, self.upper), folder)
        self.copies.prepare(root)
        return root

    def changes(self, root: Root) -> list[tuple[str, int]]:
        return list(self.copies.changes(root))


def _fill_lower(layer: Path) -> None:
    for folder in ("etc", "opt/kept", "srv/hidden", "usr/bin", "usr/share"):
        (layer / folder).mkdir(parents=True)
    for file in ("etc/hostname", "etc/passwd", "opt/kept/below", "opt/gone", "srv/hidden/below"):
        (layer / file).write_text(file)
    (layer / "usr/bin/tool").write_text("a tool")
    (layer / "usr/bin/tool").chmod(0o755)
    os.link(layer / "usr/bin/tool", layer / "usr/bin/same-tool")
    (layer / "usr/bin/link").symlink_to("tool")
    (layer / "usr/share/locked").write_text("locked")
    (layer / "usr/share/locked").chmod(0)
    os.utime(layer / "usr/bin/tool", ns=(1_000_000_001, 1_000_000_001))
    os.setxattr(layer / "opt/kept", OWNER, b"10:20")


def _fill_upper(layer: Path) -> None:
    for folder in ("opt/kept", "srv/hidden"):
        (layer / folder).mkdir(parents=True)
    for file in ("opt/kept/above", "srv/hidden/above"):
        (layer / file).write_text(file)
    white_out(layer / "opt/gone")
    os.setxattr(layer / "srv/hidden", overlay.OPAQUE, b"y")
    os.setxattr(layer / "opt/kept", OWNER, b"10:20")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path / "data")
    remove_tree(tmp_path)


def files(root: Root) -> Path:
    return root.folder / "copy"


def test_a_copy_is_what_the_layers_show(place: Place):
    copy = files(place.new_root())
    assert sorted(os.listdir(copy / "opt")) == ["kept"]
    assert sorted(os.listdir(copy / "opt/kept")) == ["above", "below"]
    assert os.listdir(copy / "srv/hidden") == ["above"]
    assert os.getxattr(copy / "opt/kept", OWNER) == b"10:20"
    assert os.readlink(copy / "usr/bin/link") == "tool"
    tool = (copy / "usr/bin/tool").stat()
    assert (tool.st_mtime_ns, stat.S_IMODE(tool.st_mode)) == (1_000_000_001, 0o755)
    assert tool.st_ino == (copy / "usr/bin/same-tool").stat().st_ino
    assert stat.S_IMODE((copy / "usr/share/locked").stat().st_mode) == 0


def test_a_copy_that_was_cut_short_is_made_again(place: Place):
    root = place.new_root()
    (root.folder / "finished").unlink()
    (files(root) / "etc/passwd").unlink()
    place.copies.prepare(root)
    assert (files(root) / "etc/passwd").read_text() == "etc/passwd"


def test_a_finished_copy_is_left_alone(place: Place):
    root = place.new_root()
    (files(root) / "etc/passwd").write_text("mine")
    place.copies.prepare(root)
    assert (files(root) / "etc/passwd").read_text() == "mine"


def _same_length_and_time(copy: Path) -> None:
    file = copy / "etc/passwd"
    times = file.stat()
    file.write_text("ETC/passwd")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replaced_by_folder(copy: Path) -> None:
    (copy / "etc/passwd").unlink()
    (copy / "etc/passwd").mkdir()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda copy: (copy / "etc/passwd").read_text(), []),
        (_same_length_and_time, [("/etc", 0), ("/etc/passwd", 0)]),
        (_replaced_by_folder, [("/etc", 0), ("/etc/passwd", 0)]),
        (lambda copy: (copy / "a/b").mkdir(parents=True), [("/a", 1), ("/a/b", 1)]),
        (lambda copy: shutil.rmtree(copy / "opt"), [("/opt", 2)]),
        (lambda copy: (copy / "opt").chmod(0o700), [("/opt", 0)]),
        (lambda copy: os.setxattr(copy / "opt", OWNER, b"1:1"), [("/opt", 0)]),
        (lambda copy: (copy / "usr/bin/tool").chmod(0o700), "tool"),
        (lambda copy: os.setxattr(copy / "usr/bin/tool", OWNER, b"1:1"), "tool"),
        (
            lambda copy: (copy / "opt/kept/above").rename(copy / "opt/kept/moved"),
            [("/opt", 0), ("/opt/kept", 0), ("/opt/kept/above", 2), ("/opt/kept/moved", 1)],
        ),
    ],
)
def test_changes(place: Place, change: Callable[[Path], object], expected: list | str):
    root = place.new_root()
    change(files(root))
    if expected == "tool":
        expected = [("/usr", 0), ("/usr/bin", 0), ("/usr/bin/same-tool", 0), ("/usr/bin/tool", 0)]
    assert place.changes(root) == expected


def test_frozen_it_is_a_layer_for_others(place: Place):
    root = place.new_root()
    copy = files(root)
    (copy / "etc/new").write_text("new")
    (copy / "opt/kept/below").unlink()
    (copy / "usr/share/locked").chmod(0o400)
    (copy / "shut").mkdir()
    (copy / "shut/inside").touch()
    (copy / "shut").chmod(0)
    times = (copy / "etc").stat().st_mtime_ns
    frozen = place.copies.freeze(root)
    assert sorted(os.listdir(frozen)) == ["etc", "opt", "shut", "usr"]
    assert is_whiteout((frozen / "opt/kept/below").lstat())
    assert os.getxattr(frozen / "opt/kept", OWNER) == b"10:20"
    assert stat.S_IMODE((frozen / "shut").stat().st_mode) == 0
    assert (frozen / "etc").stat().st_mtime_ns == times
    assert os.listdir(frozen / "etc") == ["new"]

    other = place.new_root(place.lower, place.upper, frozen)
    assert (files(other) / "etc/new").read_text() == "new"
    assert os.listdir(files(other) / "opt/kept") == ["above"]
    assert place.changes(other) == []


def test_whiteouts_where_devices_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch):
    make = os.mknod

    def refuse_devices(path: str, mode: int, device: int = 0) -> None:
        if stat.S_ISCHR(mode):
            raise PermissionError
        make(path, mode)

    root = place.new_root()
    (files(root) / "etc/passwd").unlink()
    monkeypatch.setattr(os, "mknod", refuse_devices)
    frozen = place.copies.freeze(root)
    assert stat.S_ISSOCK((frozen / "etc/passwd").lstat().st_mode)
    assert not (files(place.new_root(place.lower, frozen)) / "etc/passwd").exists()


def test_containers_share_programs_and_nothing_else(place: Place):
    one, other = files(place.new_root()), files(place.new_root())
    assert (one / "usr/bin/tool").samefile(other / "usr/bin/tool")
    assert not (one / "usr/bin/tool").samefile(place.lower / "usr/bin/tool")
    assert not (one / "etc/passwd").samefile(other / "etc/passwd")


def test_a_program_that_was_written_into_is_not_shared_again(place: Place):
    spoilt = place.new_root()
    (files(spoilt) / "usr/bin/tool").write_text("another tool")
    assert (files(place.new_root()) / "usr/bin/tool").read_text() == "a tool"
    frozen = place.copies.freeze(spoilt)
    assert (frozen / "usr/bin/tool").read_text() == "another tool"
    assert (frozen / "usr/bin/tool").stat().st_nlink == 1


def test_programs_of_removed_layers_are_removed(place: Place):
    place.new_root()
    shutil.move(place.upper, place.data_root / "tmp/elsewhere")
    remove_tree(place.lower)
    place.new_root(place.data_root / "tmp/elsewhere")
    assert os.listdir(place.data_root / "programs") == []
