"""The command: quick, and without tracebacks for what a learner can mend."""

import errno
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from workshop import cleanup, cli, doctor, stubs
from workshop.doctor.report import FAIL, GOOD, Finding, Report

COMMANDS = ("lab", "doctor", "rehearse", "clean", "stubs", "base", "cluster", "certificates")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///there/is/none.sock")


def test_help_names_every_command_and_loads_nothing_heavy():
    script = "import sys; from workshop import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    script += "print(sorted({'docker', 'grpc', 'jupyterlab', 'kubernetes', 'nbclient'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert all(f"\n    {command}" in said for command in COMMANDS)
    assert said.endswith("[]\n")


def test_a_missing_engine_is_said_in_words(no_engine: None, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["base"]) == 1
    assert capsys.readouterr().err.startswith("No Docker Engine answered. ")


@pytest.mark.usefixtures("no_engine")
def test_cleaning_without_an_engine_is_done_at_once(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["clean"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(("mark", "code"), [(GOOD, 0), (FAIL, 1)])
def test_the_doctor_exits_with_one_only_if_something_must_be_mended(
    mark: str, code: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "examine", lambda: Report([Finding(mark, "Item", "found")]))
    assert cli.main(["doctor"]) == code


def test_stubs_are_generated_only_where_they_are_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made = []
    monkeypatch.setattr(stubs, "generate", lambda: made.append(1))
    monkeypatch.setattr(stubs, "are_current", lambda: bool(made))
    assert [cli.main(["stubs"]), cli.main(["stubs"])] == [0, 0]
    assert made == [1]
    assert capsys.readouterr().out.splitlines()[1] == "The stubs are current."


def test_errors_that_a_learner_can_mend_are_sentences():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert "disk is full" in (cli.in_words(full) or "")
    assert "engine" in (cli.in_words(docker.errors.APIError("500")) or "")
    assert "pip install" in (cli.in_words(ModuleNotFoundError("No module", name="flask")) or "")
    assert cli.in_words(cleanup.NameTaken("Rename it.")) == "Rename it."


def test_a_defect_of_ours_keeps_its_traceback():
    assert cli.in_words(KeyError("x")) is None
    assert cli.in_words(ImportError("cannot import name", name="workshop.engine")) is None


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupt() -> Report:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupt)
    assert cli.main(["doctor"]) == cli.INTERRUPTED
    assert capsys.readouterr().err.strip() == "Interrupted."


@pytest.fixture
def own_container(
    client: docker.DockerClient, python_image: str
) -> Iterator[docker.models.containers.Container]:
    container = client.containers.create(python_image, name=f"learners-own-{time.monotonic_ns()}")
    yield container
    container.remove()


def test_cleaning_leaves_what_is_not_the_workshops(
    client: docker.DockerClient,
    python_image: str,
    own_container: docker.models.containers.Container,
    monkeypatch: pytest.MonkeyPatch,
):
    # The images would have to be made again for the next test; test_cleanup.py looks at removing those.
    monkeypatch.setattr(cleanup, "remove_images", lambda client: None)
    monkeypatch.setattr(cleanup, "STAND_IN", "no-such-image")
    if sys.platform == "linux":  # The other tests may be using the embedded engine.
        monkeypatch.setattr("workshop.pocket.stop", lambda: False)
    ours = client.containers.create(python_image, labels=cleanup.LABELS)
    network = client.networks.create(f"ours-{time.monotonic_ns()}", labels=cleanup.LABELS)
    assert cli.main(["clean"]) == 0
    left = {container.id for container in client.containers.list(all=True)}
    assert ours.id not in left
    assert own_container.id in left
    assert network.id not in {each.id for each in client.networks.list()}
