"""Layers and changes by the kernel's overlayfs: what differs, what becomes a layer."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocket_engine.data_root import remove_tree
from pocket_engine.filesystems import overlay
from pocket_engine.runners import CannotStart
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from tests.pocket_engine import small_root
from tests.pocket_engine.boxes import Box


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_root.make(tmp_path_factory.mktemp("layers") / "small")


@pytest.fixture
def runner(tmp_path: Path, small: Path) -> Iterator[NamespacesRunner]:
    runner = NamespacesRunner()
    try:
        Box.new(runner, (small,), tmp_path / "trial").sh("true")
    except CannotStart as error:
        pytest.skip(f"this machine allows no overlays: {error}")
    yield runner
    remove_tree(tmp_path)


@pytest.fixture
def box(runner: NamespacesRunner, small: Path, tmp_path: Path) -> Box:
    """A container on two layers; the upper one has things to change."""
    second = tmp_path / "second"
    for folder in ("srv", "opt", "usr/share/doc", "media"):
        (second / folder).mkdir(parents=True)
    for file in ("srv/old", "opt/tool", "usr/share/doc/a", "usr/share/doc/b"):
        (second / file).write_text(file)
    return Box.new(runner, (small, second), tmp_path / "box")


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        ("cat /srv/old", []),
        ("touch /srv/old", [("/srv", 0), ("/srv/old", 0)]),
        ("mkdir -p /a/b; touch /a/b/c", [("/a", 1), ("/a/b", 1), ("/a/b/c", 1)]),
        ("rm -r /opt", [("/opt", 2)]),
        ("rm /srv/old; mkdir /srv/old", [("/srv", 0), ("/srv/old", 0)]),
        ("chmod 700 /media", [("/media", 0)]),
        (
            "rm -r /usr/share/doc; mkdir /usr/share/doc; touch /usr/share/doc/b",
            [
                ("/usr", 0),
                ("/usr/share", 0),
                ("/usr/share/doc", 0),
                ("/usr/share/doc/a", 2),
                ("/usr/share/doc/b", 0),
            ],
        ),
        ("touch /x; rm /x", []),
        ("mv /srv/old /srv/new", [("/srv", 0), ("/srv/new", 1), ("/srv/old", 2)]),
        (
            "mkdir /etc/secret; touch /etc/secret/x; chmod 0 /etc/secret",
            [("/etc", 0), ("/etc/secret", 1), ("/etc/secret/x", 1)],
        ),
    ],
)
def test_changes(box: Box, script: str, changes: list):
    box.sh(script)
    assert list(box.runner.changes(box.root)) == changes


def test_many_layers(runner: NamespacesRunner, small: Path, tmp_path: Path):
    layers = [small]
    for number in range(126):
        layers.append(tmp_path / f"{number:064}")
        (layers[-1] / "layers").mkdir(parents=True)
        (layers[-1] / "layers" / str(number)).touch()
    box = Box.new(runner, tuple(layers), tmp_path / "box")
    assert box.sh("ls /layers | wc -l") == "126\n"


def test_no_layers(runner: NamespacesRunner, tmp_path: Path):
    box = Box.new(runner, (), tmp_path / "box")
    with pytest.raises(CannotStart, match="executable file not found"):
        box.start("true")


def test_frozen_it_is_a_layer_for_others(box: Box, tmp_path: Path):
    box.sh(
        "echo new > /srv/new; rm /srv/old; rm -r /opt; mkdir /opt; chmod 400 /etc/passwd; mkdir -m 0 /shut"
    )
    os.mknod(box.root.folder / "upper/srv/socket", stat.S_IFSOCK | 0o600)
    times = (box.root.folder / "upper/srv").stat().st_mtime_ns
    frozen = box.runner.freeze(box.root)
    assert (frozen / "srv").stat().st_mtime_ns == times
    assert sorted(os.listdir(frozen / "srv")) == ["new", "old"]
    assert overlay.is_whiteout((frozen / "srv/old").lstat())
    assert overlay.is_opaque(frozen / "opt") and not overlay.is_opaque(frozen / "srv")
    assert stat.S_IMODE((frozen / "etc/passwd").stat().st_mode) == 0o400
    assert stat.S_IMODE((frozen / "shut").stat().st_mode) == 0
    assert {name for path in (frozen / "srv", frozen / "etc/passwd") for name in os.listxattr(path)} == set()
    # Where things were mounted is no change: no empty /etc/hosts gets into an image.
    assert not (frozen / "etc/hosts").exists() and not (frozen / "proc").exists()
    other = Box.new(box.runner, (*box.root.layers, frozen), tmp_path / "other")
    assert other.sh("ls /srv /opt; ls -ld /etc/passwd").startswith("/opt:\n\n/srv:\nnew\n-r--------")
