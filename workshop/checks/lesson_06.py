"""Lesson 06: what the images of the answers weigh, remember and report."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docker import DockerClient
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image

from workshop import base_image, engine, layers
from workshop.cleanup import LABEL
from workshop.exercises import Answer, NotYet, check, expect

TAG = "workshop-06-exercise"
LABELS = {LABEL: "exercise-06"}  # The stages of the answers carry the same, so that all of it is found again.
HEALTH_SECONDS = 20

MAKE_INDEX = """\
from pathlib import Path
Path("titles.txt").write_bytes(b"A very long list of titles.\\n".ljust(12_000_000))
Path("index.json").write_bytes(b'{"books": 3}'.ljust(2_000_000))
"""
SEARCH = """\
import json
print("the index knows", json.load(open("index.json"))["books"], "books")
"""

# The same waste in two places, so that a literal answer is not enough.
WASTEFUL = [
    ("head -c 9000000 /dev/zero > /download", "head -c 2000000 /dev/zero > /model", "rm /download"),
    ("head -c 1000000 /dev/zero > /model", "rm -f /nothing", "head -c 7000000 /dev/zero > /cache"),
]
WASTE = ["RUN head -c 9000000 /dev/zero > /download", "RUN head -c 7000000 /dev/zero > /cache"]

SERVICE = """\
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

