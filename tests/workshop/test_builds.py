"""A build is shown step by step, and whatever can go wrong with one is told in a clear sentence."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from docker import DockerClient
from docker.models.images import Image
from urllib3.exceptions import ProtocolError

from workshop import builds, layers
from workshop.cleanup import LABEL

TAG = "workshop-test-builds"
LABELS = {LABEL: "test-builds"}

DOCKER = """\
Step 1/5 : ARG PYTHON_IMAGE
Step 2/5 : FROM ${PYTHON_IMAGE}
 ---> 076dfbbc36ba
Step 3/5 : LABEL a="b"
 ---> Using cache
 ---> 867fc28cad72
Step 4/5 : RUN pip install &&     echo done
 ---> Running in 981517c1a7cb
Collecting grpcio
\x1b[31mdone\x1b[0m
Removing intermediate container 981517c1a7cb
 ---> dcb88a3c96f2
Step 5/5 : COPY . .
 ---> 0558f16e40d2
Successfully built 0558f16e40d2
Successfully tagged shop:latest
"""
PODMAN = """\
[1/2] STEP 1/2: FROM python AS stubs
[1/2] STEP 2/2: RUN pip install
--> Using cache 5b6e0cbbf2a5
--> 5b6e0cbbf2a5
[2/2] STEP 1/2: FROM python
[2/2] STEP 2/2: COPY . .
--> 9f2c1b0d4e11
[2/2] COMMIT shop
Successfully tagged localhost/shop:latest
Successfully built 9f2c1b0d4e11
"""


def stream(text: str, *more: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The messages of an engine that says this text."""
    yield from ({"stream": line} for line in text.splitlines(keepends=True))
    yield from more


def broken(text: str, error: Exception) -> Iterator[dict[str, Any]]:
    yield from stream(text)
    raise error


def kinds(build: builds.Build) -> list[str]:
    return [step.what for step in build.steps]


def test_the_steps_of_docker_are_told_apart():
    build = builds.show(stream(DOCKER, {"aux": {"ID": "sha256:0558f16e40d2ff"}}))
    assert kinds(build) == ["", "", "cached", "ran", "ran"]
    assert [step.number for step in build.steps] == [1, 2, 3, 4, 5]
    assert build.steps[3].instruction == "RUN pip install && echo done"
    assert list(build.steps[3].log) == ["Collecting grpcio", "done"]
    assert (build.tag, build.image_id, build.state) == ("shop", "sha256:0558f16e40d2ff", "done")


def test_the_steps_of_podman_are_told_apart():
    build = builds.show(stream(PODMAN))
    assert kinds(build) == ["", "cached", "", "ran"]
    assert (build.tag, build.image_id) == ("shop", "9f2c1b0d4e11")


def test_a_finished_build_shows_every_step_as_table_and_as_text():
    shown = builds.show(stream(DOCKER))._repr_mimebundle_()
    for form in ("text/html", "text/plain"):
        assert "RUN pip install" in shown[form]
        assert "shop: 5 steps, 1 cached, 2 ran" in shown[form]
    assert "RUN pip install &amp;&amp;" in shown["text/html"], "an instruction is text, not HTML"


def test_progress_of_a_pull_is_the_output_of_its_step():
    pull = {"status": "Downloading", "progress": "[==> ] 3MB/30MB", "id": "1a2b"}
    with pytest.raises(builds.EngineLost) as failure:
        builds.show(stream("Step 1/2 : FROM python\n", pull))
    assert list(failure.value.build.steps[0].log) == ["Downloading [==> ] 3MB/30MB"]


def test_a_failed_step_is_named_with_its_last_lines():
    text = "Step 1/2 : FROM x\nStep 2/2 : RUN make\n" + "".join(f"line {n}\n" for n in range(30))
    with pytest.raises(builds.BuildFailed) as failure:
        builds.show(stream(text, {"error": "The command '/bin/sh -c make' returned a non-zero code: 2"}))
    message = str(failure.value)
    assert "step 2 of 2, RUN make" in message
    assert "non-zero code: 2" in message
    assert "line 29" in message
    assert "line 3\n" not in message, "only the last lines"
    assert failure.value.build.state == "failed"


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", "write /big: no space left on device"),
        ("OSError: [Errno 28] No space left on device\n", "The command returned a non-zero code: 1"),
    ],
    ids=["said by the engine", "said by the command"],
)
def test_a_full_disk_is_called_so(log: str, error: str):
    with pytest.raises(builds.DiskFull, match="disk is full.*step 1 of 1, RUN pip"):
        builds.show(stream(f"Step 1/1 : RUN pip\n{log}", {"error": error}))


@pytest.mark.parametrize(
    "messages",
    [
        lambda: broken("Step 1/2 : FROM x\n", ProtocolError("Connection broken")),
        lambda: broken("Step 1/2 : FROM x\n", ConnectionResetError()),
        lambda: stream("Step 1/2 : FROM x\n"),
    ],
    ids=["connection broken", "connection reset", "silent end"],
)
def test_an_engine_that_dies_in_the_middle_is_called_so(messages: Callable[[], Iterator[dict[str, Any]]]):
    with pytest.raises(builds.EngineLost, match="stopped answering .* at step 1 of 2"):
        builds.show(messages())


def test_in_a_notebook_a_failure_shows_its_message_and_no_traceback():
    error = builds.BuildFailed("it failed", builds.Build())
    assert error._render_traceback_() == ["BuildFailed: it failed"]


