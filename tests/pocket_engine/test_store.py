import contextlib
import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, Conflict, NotFound
from pocket_engine.events import Events
from pocket_engine.filters import Filters
from pocket_engine.images import loading, removal, saving, views
from pocket_engine.images.image import Image
from pocket_engine.images.references import parse
from pocket_engine.images.store import ImageStore, Use
from tests.pocket_engine.tars import add_image, tar

BASE, TOP = tar(("base", b"x" * 100)), tar(("top", b"y" * 10))
CONTAINER = "c" * 64


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


@pytest.fixture
def store(data_root: DataRoot) -> ImageStore:
    return ImageStore(data_root, Events())


def used_by(image: Image, running: bool) -> Callable[[str], list[Use]]:
    return lambda image_id: [Use(CONTAINER, running)] if image_id == image.id else []


def unused(image_id: str) -> list[Use]:
    return []


def short(image: Image) -> str:
    return image.id.removeprefix("sha256:")[:12]


def names_in(summaries: list[dict]) -> list[str]:
    return sorted(name for summary in summaries for name in summary["RepoTags"] or ["-"])


def test_an_image_is_found_by_all_of_its_names(store: ImageStore) -> None:
    image = add_image(store, [BASE], "shop/books:v1", "books")
    digits = image.id.removeprefix("sha256:")
    digest = "sha256:" + "d" * 64
    store.tag(image.id, parse("books").with_digest(digest))
    for name in (
        *(image.id, digits, digits[:12], f"sha256:{digits[:12]}"),
        *("books", "books:latest", "docker.io/library/books", "shop/books:v1", f"books@{digest}"),
    ):
        assert store.get(name) == store.get(image.id), name
    assert store.references(image.id) == (["books:latest", "shop/books:v1"], [f"books@{digest}"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("books", "No such image: books:latest"),
        ("books:v2", "No such image: books:v2"),
        ("abcdef", "No such image: abcdef:latest"),
        ("sha256:abcdef", "No such image: sha256:abcdef"),
        ("f" * 64, f"No such image: {'f' * 64}"),
    ],
)
def test_what_is_not_here_is_told_in_dockers_words(store: ImageStore, name: str, message: str) -> None:
    with pytest.raises(NotFound) as refused:
        store.get(name)
    assert refused.value.message == message


def test_the_same_config_is_the_same_image(store: ImageStore) -> None:
    layer = add_image(store, [BASE]).diff_ids[0]
    config = {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}}
    first = store.create(config, container_config={"Cmd": ["a"]})
    assert store.create(dict(reversed(config.items())), container_config={"Cmd": ["a"]}) == first
    assert store.create(config, container_config={"Cmd": ["b"]}).id != first.id
    assert first.container_config == {"Cmd": ["a"]}


def test_an_image_without_its_layers_is_none(store: ImageStore) -> None:
    missing = "sha256:" + "0" * 64
    with pytest.raises(NotFound, match=f"layer does not exist: {missing}"):
        store.create({"rootfs": {"type": "layers", "diff_ids": [missing]}})
    with pytest.raises(BadRequest, match="invalid image config"):
        store.add_config(b"{}")
    assert store.all() == []


def test_all_is_there_after_a_start(data_root: DataRoot, store: ImageStore) -> None:
    base = add_image(store, [BASE], "base")
    child = add_image(store, [BASE, TOP], parent=base.id)
    again = ImageStore(data_root, Events())
    assert again.get("base").id == base.id
    assert again.children(base.id) == [child]
    assert all(path.is_dir() for path in again.layer_paths(child))


def test_a_start_removes_what_nothing_refers_to(data_root: DataRoot, store: ImageStore) -> None:
    image = add_image(store, [BASE], "base")
    lonely = add_image(store, [TOP])
    lone_file = data_root / "images" / f"{lonely.id.removeprefix('sha256:')}.json"
    lone_file.unlink()  # As after a crash before the record was written.
    again = ImageStore(data_root, Events())
    assert again.all() == [again.get("base")]
    assert again.layers.all() == list(image.diff_ids)
    assert not again.layers.blob(lonely.id).exists()


