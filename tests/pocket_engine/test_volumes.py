"""Volumes: their names, their life, and who may remove them."""

import os
import time
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from pocket_engine.events import Events
from pocket_engine.filters import Filters
from pocket_engine.volumes import Volumes
from tests.pocket_engine.embedded import EmbeddedEngine

ALL = Filters()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def volumes(tmp_path: Path, events: Events) -> Volumes:
    return Volumes(DataRoot(tmp_path), events)


def nobody(name: str) -> list[str]:
    return []


def names(volumes: Volumes, **filters: list[str]) -> list[str]:
    return [volume.name for volume in volumes.list(Filters(filters), nobody)]


def test_what_is_created_is_there_after_a_restart(volumes: Volumes, tmp_path: Path):
    made = volumes.create("books", labels={"tier": "data"})
    assert made.folder.is_dir()
    assert Volumes(DataRoot(tmp_path), Events()).get("books") == made


def test_creating_it_again_changes_nothing(volumes: Volumes):
    made = volumes.create("books", labels={"tier": "data"})
    (made.folder / "file").touch()
    assert volumes.create("books") == made
    assert (made.folder / "file").exists()


def test_one_without_a_name_is_anonymous(volumes: Volumes):
    made = volumes.create()
    assert len(made.name) == 64
    assert made.is_anonymous
    assert not volumes.create("books").is_anonymous


@pytest.mark.parametrize("name", ["x", "a b", "../a", ".a", "a/b", "/", "a\n"])
def test_names_that_are_refused(volumes: Volumes, name: str):
    with pytest.raises(BadRequest, match=f"create {name}: "):
        volumes.create(name)
    with pytest.raises(NotFound):
        volumes.get(name)


def test_another_driver_is_refused(volumes: Volumes):
    with pytest.raises(NotFound, match='error looking up volume plugin nfs: plugin "nfs" not found'):
        volumes.create("books", driver="nfs")


def test_a_folder_of_the_machine(volumes: Volumes, tmp_path: Path):
    made = volumes.create("books", options={"type": "none", "o": "bind", "device": str(tmp_path)})
    assert made.folder == tmp_path
    volumes.remove("books", nobody)
    assert tmp_path.exists()


def test_options_that_are_refused(volumes: Volumes):
    with pytest.raises(BadRequest, match='create books: invalid option: "foo"'):
        volumes.create("books", options={"foo": "bar"})
    with pytest.raises(BadRequest, match='missing required option: "device"'):
        volumes.create("books", options={"type": "tmpfs"})
    with pytest.raises(NotImplementedHere, match="only root"):
        volumes.create("books", options={"type": "nfs", "device": ":/books", "o": "addr=10.0.0.1"})
    with pytest.raises(BadRequest, match="no such folder"):
        volumes.create("books", options={"type": "none", "o": "bind", "device": "/nosuch"})
    assert names(volumes) == []


def test_the_list_can_be_narrowed(volumes: Volumes):
    volumes.create("books", labels={"tier": "data"})
    volumes.create("pages", labels={"tier": "web"})
    assert names(volumes, name=["ook"]) == ["books"]
    assert names(volumes, label=["tier=web"]) == ["pages"]
    assert names(volumes, driver=["nfs"]) == []
    used = volumes.list(Filters({"dangling": ["false"]}), lambda name: ["c1"] if name == "books" else [])
    assert [volume.name for volume in used] == ["books"]


def test_one_in_use_is_not_removed(volumes: Volumes):
    volumes.create("books")
    with pytest.raises(Conflict, match=r"remove books: volume is in use - \[c1, c2\]"):
        volumes.remove("books", lambda name: ["c1", "c2"], force=True)


def test_one_with_a_locked_folder_is_removed(volumes: Volumes, tmp_path: Path):
    locked = volumes.create("books").folder / "locked"
    (locked / "folder").mkdir(parents=True)
    locked.chmod(0o500)
    volumes.remove("books", nobody)
    assert names(volumes) == []
    assert os.listdir(tmp_path / "tmp") == []


def test_removing_what_is_not_there(volumes: Volumes):
    with pytest.raises(NotFound, match="get books: no such volume"):
        volumes.remove("books", nobody)
    volumes.remove("books", nobody, force=True)


def test_a_prune_keeps_names_and_what_is_used(volumes: Volumes):
    volumes.create("books")
    used, unused = volumes.create(), volumes.create()
    (unused.folder / "file").write_bytes(b"12345")

    def users(name: str) -> list[str]:
        return ["c1"] if name == used.name else []

    assert volumes.prune(ALL, users, everything=False) == {
        "VolumesDeleted": [unused.name],
        "SpaceReclaimed": 5,
    }
    assert volumes.prune(Filters({"all": ["true"]}), users, False)["VolumesDeleted"] == ["books"]


def test_a_prune_by_label(volumes: Volumes):
    volumes.create("books", labels={"keep": ""})
    volumes.create("pages")
    pruned = volumes.prune(Filters({"label!": ["keep"]}), nobody, everything=True)
    assert pruned["VolumesDeleted"] == ["pages"]


def test_old_clients_prune_all(chosen_engine: EmbeddedEngine):
    chosen_engine.ask("POST", "/volumes/create", {"Name": "old-prune"})
    assert "old-prune" not in chosen_engine.ask("POST", "/v1.42/volumes/prune").json["VolumesDeleted"]
    assert "old-prune" in chosen_engine.ask("POST", "/v1.41/volumes/prune").json["VolumesDeleted"]


def test_their_life_is_told(volumes: Volumes, events: Events):
    volumes.create("books")
    volumes.remove("books", nobody)
    told = [event for event in events.listen(since=0, until=time.time_ns()) if event]
    assert [(event["Action"], event["Actor"]["ID"]) for event in told] == [
        ("create", "books"),
        ("destroy", "books"),
    ]