@pytest.mark.parametrize(
    ("created_by", "instruction"),
    [
        ("/bin/sh -c #(nop)  EXPOSE 50051", "EXPOSE 50051"),
        ("/bin/sh -c pip install x", "RUN pip install x"),
        ("|1 PYTHON_IMAGE=python /bin/sh -c pip install x", "RUN pip install x"),
        ("RUN /bin/sh -c pip install x # buildkit", "RUN pip install x"),
        (f"/bin/sh -c #(nop) COPY dir:{'0a' * 32} in /venv ", "COPY (a folder) to /venv"),
        (f"/bin/sh -c #(nop) COPY multi:{'0a' * 32} in ./ ", "COPY (files) to ./"),
        ("COPY services ./ # buildkit", "COPY services ./"),
    ],
)
def test_history_is_read_back_as_the_dockerfile_said_it(created_by: str, instruction: str):
    assert layers.instruction(created_by) == instruction


Build = Callable[[str], builds.Build]


@pytest.fixture
def build(client: DockerClient, python_image: str) -> Iterator[Build]:
    """Build a few lines on top of the base; all that came of it is removed after the test."""

    def build(lines: str) -> builds.Build:
        text = f'FROM {python_image}\nLABEL {LABEL}="{LABELS[LABEL]}"\n{lines}'
        messages = client.api.build(
            fileobj=io.BytesIO(text.encode()), tag=TAG, labels=LABELS, rm=True, forcerm=True, decode=True
        )
        return builds.show(messages)

    yield build
    ours = {"label": f"{LABEL}={LABELS[LABEL]}"}
    for image in client.images.list(filters=ours):
        client.images.remove(image.id, force=True)
    left = client.images.list(all=True, filters=ours)
    for image in left:
        client.images.remove(image.id, force=True)


def test_the_second_build_comes_from_the_cache(build: Build, client: DockerClient):
    lines = f"RUN echo {uuid4()}"
    first, second = build(lines), build(lines)
    assert [step.what for step in first.steps[2:]] == ["ran", "ran"]
    assert [step.what for step in second.steps[1:]] == ["cached", "cached", "cached"]
    assert first.steps[2].seconds > 0
    assert second.image_id == client.images.get(TAG).id
    assert second.tag == TAG


def test_a_real_failure_has_the_output_of_its_step(build: Build):
    with pytest.raises(builds.BuildFailed, match=r"step 3 of 4, RUN echo (?s:.*)    half way\n"):
        build("RUN echo half way && exit 3")


def test_a_dockerfile_that_cannot_be_read_is_refused_in_words(build: Build):
    with pytest.raises(builds.BuildFailed, match="refused the build: .*unknown instruction: RUNN"):
        build("RUNN make")


def test_an_interrupt_leaves_nothing_running_and_the_next_build_works(build: Build, client: DockerClient):
    def interrupt() -> None:
        if wait_until(lambda: running(client, mark)):
            os.kill(os.getpid(), signal.SIGINT)

    mark = str(uuid4())
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt, match="You interrupted the build"):
        build(f"RUN echo {mark} && sleep 100")
    interrupter.join()
    assert wait_until(lambda: not running(client, mark)), "the engine goes on building"
    assert build("RUN true").state == "done"


def test_an_interrupt_between_two_messages_leaves_nothing_running_either(
    build: Build, client: DockerClient, monkeypatch: pytest.MonkeyPatch
):
    def draw(self: object, now: bool = False) -> None:
        if not now and running(client, mark):
            raise KeyboardInterrupt

    mark = str(uuid4())
    monkeypatch.setattr(builds._View, "refresh", draw)
    with pytest.raises(KeyboardInterrupt) as kept:
        build(f"RUN echo {mark} && sleep 2 && echo go on && sleep 100")
    assert wait_until(lambda: not running(client, mark)), "the engine goes on building"
    assert kept.tb, "as in a notebook, the traceback is alive; it must not keep the line open"


def running(client: DockerClient, mark: str) -> list[str]:
    """The containers that have this mark in their command."""
    containers = client.containers.list(all=True, ignore_removed=True)
    return [str(c.id) for c in containers if mark in str(c.attrs)]


@pytest.fixture
def image(build: Build, client: DockerClient) -> Image:
    build("ENV SHELF=1\nRUN head -c 3000000 /dev/zero > /three-million")
    return client.images.get(TAG)


def test_layers_on_top_of_a_base_are_listed_lowest_first(
    image: Image, client: DockerClient, python_image: str
):
    found = layers.on_top(image, client.images.get(python_image))
    assert [layer.instruction.split()[0] for layer in found] == ["LABEL", "ENV", "RUN", "LABEL"]
    assert found[2].size >= 3_000_000


def test_a_picture_of_layers_says_in_words_what_it_draws(
    image: Image, client: DockerClient, python_image: str
):
    base = client.images.get(python_image)
    picture = layers.picture(image, base)
    assert "3.0 MB  RUN head -c 3000000" in picture.text
    assert f"the base, {python_image}" in picture.text
    assert "3 instructions that only set something" in picture.text
    both = layers.compare({"with it": image, "the base alone": base}, base)
    assert "3.0 MB  with it" in both.text
    assert "0.0 kB  the base alone" in both.text


def wait_until(holds: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False