def test_lists(store: ImageStore) -> None:
    base = add_image(store, [BASE], "shop/base:v1", "other:v1", created="2026-01-01T00:00:00Z")
    middle = add_image(store, [BASE, TOP], parent=base.id, created="2026-01-02T00:00:00Z")
    top = add_image(
        store, [BASE, TOP, TOP], "top", parent=middle.id, created="2026-01-03T00:00:00Z", labels={"a": "1"}
    )
    add_image(store, [TOP], created="2026-01-04T00:00:00Z")

    def listed(everything: bool = False, **filters: str) -> list[str]:
        chosen = Filters({name: [value] for name, value in filters.items()})
        return names_in(views.summaries(store, chosen, everything))

    assert listed() == ["-", "other:v1", "shop/base:v1", "top:latest"]
    assert listed(everything=True) == ["-", "-", "other:v1", "shop/base:v1", "top:latest"]
    assert listed(dangling="true") == ["-"]
    assert listed(dangling="false") == ["other:v1", "shop/base:v1", "top:latest"]
    assert listed(label="a") == listed(label="a=1") == ["top:latest"]
    assert listed(label="a=2") == []
    assert listed(before="top") == ["other:v1", "shop/base:v1"]
    assert listed(since="shop/base:v1") == ["-", "top:latest"]
    assert listed(until="2026-01-02T12:00:00Z") == ["other:v1", "shop/base:v1"]
    assert listed(reference="top") == listed(reference="t*") == ["top:latest"]
    assert listed(reference="*:v1") == ["other:v1"]
    assert listed(reference="*/*:v1") == listed(reference="shop/base") == ["shop/base:v1"]
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        listed(before="nosuch")
    with pytest.raises(BadRequest):
        listed(colour="red")
    with pytest.raises(BadRequest):
        listed(dangling="perhaps")
    summary = views.summaries(store, Filters({"reference": ["top"]}))[0]
    assert summary["Size"] == 120 and summary["ParentId"] == middle.id and summary["Labels"] == {"a": "1"}
    assert summary["SharedSize"] == summary["Containers"] == -1
    assert views.summaries(store, Filters())[1]["Id"] == top.id


def test_inspect_and_history(store: ImageStore) -> None:
    base = add_image(store, [BASE], "base")
    image = add_image(store, [BASE, TOP], "top:v1", parent=base.id, created="2026-01-02T00:00:00.5Z")
    shown = views.inspect(store, store.get("top:v1"))
    assert shown["Id"] == image.id and shown["Parent"] == base.id
    assert shown["RepoTags"] == ["top:v1"] and shown["RepoDigests"] == []
    assert shown["Config"]["Cmd"] == ["sh"] and shown["Config"]["Env"] is None
    assert shown["RootFS"] == {"Type": "layers", "Layers": list(image.diff_ids)}
    assert shown["Size"] == 110
    assert shown["Created"] == "2026-01-02T00:00:00.5Z"
    assert shown["Metadata"]["LastTagTime"] > "2026"
    steps = views.history(store, image)
    assert [(step["Id"], step["CreatedBy"], step["Size"], step["Tags"]) for step in steps] == [
        (image.id, "step 1", 10, ["top:v1"]),
        (base.id, "step 0", 100, ["base:latest"]),
    ]
    lonely = add_image(store, [BASE, TOP], "lonely", created="2026-01-05T00:00:00Z")
    assert [step["Id"] for step in views.history(store, lonely)] == [lonely.id, "<missing>"]


