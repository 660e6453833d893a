"""Binder, proved: the environment of `binder/`, as an ordinary user without privileges, runs every lesson.

Binder's machines give a user no root, no capabilities, no namespaces and 2 GB of memory, and so does the
container here. What Binder does beforehand as root (Debian's packages) is done while its image is built. Its
Python is the base image's, not the one that `binder/runtime.txt` names: that one Binder brings itself.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from workshop import cleanup
from workshop.repository import ROOT

IMAGE = "workshop-binder"
MEMORY = "2g"
SECONDS = 45 * 60

DOCKERFILE = """
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
ARG PACKAGES
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends git ${PACKAGES}
RUN useradd --create-home --uid 1000 jovyan
USER 1000
WORKDIR /home/jovyan
ENV REPO_DIR=/home/jovyan PATH=/home/jovyan/.venv/bin:$PATH
COPY --chown=1000 . .
RUN python -m venv .venv && pip install --no-cache-dir -q -r binder/requirements.txt && bash binder/postBuild
"""

# Binder pulls the official image. Here it comes from a file, because no registry can be reached.
LESSONS = """
from workshop import engine
client = engine.connect()
assert "proot" in str(client.info()["DriverStatus"]), client.info()["DriverStatus"]
with open("/base/base.tar", "rb") as saved:
    print(client.images.load(saved))
"""
COMMAND = f"python -c '{LESSONS}' && workshop rehearse"


@pytest.fixture(scope="module")
def environment(client: docker.DockerClient, python_image: str) -> str:
    """The image that Binder would make of this repository."""
    if client.info()["OperatingSystem"].startswith("Pocket"):
        pytest.skip("Binder's machine is a container of a real Docker Engine; this is the embedded engine")
    packages = " ".join((ROOT / "binder/apt.txt").read_text().split())
    image, _ = client.images.build(
        fileobj=context(DOCKERFILE),
        custom_context=True,
        encoding="gzip",
        buildargs={"PYTHON_IMAGE": python_image, "PACKAGES": packages},
        labels=cleanup.IMAGE_LABELS,
        tag=IMAGE,
        rm=True,
        forcerm=True,
    )
    return str(image.id)


def context(dockerfile: str) -> io.BytesIO:
    """The repository as git has it, with its history, and a Dockerfile."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists() and name != ".dockerignore":
                archive.add(ROOT / name, name)
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
    packed.seek(0)
    return packed


@pytest.fixture
def machine(
    client: docker.DockerClient, environment: str, python_image: str, tmp_path: Path
) -> Iterator[Container]:
    """A container with an ordinary user's rights; the base image lies in it as a file."""
    saved = tmp_path / "base.tar"
    with saved.open("wb") as file:
        for chunk in client.images.get(python_image).save(named=python_image):
            file.write(chunk)
    tmp_path.chmod(0o755)
    container = client.containers.create(
        environment,
        ["bash", "binder/start", "sh", "-c", COMMAND],
        name=IMAGE,
        labels=cleanup.LABELS,
        user="1000",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        volumes={str(tmp_path): {"bind": "/base", "mode": "ro"}},
    )
    yield container
    container.remove(force=True, v=True)


@pytest.mark.timeout(SECONDS)
def test_every_lesson_runs_with_its_solutions(machine: Container, tmp_path: Path):
    machine.start()
    code = machine.wait(timeout=SECONDS)["StatusCode"]
    if code != 0:
        packed, _ = machine.get_archive("/home/jovyan/work/rehearsal.html")
        (tmp_path / "report.tar").write_bytes(b"".join(packed))
    said = machine.logs().decode(errors="replace")[-5000:]
    assert code == 0, f"{said}\nThe report is in {tmp_path}/report.tar."
