"""What can be wrong on the machine itself: each check is told what it looks at, and judges only that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workshop.doctor.report import ASIDE, FAIL, GOOD, WARN, Finding

OLDEST_PYTHON = (3, 11)
GIB = 1024**3
LITTLE_DISK, TOO_LITTLE_DISK = 3 * GIB, 1 * GIB
LITTLE_MEMORY = 2 * GIB
SHOWN = 3  # So many names in one line; the rest is a number.
INSTALL = "`python -m pip install -r requirements/lab.txt`"


def python(version: tuple[int, ...], executable: str) -> Finding:
    """The Python that runs this."""
    found = ".".join(map(str, version))
    if version >= OLDEST_PYTHON:
        return Finding(GOOD, "Python", found)
    wanted = ".".join(map(str, OLDEST_PYTHON)) + " or newer"
    return Finding(
        FAIL,
        "Python",
        f"{found} ({executable})",
        wanted,
        "Install a newer one from python.org, then `make lab` anew.",
    )


def packages(pinned: Mapping[str, str], installed: Mapping[str, str | None]) -> Finding:
    """The installed packages against the versions that the workshop was tested with.

    Args:
        pinned: version by name, from requirements/lab.txt.
        installed: the same for this Python; None where it is missing.
    """
    missing = [name for name in pinned if installed.get(name) is None]
    if missing:
        return Finding(FAIL, "Packages", f"{_some(missing)} missing", "all of requirements/lab.txt", INSTALL)
    other = [f"{name} {installed[name]}" for name in pinned if installed[name] != pinned[name]]
    if other:
        tested = _some([f"{name} {pinned[name]}" for name in pinned if installed[name] != pinned[name]])
        return Finding(WARN, "Packages", _some(other), tested, INSTALL)
    return Finding(GOOD, "Packages", f"{len(pinned)}, as pinned")


def stubs(missing: Sequence[Path], are_current: bool) -> Finding:
    """The Python files that are generated from the contract."""
    if missing:
        names = _some([path.name for path in missing])
        return Finding(FAIL, "Stubs", f"{names} missing", "in both services", "`workshop stubs`")
    if not are_current:
        return Finding(WARN, "Stubs", "older than the contract", "younger", "`workshop stubs`")
    return Finding(GOOD, "Stubs", "generated from the contract")


def protobuf(generated: str, runtime: str) -> Finding:
    """The version that generated the stubs against the one that runs them.

    Args:
        generated: as the stubs say it, e.g. `7.35.1`; empty where they do not.
        runtime: `google.protobuf.__version__`.
    """
    if _numbers(generated) > _numbers(runtime):
        return Finding(
            FAIL,
            "Protobuf",
            f"stubs of {generated}, runtime {runtime}",
            "a runtime no older than the stubs",
            f"{INSTALL}, then `touch protobufs/recommendations.proto`, then `workshop stubs`",
        )
    return Finding(GOOD, "Protobuf", f"stubs of {generated or 'unknown age'}, runtime {runtime}")


def port(number: int, owner: str | None, instead: int, platform: str) -> Finding:
    """A port that the lessons like to use.

    Args:
        number: which.
        owner: who listens there; None where nobody does.
        instead: the next free one.
        platform: as in `sys.platform`.
    """
    item = f"Port {number}"
    if owner is None:
        return Finding(GOOD, item, "free")
    remedy = f"Nothing: the workshop takes the next free one, {instead}."
    if platform == "darwin" and number == 5000:
        remedy += " (On macOS it is the AirPlay Receiver: System Settings, General, AirDrop & Handoff.)"
    return Finding(WARN, item, f"taken by {owner}", "free", remedy)


def disk(where: str, free: int, writable: bool = True) -> Finding:
    """The free space, in bytes, where the workshop or the engine writes."""
    item, found = "Disk", f"{_size(free)} free {where}"
    if not writable:
        return Finding(FAIL, item, f"no right to write {where}", "that right", "`sudo chown -R $USER .`")
    remedy = "Free some space; `docker system df` shows what the engine keeps."
    if free < TOO_LITTLE_DISK:
        return Finding(FAIL, item, found, f"{_size(LITTLE_DISK)}", remedy)
    if free < LITTLE_DISK:
        return Finding(WARN, item, found, f"{_size(LITTLE_DISK)}", remedy)
    return Finding(GOOD, item, found)


def memory(where: str, total: int) -> Finding:
    """The memory, in bytes, of this machine or of the engine's virtual one."""
    found = f"{_size(total)} {where}"
    if total >= LITTLE_MEMORY:
        return Finding(GOOD, "Memory", found)
    remedy = "Close other programs; with Docker Desktop: Settings, Resources."
    return Finding(WARN, "Memory", found, _size(LITTLE_MEMORY), remedy)


def kubernetes(answer: str | None, silence: str | None = None, elsewhere: str | None = None) -> Finding:
    """A cluster, which lesson 09 uses where there is one.

    Args:
        answer: the cluster on this machine that answers; None where none does.
        silence: why one on this machine does not; None where the kubeconfig has none.
        elsewhere: the current context, where it is not plainly on this machine; it was not touched.
    """
    if answer:
        return Finding(GOOD, "Kubernetes", answer)
    if elsewhere:
        found = f"a context “{elsewhere}” that is not local; lesson 09 asks first"
        return Finding(ASIDE, "Kubernetes", found)
    if silence:
        return Finding(ASIDE, "Kubernetes", f"{silence}; lesson 09 works without")
    return Finding(
        ASIDE, "Kubernetes", "no cluster; lesson 09 works without", "", "`workshop cluster` makes one"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
