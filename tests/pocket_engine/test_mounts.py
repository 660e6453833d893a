"""What is mounted in containers."""

import contextlib
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound

from pocket_engine.containers import mounts
from pocket_engine.containers.host_config import completed
from pocket_engine.errors import BadRequest
from tests.pocket_engine.containers import Run, image, run

__all__ = ["image", "run"]


def test_a_folder_of_the_machine(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("hello")
    container = run("sh", "-c", "cat /data/there; echo new > /data/here", volumes=[f"{tmp_path}:/data"])
    container.wait()
    assert container.logs() == b"hello"
    assert (tmp_path / "here").read_text() == "new\n"
    (shown,) = container.attrs["Mounts"]
    assert (shown["Type"], shown["Source"], shown["Destination"], shown["RW"]) == (
        "bind",
        str(tmp_path),
        "/data",
        True,
    )


def test_read_only_means_it(run: Run, tmp_path: Path) -> None:
    container = run("touch", "/data/new", volumes=[f"{tmp_path}:/data:ro"])
    assert container.wait()["StatusCode"] != 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_made(run: Run, tmp_path: Path) -> None:
    container = run("sh", "-c", "echo x > /data/x", volumes=[f"{tmp_path}/a/b:/data"])
    assert container.wait()["StatusCode"] == 0
    assert (tmp_path / "a/b/x").exists()


def test_a_volume_is_shared_and_outlives_its_containers(client: docker.DockerClient, run: Run) -> None:
    first = run("sh", "-c", "echo hello > /data/file", volumes=["shared:/data"])
    first.wait()
    first.remove(v=True)
    second = run("cat", "/other/file", volumes=["shared:/other"])
    second.wait()
    assert second.logs() == b"hello\n"
    with pytest.raises(docker.errors.APIError, match="volume is in use"):
        client.volumes.get("shared").remove()
    second.remove()
    client.volumes.get("shared").remove()


def test_a_new_volume_begins_with_what_the_image_has_there(client: docker.DockerClient, run: Run) -> None:
    container = run("sh", "-c", "cat /etc/group | wc -l; stat -c %u /home/app", volumes=["filled:/home"])
    container.wait()
    assert container.logs().split() == [b"3", b"10001"]
    container.remove()
    client.volumes.get("filled").remove()


def test_volumes_without_names_go_with_their_container(client: docker.DockerClient, run: Run) -> None:
    container = run("true", volumes=["/data"], auto_remove=True, start=False)
    (shown,) = container.attrs["Mounts"]
    assert shown["Destination"] == "/data"
    container.start()
    with contextlib.suppress(NotFound):  # It may be gone already.
        container.wait(condition="removed")
    assert shown["Name"] not in [volume.name for volume in client.volumes.list()]


def test_volumes_from_another_container(run: Run) -> None:
    first = run("sh", "-c", "echo hello > /data/file", volumes=["/data"], name="has-volume")
    first.wait()
    second = run("cat", "/data/file", volumes_from=["has-volume:ro"])
    second.wait()
    assert second.logs() == b"hello\n"
    assert not second.attrs["Mounts"][0]["RW"]


def test_files_in_memory(run: Run) -> None:
    container = run(
        "sh", "-c", "grep /scratch /proc/mounts || stat -f -c %T /scratch", tmpfs={"/scratch": "size=1m"}
    )
    container.wait()
    assert container.attrs["Mounts"] == []


def test_nothing_is_written_on_a_read_only_root(run: Run) -> None:
    container = run("sh", "-c", "touch /new && echo done", read_only=True)
    assert container.wait()["StatusCode"] != 0


@pytest.mark.parametrize(
    ("host_config", "complaint"),
    [
        ({"Binds": ["/tmp:/b", "/tmp:/b"]}, "Duplicate mount point: /b"),
        (
            {"Mounts": [{"Type": "foo", "Target": "/t"}]},
            'invalid mount config for type "foo": mount type unknown',
        ),
        ({"Mounts": [{"Type": "bind", "Source": "/tmp"}]}, "field Target must not be empty"),
        ({"Mounts": [{"Type": "bind", "Target": "/t"}]}, "field Source must not be empty"),
        ({"Tmpfs": {"/t": "nosuch=1"}}, "invalid tmpfs option"),
    ],
)
def test_what_makes_no_sense(host_config: dict, complaint: str) -> None:
    settled, _ = completed(host_config)
    with pytest.raises(BadRequest, match=complaint):
        mounts.points({}, settled, lambda name: [])
