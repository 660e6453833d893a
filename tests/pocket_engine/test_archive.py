import gzip
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from pocket_engine.build.changes import changed
from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, EngineError, NotFound
from pocket_engine.events import Events
from pocket_engine.images import importing, loading, platforms, saving
from pocket_engine.images.store import ImageStore
from tests.pocket_engine.tars import add_image, member, tar

BASE, TOP = tar(("base", b"x" * 100)), tar(("top", b"y" * 10))
REAL_IMAGE = "pocket-engine-test-archive:v1"


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "one")


@pytest.fixture
def store(data_root: DataRoot) -> ImageStore:
    return ImageStore(data_root, Events())


@pytest.fixture
def elsewhere(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "two")


@pytest.fixture
def real_engine() -> Iterator[docker.DockerClient]:
    """A Docker Engine on its usual socket, without our image before and after."""
    try:
        client = docker.DockerClient(base_url="unix:///var/run/docker.sock", timeout=60)
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker Engine answers on its usual socket; ours cannot be compared with it")
    yield client
    for image in client.images.list(REAL_IMAGE):
        client.images.remove(image.id, force=True)
    client.close()


def saved(store: ImageStore, *names: str) -> bytes:
    return b"".join(saving.save(store, names))


def loaded(data_root: DataRoot, archive: bytes, quiet: bool = True) -> tuple[ImageStore, list[dict]]:
    store = ImageStore(data_root, Events())
    return store, list(loading.load(store, data_root, io.BytesIO(archive), quiet))


