"""The images' base: the official Python image, or a stand-in where no registry can be reached."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from workshop.errors import PlainError

OFFICIAL = "python:3.13-slim"
STAND_IN = "workshop-python:3.13"  # A name of its own: nobody shall take it for the official image.
SUITE = "trixie"  # The Debian release whose Python is 3.13.

# The settings of pip that a build needs too, and the variables that carry them into an image.
PIP_SETTINGS = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "trusted-host": "PIP_TRUSTED_HOST",
    "timeout": "PIP_DEFAULT_TIMEOUT",
    "default-timeout": "PIP_DEFAULT_TIMEOUT",  # As the variable is listed.
}


class NoBaseImage(PlainError):
    """There is no base image, and this machine cannot get or make one; the message says what to do."""


def ensure(client: DockerClient, say: Callable[[str], None] = print) -> str:
    """Make sure that a base image is on the engine, and return its name for the build's `PYTHON_IMAGE`.

    It is the image that the environment variable `PYTHON_IMAGE` names; without one the official
    image, or, where no registry answers, a stand-in made from Debian's packages.

    Args:
        client: the engine.
        say: where one line about it goes.

    Raises:
        NoBaseImage: there is none to be had; the message lists the ways out.
    """
    if name := present(client):
        say(f"Base image: {name}, already here.")
        return name
    wanted = _candidates()[0]
    try:
        say(f"Base image: pulling {wanted} …")
        client.images.pull(wanted)
        return wanted
    except (APIError, ImageNotFound) as error:
        if wanted != OFFICIAL:
            raise NoBaseImage(
                f"{wanted}, which PYTHON_IMAGE names, cannot be pulled: {error.explanation}. "
                f"Mend the name, or `unset PYTHON_IMAGE`."
            ) from error
        say(f"Base image: {wanted} cannot be pulled ({error.explanation}).")
    say(f"Base image: making the stand-in {STAND_IN} from Debian's packages; this takes a minute.")
    make_stand_in(client)
    return STAND_IN


def present(client: DockerClient) -> str | None:
    """The name of the base image that is on the engine already, or None."""
    return next((name for name in _candidates() if _has(client, name)), None)


def _candidates() -> tuple[str, ...]:
    chosen = os.environ.get("PYTHON_IMAGE")
    return (chosen,) if chosen else (OFFICIAL, STAND_IN)


def make_stand_in(client: DockerClient) -> None:
    """Make an image with Debian's Python 3.13 that knows this machine's CA bundle and pip settings.

    Raises:
        NoBaseImage: this machine is no Debian or Ubuntu, or this user not its root.
    """
    if not _is_root() or not any(map(shutil.which, ("debootstrap", "apt-get"))):
        raise NoBaseImage(
            f"Without a registry, the base image must come from somewhere else. Choose one:\n"
            f"  - where it is: docker save {OFFICIAL} -o python.tar; then here: docker load -i python.tar\n"
            f"  - name a mirror's image: export PYTHON_IMAGE=mirror.example/python:3.13-slim\n"
            f"  - on Debian or Ubuntu: run `workshop base` as root"
        )
    with tempfile.TemporaryDirectory(prefix="workshop-base-") as folder:
        root = Path(folder) / "root"
        packages = "--include=ca-certificates,python3,python3-pip,python3-venv"
        _run(*_debootstrap(folder), "--variant=minbase", packages, SUITE, str(root))
        _adapt(root)
        archive = Path(folder) / "root.tar"
        _run("tar", "-C", str(root), "-cf", str(archive), ".")
        changes = [f'ENV {name}="{value}"' for name, value in _environment().items()]
        changes += ['CMD ["python3"]']  # No label of ours: all that is built on it would carry it too.
        repository, tag = STAND_IN.split(":")
        client.api.import_image_from_file(str(archive), repository, tag, changes=changes)


def _debootstrap(folder: str) -> list[str]:
    """The command that makes a Debian; where it is not installed, from its package, unpacked in `folder`."""
    if shutil.which("debootstrap"):
        return ["debootstrap"]
    _run("apt-get", "download", "debootstrap", cwd=folder)
    [package] = map(str, Path(folder).glob("debootstrap_*.deb"))
    _run("dpkg", "--extract", package, f"{folder}/tool")
    return [
        "env",
        f"DEBOOTSTRAP_DIR={folder}/tool/usr/share/debootstrap",
        f"{folder}/tool/usr/sbin/debootstrap",
    ]


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _has(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _run(*command: str, cwd: str | None = None) -> None:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if finished.returncode != 0:
        last_lines = "\n".join((finished.stdout + finished.stderr).splitlines()[-5:])
        raise NoBaseImage(f"{command[0]} failed with code {finished.returncode}:\n{last_lines}")


def _adapt(root: Path) -> None:
    """Make Debian's Python behave like the official image's, and trust what this machine trusts."""
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    (root / "usr/bin/python").symlink_to("python3")
    bundle = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    if bundle and Path(bundle).exists():
        shutil.copyfile(bundle, root / "etc/ssl/certs/ca-certificates.crt")
    for waste in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
        waste.unlink()


def _environment() -> dict[str, str]:
    """The CA bundle, and this machine's pip settings, whether they stand in a file or in variables.

    What names a path of this machine, or carries a password that everybody could read in the image,
    stays behind. Proxies are not an image's business: the engine gives them to builds and containers
    (`proxies` in `~/.docker/config.json`).
    """
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    settings = {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"}
    for line in listed.stdout.splitlines():
        name, _, quoted = line.partition("=")
        value = quoted.strip("'\"")
        if (key := name.split(".")[-1]) in PIP_SETTINGS and "file:" not in value and "@" not in value:
            settings[PIP_SETTINGS[key]] = value
    return settings
