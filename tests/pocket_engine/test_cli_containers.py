"""The docker command on containers: what it prints, and what it ends with."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pocket_engine.containers import image  # noqa: F401 (a fixture)
from tests.pocket_engine.embedded import EmbeddedEngine, docker_command, run_docker

pytestmark = pytest.mark.skipif(docker_command() is None, reason="the docker command is not installed")

RUNC_EXEC = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.fixture
def box(engine: EmbeddedEngine, image: str) -> Iterator[str]:  # noqa: F811
    """The name of a container that runs."""
    assert run_docker(engine.host, "run", "-d", "--name", "box", image, "sleep", "60").returncode == 0
    yield "box"
    run_docker(engine.host, "rm", "-f", "box")


def refused(engine: EmbeddedEngine, *options: str) -> str:
    """What the engine says to options of `docker create` that it does not take."""
    said = run_docker(engine.host, "create", "--pull", "never", *options)
    assert said.returncode != 0
    return said.stderr


def test_exec_in_a_folder_that_is_not_there(engine: EmbeddedEngine, box: str):
    said = run_docker(engine.host, "exec", "-w", "/nosuch", box, "true")
    reason = 'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory: unknown'
    assert (said.returncode, said.stdout) == (126, f"{RUNC_EXEC}{reason}\n")


def test_the_exit_code_of_an_exec_that_ends_with_its_container(engine: EmbeddedEngine, box: str):
    script = f"docker exec {box} sh -c 'echo started; sleep 60'"
    environment = {"DOCKER_HOST": engine.host, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    with subprocess.Popen(["sh", "-c", script], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"started\n"
        run_docker(engine.host, "kill", box)
        assert process.wait(20) == 137


def test_execs_that_ended_are_not_shown(engine: EmbeddedEngine, box: str):
    run_docker(engine.host, "exec", box, "true")
    assert run_docker(engine.host, "inspect", "-f", "{{.ExecIDs}}", box).stdout == "[]\n"


def test_a_read_only_root(engine: EmbeddedEngine, image: str):  # noqa: F811
    for user, target in (("0", "/etc/hosts"), ("10001", "/x"), ("10001", "/etc/passwd")):
        said = run_docker(
            engine.host, "run", "--rm", "--read-only", "-u", user, image, "sh", "-c", f"echo > {target}"
        )
        assert "Read-only file system" in said.stderr, (user, target, said.stderr)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cpus", "9999"], "Range of CPUs is from 0.01 to "),
        (["-m", "64m", "--memory-reservation", "128m"], "Minimum memory limit can not be less than"),
        (["--runtime", "nosuch"], "unknown or invalid runtime name: nosuch"),
        (["--isolation", "hyperv"], "Invalid isolation: \"hyperv\" - linux only supports 'default'"),
        (["--pid", "container:nosuch"], "No such container: nosuch"),
        (["--network", "container:nosuch"], "No such container: nosuch"),
        (["--platform", "linux/s390x"], "does not match the specified platform: wanted linux/s390x"),
    ],
)
def test_what_makes_no_sense(engine: EmbeddedEngine, image: str, options: list[str], message: str):  # noqa: F811
    assert message in refused(engine, *options, image, "true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-p", "80:80"], "port publishing and the container type network mode"),
        (["-h", "other"], "hostname and the network mode"),
        (["--add-host", "other:1.2.3.4"], "custom host-to-IP mapping and the network mode"),
    ],
)
def test_whoever_joins_a_network_has_nothing_of_its_own(
    engine: EmbeddedEngine,
    image: str,  # noqa: F811
    box: str,
    options: list[str],
    message: str,
):
    said = refused(engine, "--network", f"container:{box}", *options, image, "true")
    assert f"conflicting options: {message}" in said


def test_names_that_cannot_be_given(engine: EmbeddedEngine, box: str):
    said = run_docker(engine.host, "rename", box, "bad name")
    assert "Error when allocating new name: Invalid container name" in said.stderr
    said = run_docker(engine.host, "kill", "nosuch")
    assert said.stderr.endswith("Cannot kill container: nosuch: No such container: nosuch\n")


def test_copies_are_told_of(engine: EmbeddedEngine, box: str, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    run_docker(engine.host, "cp", str(tmp_path / "file"), f"{box}:/file")
    run_docker(engine.host, "cp", f"{box}:/file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_text() == "x"
    period = ("--since", "1m", "--until", f"{time.time():.9f}")
    options = ("--filter", f"container={box}", "--format", "json")
    said = run_docker(engine.host, "events", *period, *options)
    actions = [json.loads(line)["Action"] for line in said.stdout.splitlines()]
    assert actions[-2:] == ["extract-to-dir", "archive-path"]


def test_a_dockerfile_by_the_input_with_a_folder(engine: EmbeddedEngine, tmp_path: Path):
    """The docker command leaves out the end of the archive then."""
    (tmp_path / "file").write_text("x")
    said = run_docker(
        engine.host, "build", "-q", "-f", "-", str(tmp_path), input="FROM scratch\nCOPY file /file\n"
    )
    assert said.returncode == 0, said.stderr
    run_docker(engine.host, "rmi", said.stdout.strip())
