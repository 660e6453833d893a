"""The images hold what runs and nothing else, start, answer, and stop when asked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from workshop.repository import ROOT

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from building import build
from waiting import healthy, page, published_port, until

NAMES = ["recommendations", "marketplace"]
EVERY_SECOND = {"interval": 1_000_000_000}  # The image's own check, more often.
STUBS = {"recommendations_pb2.py", "recommendations_pb2_grpc.py"}  # The build's own.

# What a start does until the service listens.
START = {"recommendations": "import recommendations", "marketplace": "import server; server.create_app()"}
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def test_hadolint_finds_nothing():
    assert [file.name for file in DOCKERFILES] == ["marketplace.Dockerfile", "recommendations.Dockerfile"]
    hadolint = Path(sys.executable).with_name("hadolint")
    finished = subprocess.run([hadolint, *DOCKERFILES], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("name", NAMES)
def test_it_is_configured_for_production(client, images, name):
    config = client.images.get(name).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "healthcheck.py"]
    assert config["Cmd"][0] != "/bin/sh", "in the shell form the shell is process 1 and swallows SIGTERM"
    assert "microservices-workshop" in config["Labels"]


@pytest.mark.parametrize("name", NAMES)
def test_the_compiler_and_pip_stayed_behind(run, name):
    container = run(name)
    for module in ("grpc_tools", "pip"):
        code, output = container.exec_run(["python", "-c", f"import {module}"])
        assert code == 1
        assert b"ModuleNotFoundError" in output


@pytest.mark.parametrize("name", NAMES)
def test_it_gets_healthy_runs_as_nobody_special_and_stops_with_code_0(run, name):
    container = run(name, healthcheck=EVERY_SECOND)
    until(lambda: healthy(container), f"{name} is healthy")
    assert container.exec_run(["id", "-u"]).output == b"10001\n"
    container.stop(timeout=30)
    assert container.wait()["StatusCode"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_locked_down(run, name):
    lock = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
    container = run(name, healthcheck=EVERY_SECOND, **lock)
    until(lambda: healthy(container), f"{name} is healthy with a read-only root")


def test_recommendations_answers_from_outside(run):
    container = run("recommendations", ports={"50051/tcp": ("127.0.0.1", None)})
    with grpc.insecure_channel(f"127.0.0.1:{published_port(container, '50051/tcp')}") as channel:
        request = pb.RecommendationRequest(max_results=3)
        response = pb_grpc.RecommendationsStub(channel).Recommend(request, wait_for_ready=True, timeout=60)
    assert len(response.recommendations) == 3


def test_marketplace_answers_from_outside_without_recommendations(run):
    container = run("marketplace", ports={"5000/tcp": ("127.0.0.1", None)})
    port = published_port(container, "5000/tcp")
    until(lambda: page(port, "/healthz"), "the Marketplace answers")
    assert "taking a break" in page(port)


@pytest.mark.parametrize("name", NAMES)
def test_after_a_change_of_one_line_only_the_last_step_runs(client, images, python_image, name, tmp_path):
    for part in ("docker", "protobufs", "services", ".dockerignore"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, tmp_path / part)
    build(client, name, python_image, str(tmp_path))
    with (tmp_path / "services" / name / f"{name}.py").open("a") as code:
        code.write(f"# changed: {uuid4()}\n")  # Not what the cache has from an earlier run.
    log = build(client, name, python_image, str(tmp_path))
    build(client, name, python_image)  # The tag goes back to the repository's own code.
    steps = [step.partition(" : ")[2] for step in ("\n" + log).split("\nStep ")[1:]]
    ran = [step.splitlines()[0] for step in steps if "Using cache" not in step]
    free = ("ARG", "FROM")  # They make no layer, so there is nothing to take from the cache.
    assert [step for step in ran if not step.startswith(free)] == [f"COPY services/{name} ./"]


def test_stubs_and_caches_on_the_laptop_do_not_reach_the_builder(client, images, run):
    container = run("recommendations")
    listed = container.exec_run(["find", "/service", "-type", "f"]).output.decode().split()
    assert {Path(file).name for file in listed} == own_files("recommendations") | STUBS
    stub = container.exec_run(["stat", "-c", "%u", "/service/recommendations_pb2.py"]).output
    assert stub == b"0\n", "the service must not be able to change its own code"


def own_files(name: str) -> set[str]:
    """What people have written into a service's folder: neither stubs, nor caches, nor hidden."""
    files = (path for path in (ROOT / "services" / name).iterdir() if path.is_file())
    found = {path.name for path in files if "_pb2" not in path.name and not path.name.startswith(".")}
    assert f"{name}.py" in found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_of_what_a_start_imports_only_our_own_code_is_translated(run, name):
    container = run(name, read_only=True)
    code, output = container.exec_run(["python", "-v", "-c", START[name]])
    assert code == 0, output.decode()
    translated = re.findall(r"^# code object from (/.*\.py)$", output.decode(), re.MULTILINE)
    assert f"/service/{name}.py" in translated, "the list is empty, so it proves nothing"
    missing = [file for file in translated if not file.startswith("/service/")]
    assert missing == [], "import these too where the Dockerfile fills /pycache"
