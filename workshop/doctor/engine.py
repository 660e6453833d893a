"""What can be wrong with the engine: each check is told what it looks at, and judges only that."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workshop.doctor.report import FAIL, GOOD, WARN, Finding

OLDEST_API = (1, 41)  # Docker 20.10, and Podman 4.
LONGEST = 200  # What an engine says can be a page.
RESTART = "Restart the engine (Docker Desktop, or `sudo systemctl restart docker`), then look again."
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv8": "arm64"}


def found(name: str) -> Finding:
    """An engine that answers."""
    return Finding(GOOD, "Engine", name)


def not_found(tried: Sequence[str], remedy: str) -> Finding:
    """No engine: the places tried, with reasons, and the remedy."""
    where = tried[0] if len(tried) == 1 else f"none in {len(tried)} places"
    denied = [place for place in tried if "permission denied" in place or "refused" in place]
    return Finding(
        FAIL, "Engine", _line(denied[0] if denied else where), "a Docker Engine that answers", remedy
    )


def api(version: str) -> Finding:
    """The engine's API, e.g. `1.41`."""
    wanted = ".".join(map(str, OLDEST_API))
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not numbers:
        return Finding(WARN, "Engine's API", f"“{version}”", f"{wanted} or newer", RESTART)
    if numbers < OLDEST_API:
        remedy = "Update the engine to Docker 20.10, Podman 4, or newer."
        return Finding(FAIL, "Engine's API", version, f"{wanted} or newer", remedy)
    return Finding(GOOD, "Engine's API", version)


def architecture(python: str, engine: str, forced: str | None) -> Finding:
    """The processors that Python and the engine's images are made for.

    Args:
        python: as `platform.machine()` says it.
        engine: as the engine's version says it.
        forced: `DOCKER_DEFAULT_PLATFORM`, e.g. `linux/amd64`.
    """
    ours, theirs = _common(python), _common(engine)
    if forced and _common(forced.split("/")[1] if "/" in forced else forced) != theirs:
        remedy = "`unset DOCKER_DEFAULT_PLATFORM`, or builds are emulated and some ten times slower."
        return Finding(WARN, "Architecture", f"{theirs}, but {forced} is forced", f"linux/{theirs}", remedy)
    if ours != theirs:
        remedy = f"Slow or fine; best is a Python for {theirs}, or an engine for {ours}."
        return Finding(WARN, "Architecture", f"Python {ours}, engine {theirs}", "the same", remedy)
    return Finding(GOOD, "Architecture", theirs)


def base_image(name: str | None, official: str) -> Finding:
    """The image that the services' images are built from; None where it is not here yet."""
    if name:
        return Finding(GOOD, "Base image", name if name == official else f"{name}, in place of {official}")
    remedy = f"`workshop base` once, while the network is good (or `docker pull {official}`)."
    return Finding(WARN, "Base image", "not here yet", official, remedy)


def container(outcome: str | Exception | None) -> Finding:
    """What became of a small container: its output, what went wrong, or None where it was not tried."""
    if outcome is None:
        return Finding(WARN, "A container", "not tried: no base image", "one that runs", "`workshop base`")
    if isinstance(outcome, Exception):
        said = _said(outcome)
        return Finding(FAIL, "A container", f"does not run: {said}", "one that runs", _cure(said))
    return Finding(GOOD, "A container", f"ran, with Python {_line(outcome)}")


def names(strangers: Sequence[str]) -> Finding:
    """Things of the learner's own whose names the lessons need, each with its remedy after a colon."""
    if not strangers:
        return Finding(GOOD, "Names", "free for the lessons")
    parts = [stranger.partition(": ") for stranger in strangers]
    what, remedies = ", ".join(part[0] for part in parts), "; ".join(part[2] for part in parts)
    return Finding(FAIL, "Names", f"{what} of your own", "free", remedies)


def too_slow(seconds: float, last: str | None) -> Finding:
    """An engine that did not answer everything in time; `last` is the last thing it did answer."""
    if last is None:
        remedy = f"Look again in a moment: it may be starting. Else: {RESTART}"
        return Finding(FAIL, "Engine", f"no answer within {seconds:.0f} s", "an answer at once", remedy)
    what = f"still busy {seconds:.0f} s later, after “{last}”"
    return Finding(WARN, "Engine", what, "an answer at once", RESTART)


def unclear(item: str, error: Exception) -> Finding:
    """A check that could not be made."""
    if isinstance(error, ImportError):  # Not always a missing module: the repository has a folder docker/.
        return Finding(WARN, item, f"not looked at: no package {error.name}", "", "Mend “Packages” first.")
    return Finding(WARN, item, f"could not be told: {type(error).__name__}: {_said(error)}", "", RESTART)


def _common(architecture: str) -> str:
    name = architecture.lower()
    return ARCHITECTURES.get(name, name)


def _said(error: Exception) -> str:
    for attribute in ("explanation", "stderr"):  # Of the SDK's APIError and ContainerError.
        said = getattr(error, attribute, None)
        if said:
            return _line(said.decode(errors="replace") if isinstance(said, bytes) else str(said))
    return _line(str(error) or type(error).__name__)


def _cure(said: str) -> str:
    if "exec format error" in said:
        return "The base image is for another processor: remove it, then `workshop base`."
    if "no space left" in said.lower():
        return "The engine's disk is full: `docker system prune`."
    return RESTART


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[:LONGEST] + " …"