HTTPServer(("", 8080), Handler).serve_forever()
"""
PROBE = """\
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=1)
"""


@check(
    "06-1",
    first_nudge="A stage gets its name from `FROM … AS name`, and `COPY --from=name` takes files out of it.",
    can_now="You can leave behind what only the build needs: 14 MB on top of the base became 2 MB.",
)
def _halve_an_image(answer: Answer) -> None:
    dockerfile = _text(answer())
    for stage in re.findall(r"--from=(\S+)", dockerfile):
        expect(
            re.search(rf"(?im)^\s*FROM\s+\S+\s+AS\s+{re.escape(stage)}\s*$", dockerfile),
            f"`--from={stage}` names no stage of this file; it must be the name behind an `AS`.",
        )
    files = {"make_index.py": MAKE_INDEX, "search.py": SEARCH}
    with _built(dockerfile, files, "a path behind --from=… starts at the stage's root: /build/…") as built:
        client, image, base = built
        said = _output(client)
        expect(
            "the index knows 3 books" in said,
            f"The image is built, but its program stops: “{said.splitlines()[-1]}”. "
            f"Which file does search.py open, and does the last stage have it?",
        )
        size = sum(layer.size for layer in layers.on_top(image, base))
        expect(
            size <= 7_000_000,
            f"It still weighs {size / 1e6:.1f} MB on top of the base; at most 7 MB are wanted. "
            f"Take only the one file out of the first stage that search.py opens.",
        )


@check(
    "06-2",
    first_nudge="history() lists the newest layer first, so the base's entries are the last ones.",
    can_now="You can find what makes an image large, and you know that a later `rm` gives nothing back.",
)
def _find_the_waste(answer: Answer) -> None:
    for commands, waste in zip(WASTEFUL, WASTE, strict=True):
        runs = "".join(f"RUN {command}\n" for command in commands)
        dockerfile = f"ARG PYTHON_IMAGE\nFROM ${{PYTHON_IMAGE}}\nLABEL {LABEL}={LABELS[LABEL]}\n{runs}"
        with _built(dockerfile, {}) as (_, image, base):
            _judge_waste(answer(image.history(), base.history()), waste, base.history())


def _judge_waste(found: Any, waste: str, base_history: list[dict[str, Any]]) -> None:
    expect(found is not None, "Your function returns nothing; its last line should `return` the instruction.")
    expect(
        not isinstance(found, dict | list),
        "Return the instruction alone: the text that the entry has under “CreatedBy”.",
    )
    expect(
        found not in [entry["CreatedBy"] for entry in base_history],
        "That entry is the base's, which everybody shares. Leave out as many entries at the end of "
        "`history` as `base_history` has.",
    )
    text = layers.instruction(str(found))
    expect(
        not text.startswith("RUN rm"),
        "That instruction deletes a file, but its layer frees nothing: the file stays in the layer below. "
        "Look for the largest “Size”.",
    )
    expect(text == waste, f"`{text}` is not the largest layer on top of the base; compare by “Size”.")


@check(
    "06-3",
    first_nudge="`HEALTHCHECK … CMD [program, argument]` says what the engine runs inside, again and again.",
    can_now="You can say in the image itself what it is, and how anybody can tell whether it works.",
)
def _label_and_health(answer: Answer) -> None:
    with _built(_text(answer()), {"service.py": SERVICE, "probe.py": PROBE}) as (client, image, _):
        config = image.attrs["Config"]
        title = (config.get("Labels") or {}).get("org.opencontainers.image.title")
        expect(title, "The image has no label “org.opencontainers.image.title”; write LABEL name=value.")
        expect(title == "books", f"The label says “{title}”; the title asked for is “books”.")
        test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        expect(
            test[0] != "NONE",
            "The image has no health check; between its options and the command stands CMD.",
        )
        with _running(client) as works, _running(client, "sleep", "60") as broken:
            health = _health(works)
            expect(
                health["Status"] == "healthy",
                f"After the check has run, the container is {health['Status']}. The check's last words: "
                f"“{_last_words(health)}”. The service answers on port 8080, under /healthz.",
            )
            expect(
                _health(broken)["Status"] == "unhealthy",
                "A container whose service does not run counts as healthy too. "
                "Let the check really ask the service for its page.",
            )


def _text(dockerfile: Any) -> str:
    expect(isinstance(dockerfile, str), "Return the Dockerfile as one text.")
    return dockerfile


@contextmanager
def _built(
    dockerfile: str, files: dict[str, str], hint: str = ""
) -> Iterator[tuple[DockerClient, Image, Image]]:
    """Build a Dockerfile with these files beside it; give the engine, the image and its base."""
    client = engine.connect(say=_silently)
    python = base_image.ensure(client, say=_silently)
    try:
        with TemporaryDirectory(prefix="workshop-06-") as folder:
            for name, text in {"Dockerfile": dockerfile, **files}.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            image = _build(client, folder, python, hint)
        yield client, image, client.images.get(python)
    finally:
        _remove_images(client)


def _build(client: DockerClient, folder: str, python: str, hint: str) -> Image:
    arguments = {"PYTHON_IMAGE": python}
    try:
        image, _ = client.images.build(
            path=folder, tag=TAG, buildargs=arguments, labels=LABELS, rm=True, forcerm=True
        )
        return image
    except (BuildError, APIError) as error:
        reason = error.msg if isinstance(error, BuildError) else str(error.explanation)
        raise NotYet(
            f"The engine cannot build it: {reason.strip()}" + (f"; {hint}" if hint else "")
        ) from None


def _remove_images(client: DockerClient) -> None:
    """Remove what the check built, with what the builder kept of its stages."""
    ours = {"label": f"{LABEL}={LABELS[LABEL]}"}
    for image in client.images.list(filters=ours) + client.images.list(all=True, filters=ours):
        with suppress(ImageNotFound):  # It may have gone together with the image above it.
            client.images.remove(image.attrs["Id"], force=True)


def _output(client: DockerClient) -> str:
    """What the image's own command prints, or its last words where it fails."""
    try:
        return client.containers.run(TAG, remove=True, labels=LABELS).decode()
    except ContainerError as error:
        said = str(error.stderr or b"", "utf-8")  # type: ignore[arg-type]  # These are bytes.
        return said.strip() or f"exit code {error.exit_status}"


@contextmanager
def _running(client: DockerClient, *command: str) -> Iterator[Container]:
    container = client.containers.run(TAG, list(command), detach=True, labels=LABELS)
    try:
        yield container
    finally:
        container.remove(force=True)


def _health(container: Container) -> dict[str, Any]:
    """A container's health, once its check has had a verdict; the last one seen where none comes."""
    deadline = time.monotonic() + HEALTH_SECONDS
    first_bad = None
    while time.monotonic() < deadline:
        container.reload()
        health = container.attrs["State"].get("Health") or {"Status": "without a health check"}
        if health["Status"] == "healthy":
            return health
        if health["Status"] == "unhealthy":
            # The first check may come before the service listens; a second one tells.
            first_bad = first_bad or health["FailingStreak"]
            if health["FailingStreak"] > first_bad:
                return health
        time.sleep(0.1)
    return health


def _last_words(health: dict[str, Any]) -> str:
    log = health.get("Log") or [{"Output": ""}]
    return (log[-1]["Output"].strip().splitlines() or ["nothing"])[-1]


def _silently(_: str) -> None:
    """Say nothing: the learner reads the verdict only."""
