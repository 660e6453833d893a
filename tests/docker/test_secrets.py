"""No layer of an image holds a secret, not even one that a later layer has deleted."""

import io
import json
import re
import tarfile
from collections.abc import Iterator

import docker
import pytest

from workshop import cleanup

NAMES = ["recommendations", "marketplace"]

# What keys and tokens look like, and files that hold them by custom.
CONTENTS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60}"
    rb"|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[0-9A-Za-z-]{20}"
    rb"|https?://[^/\s:@\"']+:[^/\s:@\"'{}]+@(?!(www\.)?example)[a-z]"  # But not a manual's example.
)
FILES = re.compile(
    r"(^|/)(id_(rsa|ecdsa|ed25519)|\.env|\.git|\.netrc|\.pypirc|\.docker|[^/]*\.(key|p12|pfx))$"
)
VARIABLES = re.compile(r"(?i)password|passwd|secret|token|api_?key|PRIVATE KEY")


def layers(client: docker.DockerClient, image: str, base: str) -> Iterator[tarfile.TarFile]:
    """The layers that an image has on top of its base."""
    known = set(client.images.get(base).attrs["RootFS"]["Layers"])
    digests = client.images.get(image).attrs["RootFS"]["Layers"]
    whole = io.BytesIO(b"".join(client.images.get(image).save()))
    with tarfile.open(fileobj=whole) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        assert len(manifest[0]["Layers"]) == len(digests)
        for name, digest in zip(manifest[0]["Layers"], digests, strict=True):
            if digest not in known:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    yield layer


def secrets(client: docker.DockerClient, image: str, base: str) -> list[str]:
    """What looks like a secret in an image: in its layers, its variables, or the words it was built with."""
    found = []
    for layer in layers(client, image, base):
        for member in layer:
            if FILES.search(member.name):
                found.append(f"the file {member.name}")
            # Compiled libraries are not ours to write into, and hold examples of everything.
            if member.isfile() and not member.name.endswith(".so"):
                content = layer.extractfile(member).read()
                found += [f"{match[0][:40]!r} in {member.name}" for match in CONTENTS.finditer(content)]
    told = client.images.get(image).attrs["Config"]["Env"]
    told += [step["CreatedBy"] for step in client.images.get(image).history()[:20]]
    return found + [text for text in told if VARIABLES.search(text)]


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_secret_in_any_layer(client, images, python_image, name):
    assert sum(len(layer.getnames()) for layer in layers(client, name, python_image)) > 500
    assert secrets(client, name, python_image) == []


@pytest.mark.parametrize(
    ("dockerfile", "clue"),
    [
        ("RUN printf 'TOKEN=1' > /.env && true\nRUN rm /.env", "the file .env"),
        (
            "RUN printf -- '-----BEGIN PRIVATE KEY-----\\n%064d\\n' 0 > /a\nRUN rm /a",
            "BEGIN PRIVATE KEY",
        ),
        ("ENV API_KEY=swordfish", "API_KEY=swordfish"),
        ("ARG PASSWORD=swordfish\nRUN echo $PASSWORD > /dev/null", "PASSWORD=swordfish"),
    ],
    ids=["a deleted file", "a deleted key", "a variable", "a build argument"],
)
def test_the_search_finds_one_that_was_planted(client, images, python_image, dockerfile, clue):
    """Else the test above might look in the wrong places."""
    text = f'FROM {python_image}\nLABEL {cleanup.LABEL}="image"\n{dockerfile}\n'
    image, _ = client.images.build(fileobj=io.BytesIO(text.encode()), tag="leaky", rm=True)
    try:
        assert any(clue in secret for secret in secrets(client, "leaky", python_image))
    finally:
        client.images.remove("leaky", force=True)
