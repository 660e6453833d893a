"""A Kubernetes cluster in Docker containers, by one command: `workshop cluster`.

ClusterError
  CannotMake            kind cannot make the cluster here; the message says why, and what to do
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from docker import DockerClient
from docker.errors import DockerException

from workshop import engine
from workshop.cluster.errors import ClusterError

NAME = "workshop"
VERSION = "0.33.0"
ADDRESS = "https://kind.sigs.k8s.io/dl"
# Of the release's files, as its own .sha256sum files say.
SHA256 = {
    "linux-amd64": "aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d",
    "linux-arm64": "20022bee6cfcd5086cb7234d218e3454e6090022f2a8f55d1fa7fcf42c3867a2",
    "darwin-amd64": "5a99f26f57246dc9319dd294803313197a0f34d33c525b3ea8b655db5916ece0",
    "darwin-arm64": "0c8c7dbe5e23594a198b786c4bc13dacc101fa6196b0cb0b23a1ca44e61f4b4f",
    "windows-amd64": "4b22adaa135368c5a465d56bbd8e520cbea87272a06ca00b6078e7b81515c9fc",
}
PROCESSORS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
INSTALL = {
    "darwin": "`brew install kind`",
    "win32": "`winget install Kubernetes.kind`",
}
CLUSTER_LABEL = "io.x-k8s.kind.cluster"  # kind puts it on every container that is a node.

CONNECT_SECONDS, READ_SECONDS = 10, 60
ASK_SECONDS = 8
READY_SECONDS = 180
GIB = 1024**3
LITTLE_MEMORY = 3 * GIB
LITTLE_DISK, TOO_LITTLE_DISK = 6 * GIB, 3 * GIB
LAST_LINES = 15

# What kind or Docker write when it fails, and what that means. The first that fits counts.
MEANINGS = (
    (
        ("cgroup", "could not find a log line that matches"),
        "The node does not start. Kubernetes from 1.35 on needs cgroup v2: `docker info` says which one the "
        "engine has. With Docker Desktop, update it; on Linux, boot with systemd.unified_cgroup_hierarchy=1.",
    ),
    (
        ("too many open files", "failed to create fsnotify watcher"),
        "The machine allows too few watched files: `sudo sysctl fs.inotify.max_user_watches=524288 "
        "fs.inotify.max_user_instances=512`, then again.",
    ),
    (
        ("no space left on device",),
        "The engine's disk is full: `docker system df` shows what it keeps.",
    ),
    (
        ("port is already allocated", "address already in use", "failed to get host port"),
        "A port that the cluster wants is taken. Run the command again: it then asks for another one.",
    ),
    (
        ("cannot connect to the docker daemon", "docker daemon running", "permission denied while trying"),
        "The docker command does not reach the engine. `docker info` has to work in this terminal.",
    ),
    (
        ("failed to pull image", "toomanyrequests", "tls handshake timeout", "no such host", "i/o timeout"),
        "The node's image could not be pulled, some 400 MiB. Try again where the network is better.",
    ),
    (
        ("timed out waiting", "timeout waiting", "kubelet is not running", "kubelet isn't running", "oom"),
        "The node did not become ready, mostly for want of memory: close other programs, or give Docker "
        "Desktop more (Settings, Resources), then run the command again.",
    ),
)  # fmt: skip


class CannotMake(ClusterError):
    """kind cannot make a cluster here. The message says why, and what to do."""


def make(say: Callable[[str], None] = print) -> None:
    """Make the cluster `workshop` and make it reachable; where it is there already, see that it runs.

    Like `kind create cluster --name workshop`, which also makes `kind-workshop` kubectl's current context.

    Args:
        say: where each step is told.

    Raises:
        CannotMake: there is no Docker Engine that can do it, kind cannot be had, or it failed.
    """
    client = _engine(say)
    program = ensure(say)
    if NAME in clusters():
        _wake(client, say)
        _run([str(program), "export", "kubeconfig", "--name", NAME], say)
        say(f"The cluster “{NAME}” is there already. In lesson 09, cluster.connect() finds it.")
        return
    _look_at_room(client, say)
    say("Making the cluster. The first time, this pulls some 400 MiB; after that it takes a minute or less.")
    _run([str(program), "create", "cluster", "--name", NAME, "--wait", f"{READY_SECONDS}s"], say)
    say(f"The cluster “{NAME}” is ready. In lesson 09, cluster.connect() finds it.")
    say("kubectl uses it now, too; `kubectl config use-context NAME` goes back to another cluster.")
    say("`workshop cluster --delete` removes it.")


def delete(say: Callable[[str], None] = print) -> None:
    """Remove the cluster `workshop` with everything in it, and its context from the kubeconfig.

    Raises:
        CannotMake: kind failed.
    """
    program = executable()
    if program is None or NAME not in clusters():
        say(f"There is no cluster “{NAME}”.")
        return
    _run([str(program), "delete", "cluster", "--name", NAME], say)
    say(f"Removed the cluster “{NAME}”.")


def executable() -> Path | None:
    """kind, as installed, or as fetched earlier; None where it is neither."""
    if installed := shutil.which("kind"):
        return Path(installed)
    fetched = _fetched()
    return fetched if fetched and fetched.exists() else None


def clusters() -> list[str]:
    """The names of the clusters that kind has; none where it is not installed or does not answer."""
    said = _ask("get", "clusters")
    return said.split() if said else []


def kubeconfig(name: str) -> str | None:
    """The kubeconfig of one cluster of kind's, as text; None where kind does not give it."""
    return _ask("get", "kubeconfig", "--name", name)


