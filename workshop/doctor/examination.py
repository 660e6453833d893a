"""Look at this machine and its engine, and let the checks judge what was seen."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from workshop.doctor import engine, machine
from workshop.doctor.report import GOOD, Finding, Report
from workshop.repository import ROOT, SERVICES, WORK

ENGINE_SECONDS = 4.0
CLUSTER_SECONDS = 4.5  # The official client alone takes one or two to load.
PORTS = (5000, 50051, 8888)
HELLO = "import platform; print(platform.python_version(), 'on', platform.machine())"

Look = Callable[[], "Finding | Iterator[Finding]"]
Late = Callable[[float, "str | None"], Finding]


def examine() -> Report:
    """Look at everything, within five seconds, and never raise."""
    engines = Background("Engine", _engine)
    clusters = Background("Kubernetes", _kubernetes, _late_cluster)
    looks: list[tuple[str, Look]] = [
        ("Python", lambda: machine.python(sys.version_info[:3], sys.executable)),
        ("Packages", _packages),
        ("Stubs", _stubs),
        ("Protobuf", _protobuf),
        ("Memory", _memory),
        ("Disk", _disk),
        *((f"Port {number}", lambda number=number: _port(number)) for number in PORTS),
    ]
    findings = [finding for item, look in looks for finding in safely(item, look)]
    findings += engines.findings(ENGINE_SECONDS)
    return Report(findings + clusters.findings(CLUSTER_SECONDS))


def safely(item: str, look: Look) -> Iterator[Finding]:
    """The findings of one look; where it fails itself, a finding that says so."""
    try:
        seen = look()
        yield from [seen] if isinstance(seen, Finding) else seen
    except Exception as error:  # Whatever it is: a doctor must not fall ill.
        yield engine.unclear(item, error)


class Background:
    """A look at something that may never answer, while the others go on.

    Args:
        item: what it is.
        look: the look.
        late: what to say after so many seconds without an end, and the last item that was found.
    """

    def __init__(self, item: str, look: Look, late: Late = engine.too_slow) -> None:
        self._found: list[Finding] = []
        self._late = late
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(item, look), daemon=True)
        self._thread.start()

    def _run(self, item: str, look: Look) -> None:
        for finding in safely(item, look):
            self._found.append(finding)

    def findings(self, seconds: float) -> list[Finding]:
        """What was found until so many seconds after the beginning."""
        self._thread.join(max(0.0, self._begun + seconds - time.monotonic()))
        found = list(self._found)
        if self._thread.is_alive():
            found.append(self._late(seconds, found[-1].item if found else None))
        return found


def _packages() -> Finding:
    pinned = dict(_pinned((ROOT / "requirements" / "lab.txt").read_text(encoding="utf-8")))
    return machine.packages(pinned, {name: _version(name) for name in pinned})


def _pinned(requirements: str) -> Iterator[tuple[str, str]]:
    """The name and version of each requirement that holds on this machine."""
    for line in requirements.splitlines():
        if parts := re.match(r"([\w.-]+)==([^\s;]+)(?:\s*;\s*([^#]+))?", line):
            name, version, condition = parts.groups()
            if _holds(condition):
                yield name, version


def _holds(condition: str | None) -> bool:
    if not condition:
        return True
    try:
        from packaging.markers import Marker
    except ModuleNotFoundError:
        return False  # It is pinned as well, so its absence shows.
    return Marker(condition.strip()).evaluate()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _stubs() -> Finding:
    from workshop import stubs

    missing = [
        path for folder in stubs.FOLDERS for name in stubs.NAMES if not (path := folder / name).exists()
    ]
    return machine.stubs(missing, not missing and stubs.are_current())


def _protobuf() -> Iterator[Finding]:
    from google.protobuf import __version__ as runtime

    stub = SERVICES / "recommendations" / "recommendations_pb2.py"
    if stub.exists():
        said = re.search(r"Protobuf Python Version: ([\d.]+)", stub.read_text(encoding="utf-8"))
        yield machine.protobuf(said[1] if said else "", runtime)


def _memory() -> Finding:
    import psutil

    return machine.memory("in this machine", psutil.virtual_memory().total)


def _disk() -> Finding:
    folder = WORK if WORK.exists() else ROOT
    return machine.disk(f"in {folder.name}/", shutil.disk_usage(folder).free, os.access(folder, os.W_OK))


def _port(number: int) -> Finding:
    from workshop import ports

    if str(number) == os.environ.get("WORKSHOP_LAB_PORT"):
        return Finding(GOOD, f"Port {number}", "this JupyterLab's own")
    owner = None if ports.is_free(number) else ports.owner(number)
    return machine.port(number, owner, ports.next_free(number), sys.platform)


def _engine() -> Iterator[Finding]:
    from workshop.engine import EngineNotFound, connect, describe

    try:
        client = connect(say=lambda line: None)
    except EngineNotFound as failure:
        yield engine.not_found(failure.tried, failure.remedy)
        return
    yield from safely("Engine", lambda: engine.found(describe(client)))
    for item, look in (
        ("Engine's API", _api),
        ("Architecture", _architecture),
        ("Names", _names),
        ("Memory", _engine_memory),
        ("Disk", _engine_disk),
        ("A container", _container),
    ):
        yield from safely(item, partial(look, client))


def _api(client: Any) -> Finding:
    return engine.api(str(client.version().get("ApiVersion", "")))


def _architecture(client: Any) -> Finding:
    forced = os.environ.get("DOCKER_DEFAULT_PLATFORM")
    return engine.architecture(platform.machine(), str(client.version().get("Arch", "")), forced)


def _names(client: Any) -> Finding:
    from workshop.cleanup import strangers

    return engine.names(strangers(client))


def _engine_memory(client: Any) -> Iterator[Finding]:
    import psutil

    total = client.info().get("MemTotal")
    if total and total < 0.9 * psutil.virtual_memory().total:  # Else it is this machine's own.
        yield machine.memory("for the engine", total)


def _engine_disk(client: Any) -> Iterator[Finding]:
    root = Path(client.info().get("DockerRootDir") or "")
    is_local = client.api.base_url.startswith("http+docker://") and root.is_absolute() and root.exists()
    if is_local and root.stat().st_dev != ROOT.stat().st_dev:
        yield machine.disk(f"in {root}", shutil.disk_usage(root).free)


def _container(client: Any) -> Iterator[Finding]:
    from workshop.base_image import OFFICIAL, present
    from workshop.cleanup import LABELS

    name = present(client)
    yield engine.base_image(name, OFFICIAL)
    outcome: str | Exception | None = None
    if name:
        try:
            said = client.containers.run(name, ["python", "-c", HELLO], labels=LABELS, remove=True)
            outcome = said.decode(errors="replace")
        except Exception as error:  # The SDK's, or the network's: the check says which.
            outcome = error
    yield engine.container(outcome)


def _kubernetes() -> Finding:
    """Only plainly local clusters are asked; another one is not touched, and lesson 09 asks first."""
    from workshop.cluster import finding, kubeconfig

    silence = None
    try:
        known = kubeconfig.contexts()
    except kubeconfig.Unreadable as error:
        return machine.kubernetes(None, str(error).rstrip("."))
    for context in known:
        if context.is_local:
            try:
                version = finding.find(context.name).version
                return machine.kubernetes(f"{context.kind} answers, version {version} (“{context.name}”)")
            except finding.NoCluster as failure:
                silence = silence or str(failure).rstrip(".")
    elsewhere = next((each.name for each in known if each.is_current and not each.is_local), None)
    return machine.kubernetes(None, silence, elsewhere)


def _late_cluster(seconds: float, last: str | None) -> Finding:
    return machine.kubernetes(None, f"no answer within {seconds:.0f} s")
