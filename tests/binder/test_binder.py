"""Binder, proved: the environment of `binder/`, as an ordinary user without privileges, runs every lesson.

Binder's machines give a user no root, no capabilities, no namespaces and 2 GB of memory, and so does the
container here. What Binder does beforehand as root (Debian's packages) is done while its image is built. Its
Python is the base image's, not the one that `binder/runtime.txt` names: that one Binder brings itself.

A laptop without a Docker Engine is the same, but for a kernel that lets its users make namespaces.
"""

import contextlib
import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from workshop import cleanup
from workshop.repository import ROOT

IMAGE = "workshop-binder"
CACHE = "workshop-binder-cache"
HOME = "/home/jovyan"
MEMORY = "2g"
SECONDS = 45 * 60

Machine = Callable[..., None]

DOCKERFILE = """
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
ARG PACKAGES
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends git ${PACKAGES}
RUN useradd --create-home --uid 1000 jovyan && install -d -o 1000 -g 1000 /home/jovyan/.cache
USER 1000
WORKDIR /home/jovyan
ENV REPO_DIR=/home/jovyan PATH=/home/jovyan/.venv/bin:$PATH
COPY --chown=1000 repository .
RUN python -m venv .venv && pip install --no-cache-dir -q -r binder/requirements.txt && bash binder/postBuild
"""

# A learner pulls the official image. Here it comes from a file, because no registry can be reached.
PREPARE = """
from workshop import engine
client = engine.connect()
runner = dict(client.info()["DriverStatus"])["Runner"]
assert runner == "{runner}", runner
with open("/base/base.tar", "rb") as saved:
    client.images.load(saved)
"""


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
    """A Dockerfile, and the repository as git has it; in a folder, where its .dockerignore hides nothing."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                archive.add(ROOT / name, f"repository/{name}")
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
    packed.seek(0)
    return packed


@pytest.fixture
def machine(
    client: docker.DockerClient, environment: str, python_image: str, tmp_path: Path
) -> Iterator[Machine]:
    """Run lessons in a container with an ordinary user's rights; the base image lies in it as a file."""
    saved = tmp_path / "base.tar"
    with saved.open("wb") as file:
        for chunk in client.images.get(python_image).save(named=python_image):
            file.write(chunk)
    tmp_path.chmod(0o755)
    made: list[Container] = []

    def machine(runner: str, rehearse: str, **options) -> None:
        container = client.containers.create(
            environment,
            [
                "bash",
                "binder/start",
                "sh",
                "-c",
                f"python -c '{PREPARE.format(runner=runner)}' && {rehearse}",
            ],
            name=IMAGE,
            labels=cleanup.LABELS,
            user="1000",
            # Where the engine's data lies on an overlay, the kernel lays no other on it.
            volumes={str(tmp_path): {"bind": "/base", "mode": "ro"}, CACHE: {"bind": f"{HOME}/.cache"}},
            **options,
        )
        made.append(container)
        container.start()
        code = container.wait(timeout=SECONDS)["StatusCode"]
        said = container.logs().decode(errors="replace")[-5000:]
        if code != 0:
            packed, _ = container.get_archive(f"{HOME}/work/rehearsal.html")
            (tmp_path / "report.tar").write_bytes(b"".join(packed))
        assert code == 0, f"{said}\nThe report is in {tmp_path}/report.tar."

    yield machine
    for container in made:
        container.remove(force=True, v=True)
    with contextlib.suppress(NotFound):
        client.volumes.get(CACHE).remove()


@pytest.mark.timeout(SECONDS)
def test_on_binder_every_lesson_runs_with_its_solutions(machine: Machine):
    machine(
        "proot",
        "workshop rehearse",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
    )


@pytest.mark.timeout(SECONDS)
def test_on_a_laptop_without_an_engine_the_container_lessons_run(machine: Machine):
    unconfined = ["seccomp=unconfined", "apparmor=unconfined"]
    rehearse = "workshop rehearse --lessons 06,07,08,09"
    machine("namespaces", rehearse, cap_drop=["ALL"], security_opt=unconfined)
