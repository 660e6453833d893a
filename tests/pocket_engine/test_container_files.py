"""A container's files from outside: copy, diff, export, commit."""

import io
import tarfile

import docker
import pytest
from docker.models.containers import Container

from tests.pocket_engine.containers import Run, image, run

__all__ = ["image", "run"]


def _tar(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), 0o640, 10001
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _content(container: Container, path: str, name: str) -> bytes:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


@pytest.mark.parametrize("starts", [True, False], ids=["running", "created"])
def test_copy_in_and_out(run: Run, starts: bool) -> None:
    container = run("sleep", "100", start=starts)
    assert container.put_archive("/tmp", _tar(note=b"hello"))
    assert _content(container, "/tmp/note", "note") == b"hello"


def test_what_is_copied_in_has_its_owner_and_mode(run: Run) -> None:
    container = run("sleep", "100")
    container.put_archive("/tmp", _tar(note=b"hello"))
    assert container.exec_run(["stat", "-c", "%u %a", "/tmp/note"]).output == b"10001 640\n"


def test_a_file_is_described_before_it_is_copied(run: Run) -> None:
    _, described = run("sleep", "100").get_archive("/etc/passwd")
    assert described["name"] == "passwd"
    assert described["size"] > 0


def test_no_such_file(run: Run) -> None:
    container = run("sleep", "100")
    with pytest.raises(docker.errors.NotFound, match="Could not find the file /nosuch in container"):
        container.get_archive("/nosuch")
    with pytest.raises(docker.errors.NotFound, match="Could not find the file /nosuch in container"):
        container.put_archive("/nosuch", _tar(note=b""))


def test_diff(run: Run) -> None:
    container = run("sh", "-c", "echo > /home/new; rm /etc/group; echo >> /etc/passwd")
    container.wait()
    assert {(change["Kind"], change["Path"]) for change in container.diff()} == {
        (0, "/home"),
        (1, "/home/new"),
        (0, "/etc"),
        (2, "/etc/group"),
        (0, "/etc/passwd"),
    }


def test_export_has_all_files_of_image_and_container(run: Run) -> None:
    container = run("sh", "-c", "echo > /home/new")
    container.wait()
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
        names = set(archive.getnames())
    assert {"home/new", "etc/passwd"} <= names


@pytest.mark.parametrize("stops", [True, False], ids=["ended", "running"])
def test_commit_makes_an_image_of_what_it_is(client: docker.DockerClient, run: Run, stops: bool) -> None:
    script = "echo hello > /home/new; chown app /home/new; rm /etc/group; echo ready; exec sleep 100"
    container = run("sh", "-c", script, environment={"COLOUR": "red"})
    while b"ready" not in container.logs():
        pass
    if stops:
        container.kill()
    made = container.commit(
        "committed", "1", message="a note", changes='CMD ["cat", "/home/new"]\nENV SIZE=9'
    )
    try:
        assert client.containers.run(made.id, remove=True) == b"hello\n"
        look = ["sh", "-c", "echo $COLOUR $SIZE; test -e /etc/group; echo $?; stat -c %u /home/new"]
        assert client.containers.run("committed:1", look, remove=True).split() == [
            b"red",
            b"9",
            b"1",
            b"10001",
        ]
        assert container.diff()  # It still is what it was.
    finally:
        client.images.remove(made.id, force=True)