def test_history_counts_steps_without_files(store: ImageStore) -> None:
    diff_id = add_image(store, [BASE]).diff_ids[0]
    history = [{"created_by": "ENV", "empty_layer": True}, {"created_by": "COPY"}]
    config = {"history": history, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    steps = views.history(store, store.create(config))
    assert [(step["CreatedBy"], step["Size"]) for step in steps] == [("COPY", 100), ("ENV", 0)]


def test_the_last_name_takes_the_image_with_it(store: ImageStore) -> None:
    image = add_image(store, [BASE, TOP], "a:1", "b:2")
    assert removal.remove(store, "a:1", unused) == [{"Untagged": "a:1"}]
    items = removal.remove(store, "b:2", unused)
    assert items[:2] == [{"Untagged": "b:2"}, {"Deleted": image.id}]
    assert len(items) == 4 and items[3] == {"Deleted": image.diff_ids[0]}
    assert store.all() == [] and store.layers.all() == []
    with pytest.raises(NotFound, match="No such image: b:2"):
        removal.remove(store, "b:2", unused)


def test_digests_go_with_the_last_tag_of_their_repository(store: ImageStore) -> None:
    image = add_image(store, [BASE], "a")
    by_digest = parse("a").with_digest("sha256:" + "d" * 64)
    store.tag(image.id, by_digest)
    assert removal.remove(store, "a", unused) == [
        {"Untagged": "a:latest"},
        {"Untagged": str(by_digest)},
        {"Deleted": image.id},
        {"Deleted": image.diff_ids[0]},
    ]


def test_by_id_all_names_of_one_repository_go(store: ImageStore) -> None:
    image = add_image(store, [BASE], "a")
    assert removal.remove(store, short(image), unused)[:2] == [
        {"Untagged": "a:latest"},
        {"Deleted": image.id},
    ]


def test_by_id_names_in_several_repositories_want_force(store: ImageStore) -> None:
    image = add_image(store, [BASE], "a", "b")
    with pytest.raises(Conflict) as refused:
        removal.remove(store, image.id, unused)
    assert refused.value.message == (
        f"conflict: unable to delete {short(image)} (must be forced) - "
        "image is referenced in multiple repositories"
    )
    assert {"Deleted": image.id} in removal.remove(store, image.id, unused, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_running_container_keeps_its_image(store: ImageStore, force: bool) -> None:
    image = add_image(store, [BASE], "a")
    in_use = used_by(image, running=True)
    with pytest.raises(Conflict) as refused:
        removal.remove(store, image.id, in_use, force=force)
    assert refused.value.message == (
        f"conflict: unable to delete {short(image)} (cannot be forced) - "
        f"image is being used by running container {CONTAINER[:12]}"
    )
    with pytest.raises(Conflict) as refused:
        removal.remove(store, "a", in_use)
    assert refused.value.message == (
        'conflict: unable to remove repository reference "a" (must force) - '
        f"container {CONTAINER[:12]} is using its referenced image {short(image)}"
    )
    assert store.find("a") == image.id
    assert removal.remove(store, "a", in_use, force=True) == [{"Untagged": "a:latest"}]
    assert store.find(image.id)


def test_a_stopped_container_keeps_the_files_of_an_image_removed_by_force(
    data_root: DataRoot, store: ImageStore
) -> None:
    image = add_image(store, [BASE], "a")
    in_use = used_by(image, running=False)
    with pytest.raises(Conflict) as refused:
        removal.remove(store, image.id, in_use)
    assert refused.value.message == (
        f"conflict: unable to delete {short(image)} (must be forced) - "
        f"image is being used by stopped container {CONTAINER[:12]}"
    )
    assert {"Deleted": image.id} in removal.remove(store, image.id, in_use, force=True)
    assert store.find(image.id) is None and store.all() == []
    again = ImageStore(data_root, Events())
    assert again.all() == []
    assert (again.layer_paths(again.by_id(image.id))[0] / "base").exists()
    removal.prune(again, Filters(), unused)
    assert again.layers.all() == []


def test_children_keep_their_parent(store: ImageStore) -> None:
    base = add_image(store, [BASE])
    add_image(store, [BASE, TOP], "top", parent=base.id)
    with pytest.raises(Conflict) as refused:
        removal.remove(store, base.id, unused, force=True)
    assert refused.value.message == (
        f"conflict: unable to delete {short(base)} (cannot be forced) - image has dependent child images"
    )


def test_parents_without_a_name_go_with_the_last_child(store: ImageStore) -> None:
    root = add_image(store, [BASE], "root")
    middle = add_image(store, [BASE, TOP], parent=root.id)
    top = add_image(store, [BASE, TOP, TOP], "top", parent=middle.id)
    kept = removal.remove(store, "top", unused, prune_parents=False)
    assert [item["Deleted"] for item in kept if "Deleted" in item][0] == top.id
    assert store.find(middle.id)
    top = add_image(store, [BASE, TOP, TOP], "top", parent=middle.id)
    deleted = [item.get("Deleted") for item in removal.remove(store, "top", unused)]
    assert top.id in deleted and middle.id in deleted and root.id not in deleted
    assert store.all() == [store.get("root")]


def test_prune(store: ImageStore) -> None:
    used = add_image(store, [BASE], "used")
    add_image(store, [BASE, TOP], "named")
    dangling = add_image(store, [tar(("d", b"z" * 50))])
    in_use = used_by(used, running=False)
    pruned = removal.prune(store, Filters(), in_use)
    assert pruned["SpaceReclaimed"] == 50
    assert pruned["ImagesDeleted"][0] == {"Deleted": dangling.id}
    pruned = removal.prune(store, Filters({"dangling": ["false"]}), in_use)
    assert pruned["ImagesDeleted"][0] == {"Untagged": "named:latest"}
    assert pruned["SpaceReclaimed"] == 10
    assert names_in(views.summaries(store, Filters())) == ["used:latest"]
    assert removal.prune(store, Filters(), in_use) == {"ImagesDeleted": None, "SpaceReclaimed": 0}


def test_prune_takes_only_what_its_filters_name(store: ImageStore) -> None:
    add_image(store, [BASE], labels={"keep": "1"})
    old = add_image(store, [TOP], created="2020-01-01T00:00:00Z")
    pruned = removal.prune(store, Filters({"until": ["2021-01-01T00:00:00Z"]}), unused)
    assert pruned["ImagesDeleted"][0] == {"Deleted": old.id}
    assert removal.prune(store, Filters({"label!": ["keep"]}), unused)["ImagesDeleted"] is None


def test_events_tell_what_happened(data_root: DataRoot) -> None:
    events = Events()
    store = ImageStore(data_root, events)
    add_image(store, [BASE], "a")
    removal.remove(store, "a", unused)
    told = events.listen(since=0, until=time.time_ns())
    assert [event["Action"] for event in told if event] == ["tag", "untag", "delete"]


def test_configs_keep_their_very_bytes(store: ImageStore) -> None:
    diff_id = add_image(store, [BASE]).diff_ids[0]
    content = json.dumps({"rootfs": {"diff_ids": [diff_id]}, "odd": 1}, indent=7).encode()
    assert store.layers.blob(store.add_config(content).id).read_bytes() == content


def test_a_layer_that_somebody_awaits_outlives_its_image(store: ImageStore) -> None:
    image = add_image(store, [BASE], "a")
    with store.awaiting() as await_layer:
        assert await_layer(image.diff_ids[0])
        assert not await_layer("sha256:" + "0" * 64)
        removal.remove(store, "a", unused)
        other = store.create({"rootfs": {"type": "layers", "diff_ids": list(image.diff_ids)}})
    assert removal.remove(store, other.id, unused)[-1] == {"Deleted": image.diff_ids[0]}
    assert store.layers.all() == []


def test_many_use_a_store_at_the_same_time(store: ImageStore, data_root: DataRoot) -> None:
    add_image(store, [BASE, TOP], "seed")
    archive = b"".join(saving.save(store, ["seed"]))

    def come_and_go(number: int) -> None:
        for _ in range(10):
            list(loading.load(store, data_root, io.BytesIO(archive), quiet=True))
            with contextlib.suppress(NotFound):
                removal.remove(store, "seed", unused)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    list(loading.load(store, data_root, io.BytesIO(archive), quiet=True))
    again = ImageStore(data_root, Events())
    assert [len(again.layer_paths(image)) for image in again.all()] == [2]
    assert all(path.is_dir() for path in again.layer_paths(again.get("seed")))
    assert list((data_root / "tmp").iterdir()) == []