def ensure(say: Callable[[str], None] = print, address: str = ADDRESS) -> Path:
    """Find kind; where it is not installed, fetch the pinned release into the user's cache.

    Args:
        say: where it is told.
        address: where releases are.

    Raises:
        CannotMake: it cannot be fetched, or what came is not what was released.
    """
    if found := executable():
        return found
    target = _fetched()
    if target is None:
        raise CannotMake(f"There is no kind for this machine to fetch ({_platform()}). {_install()}")
    url = f"{address}/v{VERSION}/kind-{_platform()}"
    say(f"Fetching kind {VERSION} (10 MiB) from {url} …")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, target)
    except requests.RequestException as error:
        reason = f"HTTP {error.response.status_code}" if error.response is not None else _reason(error)
        raise CannotMake(f"kind could not be fetched from {url}: {reason}. {_install()}") from error
    except OSError as error:
        raise CannotMake(
            f"kind could not be stored as {target}: {error.strerror or error}. {_install()}"
        ) from error
    return target


def _fetch(url: str, target: Path) -> None:
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=target.parent)
    try:
        with (
            os.fdopen(handle, "wb") as file,
            requests.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_content(256 * 1024):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != SHA256[_platform()]:
            raise CannotMake(
                f"What came from {url} is not kind {VERSION}: its SHA-256 is {digest.hexdigest()}. "
                f"It was thrown away. Perhaps a proxy answered in its place. {_install()}"
            )
        os.chmod(name, 0o755)
        os.replace(name, target)  # All of it or nothing, whoever else fetches at the same time.
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return "there is no way to it from here"


def _fetched() -> Path | None:
    """Where the pinned release is, or would be; None where there is none for this machine."""
    if _platform() not in SHA256:
        return None
    return _cache() / f"kind-{VERSION}{'.exe' if sys.platform == 'win32' else ''}"


def _cache() -> Path:
    """This user's folder for what can be fetched again."""
    if sys.platform == "win32":
        usual = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        usual = Path.home() / "Library" / "Caches"
    else:
        chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
        usual = chosen if chosen.is_absolute() else Path.home() / ".cache"
    return usual / "microservices-workshop"


def _platform() -> str:
    processor = platform.machine().lower()
    return f"{platform.system().lower()}-{PROCESSORS.get(processor, processor)}"


def _install() -> str:
    usual = f"`go install sigs.k8s.io/kind@v{VERSION}`, or see kind.sigs.k8s.io"
    return f"Install it yourself: {INSTALL.get(sys.platform, usual)}; then run the command again."


def _engine(say: Callable[[str], None]) -> DockerClient:
    """The Docker Engine, which kind drives through the docker command."""
    wanted = "kind needs a real Docker Engine, because each of its nodes is a privileged container"
    try:
        client = engine.connect(say, embedded=False)
    except engine.EngineNotFound as error:
        raise CannotMake(f"{wanted}; the workshop's embedded engine cannot run one.\n{error}") from error
    if engine.describe(client).startswith(engine.POCKET):
        raise CannotMake(f"{wanted}; the embedded engine cannot run one. Unset DOCKER_HOST, or start Docker.")
    if not shutil.which("docker") and not shutil.which("podman"):
        raise CannotMake(
            "kind drives the engine through the docker command, which is not on the PATH. Install it."
        )
    return client


def _look_at_room(client: DockerClient, say: Callable[[str], None]) -> None:
    said = client.info()
    memory, root = said.get("MemTotal") or 0, Path(said.get("DockerRootDir") or "")
    if 0 < memory < LITTLE_MEMORY:
        say(
            f"The engine has {memory / GIB:.1f} GiB of memory; {LITTLE_MEMORY / GIB:.0f} GiB would be better."
        )
    # Where the engine is in a virtual machine, its folder is not here, and only kind will tell.
    if client.api.base_url.startswith("http+docker://") and root.is_absolute() and root.exists():
        free = shutil.disk_usage(root).free
        if free < TOO_LITTLE_DISK:
            raise CannotMake(
                f"Only {free / GIB:.1f} GiB are free in {root}, and a cluster needs "
                f"{TOO_LITTLE_DISK / GIB:.0f}. `docker system df` shows what the engine keeps."
            )
        if free < LITTLE_DISK:
            say(f"Only {free / GIB:.1f} GiB are free in {root}; it may become tight.")


def _wake(client: DockerClient, say: Callable[[str], None]) -> None:
    """Start the nodes that a restart of the machine has left stopped."""
    nodes: Any = client.containers.list(all=True, filters={"label": f"{CLUSTER_LABEL}={NAME}"})
    for node in nodes:
        if node.status != "running":
            say(f"Starting the node {node.name} …")
            try:
                node.start()
            except DockerException as error:
                raise CannotMake(
                    f"The node {node.name} does not start: {error}\n"
                    "Make the cluster anew: `workshop cluster --delete`, then `workshop cluster`."
                ) from error


def _ask(*arguments: str) -> str | None:
    """What kind answers; None where it is not there, fails, or takes too long, as without Docker."""
    program = executable()
    if program is None:
        return None
    try:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _run(command: list[str], say: Callable[[str], None]) -> None:
    """Run kind and pass on what it says, line by line, while it says it."""
    lines: list[str] = []
    try:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            for line in _lines(process):
                lines.append(line)
                say(f"  {line}")
    except OSError as error:
        raise CannotMake(f"{command[0]} cannot be run: {error.strerror or error}. {_install()}") from error
    if process.returncode:
        raise CannotMake(_in_words(lines))


def _lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout
    for line in process.stdout:
        if line.strip():
            yield line.rstrip()


def _in_words(lines: list[str]) -> str:
    said = "\n".join(lines).lower()
    for signs, meaning in MEANINGS:
        if any(sign in said for sign in signs):
            return f"kind could not do it. {meaning}"
    last = "\n".join(f"  {line}" for line in lines[-LAST_LINES:])
    return (
        f"kind could not do it. Its last words:\n{last}"
        if last
        else "kind could not do it, and said nothing."
    )