def entries(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar_file:
        return {entry.name: tar_file.extractfile(entry).read() for entry in tar_file}  # type: ignore[union-attr]


def test_what_was_saved_is_loaded_elsewhere(store: ImageStore, elsewhere: DataRoot) -> None:
    image = add_image(store, [BASE, TOP], "shop/books:v1", "shop/books:v2", compressed=True)
    other = add_image(store, [BASE], "base")
    there, items = loaded(elsewhere, saved(store, "shop/books", "base"), quiet=False)
    assert there.get("shop/books:v2").id == there.get("shop/books:v1").id == image.id
    assert there.get("base").id == other.id
    assert [item["stream"] for item in items if "stream" in item] == [
        "Loaded image: shop/books:v1\n",
        "Loaded image: shop/books:v2\n",
        "Loaded image: base:latest\n",
    ]
    assert [item["id"] for item in items if "id" in item] == [one[7:19] for one in image.diff_ids]
    assert (there.layer_paths(image)[0] / "base").read_bytes() == b"x" * 100


def test_an_id_is_saved_without_a_name(store: ImageStore, elsewhere: DataRoot) -> None:
    image = add_image(store, [BASE], "a")
    there, items = loaded(elsewhere, saved(store, image.id))
    assert items == [{"stream": f"Loaded image ID: {image.id}\n"}]
    assert there.references(image.id) == ([], [])


def test_a_saved_archive_serves_old_and_new_readers(store: ImageStore) -> None:
    image = add_image(store, [BASE, TOP, BASE], "shop/books:v1")
    files = entries(saved(store, "shop/books:v1"))
    manifest = json.loads(files["manifest.json"])[0]
    assert manifest["RepoTags"] == ["shop/books:v1"]
    assert files[manifest["Config"]] == store.layers.blob(image.id).read_bytes()
    assert [files[layer] for layer in manifest["Layers"]] == [BASE, TOP, BASE]
    assert json.loads(files["repositories"]) == {"shop/books": {"v1": image.diff_ids[-1][7:]}}
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    described = json.loads(files["index.json"])["manifests"][0]
    oci = files[f"blobs/sha256/{described['digest'][7:]}"]
    assert len(oci) == described["size"]
    assert [layer["digest"] for layer in json.loads(oci)["layers"]] == list(image.diff_ids)


def test_saving_what_is_not_here_fails_before_the_first_byte(store: ImageStore) -> None:
    for name in ("nosuch", "nosuch:v1"):
        with pytest.raises(NotFound, match=f"No such image: {name}"):
            saving.save(store, [name])


def test_a_plain_oci_layout_is_loaded(store: ImageStore, elsewhere: DataRoot) -> None:
    image = add_image(store, [BASE], "books:v1")
    files = entries(saved(store, "books:v1"))
    del files["manifest.json"], files["repositories"]
    there, items = loaded(elsewhere, gzip.compress(tar(*files.items())))
    assert items == [{"stream": "Loaded image: books:v1\n"}]
    assert there.get("books:v1").id == image.id


def test_the_layout_of_older_engines_is_loaded(store: ImageStore, elsewhere: DataRoot) -> None:
    image = add_image(store, [BASE, BASE], "books:v1")
    config = store.layers.blob(image.id).read_bytes()
    manifest = [{"Config": "c.json", "RepoTags": ["books:v1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
    archive = tar(
        ("c.json", config),
        ("1/layer.tar", BASE),
        member("2/layer.tar", tarfile.SYMTYPE, linkname="../1/layer.tar"),
        ("manifest.json", json.dumps(manifest).encode()),
    )
    assert loaded(elsewhere, archive)[0].get("books:v1").id == image.id


def test_a_name_moves_to_the_loaded_image(store: ImageStore, elsewhere: DataRoot) -> None:
    add_image(store, [TOP], "books")
    there = ImageStore(elsewhere, Events())
    old = add_image(there, [BASE], "books")
    items = list(loading.load(there, elsewhere, io.BytesIO(saved(store, "books")), quiet=True))
    assert items[0]["stream"] == (
        f"The image books:latest already exists, renaming the old one with ID {old.id} to empty string\n"
    )
    assert there.get("books").id != old.id


def test_broken_archives_are_refused_and_leave_nothing(store: ImageStore, elsewhere: DataRoot) -> None:
    add_image(store, [BASE, TOP], "books")
    whole = saved(store, "books")
    files = entries(whole)
    layers = [name for name, content in files.items() if content in (BASE, TOP)]
    lacking = {name: content for name, content in files.items() if name != layers[1]}
    swapped = files | {layers[0]: TOP, layers[1]: BASE}
    unknown = BadRequest, "unrecognized image format"
    for archive, (kind, reason) in {
        whole[:3000]: (EngineError, "unexpected EOF|unexpected end of data"),
        b"": (EngineError, "empty file"),
        b"abc": (EngineError, "unexpected EOF"),
        tar(("etc/passwd", b"x")): unknown,
        tar(("manifest.json", b"{not json")): (EngineError, "manifest.json in the archive is no JSON"),
        tar(*lacking.items()): (EngineError, "the archive is incomplete"),
        tar(*swapped.items()): (EngineError, "verification failed"),
    }.items():
        with pytest.raises(kind, match=reason):
            loaded(elsewhere, archive)
        again = ImageStore(elsewhere, Events())
        assert again.all() == [] and again.layers.all() == []
        assert list((elsewhere / "tmp").iterdir()) == []


def test_a_file_system_is_imported(store: ImageStore) -> None:
    config = changed({}, ['CMD ["echo"]', "USER foobar", "ENV A=b C=d", "EXPOSE 80", "WORKDIR /srv"])
    image = importing.import_tar(store, io.BytesIO(gzip.compress(BASE)), config, "Imported from -")
    assert image.config["config"]["Cmd"] == ["echo"]
    assert image.config["config"]["User"] == "foobar"
    assert image.config["config"]["Env"] == ["A=b", "C=d"]
    assert image.config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert image.config["config"]["WorkingDir"] == "/srv"
    assert image.config["comment"] == "Imported from -"
    assert (store.layer_paths(image)[0] / "base").exists()
    with pytest.raises(BadRequest, match="run is not a valid change command"):
        changed({}, ["RUN true"])


@pytest.fixture
def program(tmp_path: Path) -> bytes:
    """A program that needs no other file: it prints the file that its argument names, or fails."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc; without it there is no program that runs in an image of our own")
    source = tmp_path / "show.c"
    source.write_text(
        "#include <stdio.h>\n"
        "int main(int count, char **words) {\n"
        '  FILE *file = fopen(words[1], "r");\n'
        "  for (int c; file && (c = getc(file)) != EOF;) putchar(c);\n"
        "  return !file;\n"
        "}\n"
    )
    subprocess.run([compiler, "-static", "-o", tmp_path / "show", source], check=True)
    return (tmp_path / "show").read_bytes()


def test_a_real_engine_runs_what_was_saved_here_and_saves_it_for_us(
    store: ImageStore, elsewhere: DataRoot, real_engine: docker.DockerClient, program: bytes
) -> None:
    base = store.layers.add_tar(io.BytesIO(executable(program)))
    changes = store.layers.add_tar(io.BytesIO(gzip.compress(tar(("new", b"new\n"), (".wh.old", b"")))))
    config = {
        "architecture": platforms.host().architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/show"]},
        "history": [{"created_by": "base"}, {"created_by": "changes"}],
        "rootfs": {"type": "layers", "diff_ids": [base.diff_id, changes.diff_id]},
    }
    made = store.create(config)
    store.tag(made.id, REAL_IMAGE)
    there = real_engine.images.load(saved(store, REAL_IMAGE))
    assert [image.id for image in there] == [made.id] and there[0].tags == [REAL_IMAGE]
    assert there[0].attrs["RootFS"]["Layers"] == list(made.diff_ids)
    shown = real_engine.containers.run(REAL_IMAGE, ["/new"], remove=True, network_mode="none")
    assert shown == b"new\n"
    with pytest.raises(docker.errors.ContainerError):
        real_engine.containers.run(REAL_IMAGE, ["/old"], remove=True, network_mode="none")
    back, items = loaded(elsewhere, b"".join(there[0].save(named=REAL_IMAGE)))
    assert items == [{"stream": f"Loaded image: {REAL_IMAGE}\n"}]
    assert back.get(REAL_IMAGE).id == made.id


def executable(program: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar_file:
        tar_file.addfile(member("show", mode=0o755, size=len(program)), io.BytesIO(program))
        tar_file.addfile(member("old", size=4), io.BytesIO(b"old\n"))
    return archive.getvalue()
