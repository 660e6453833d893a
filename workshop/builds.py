"""Watch a build: the engine's stream as one line per step while it runs, and a summary afterwards.

BuildFailed           a step failed; the message has the step, its instruction and its last lines
  DiskFull            the engine has no room left
  EngineLost          the engine went away in the middle
KeyboardInterrupt
  Interrupted         you stopped it
"""

import inspect
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from html import escape
from typing import Any

from docker.errors import APIError, StreamParseError
from IPython.core.getipython import get_ipython
from IPython.display import display
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from workshop.errors import PlainError
from workshop.svg import COLOURS

LOG_LINES = 12
REFRESH_SECONDS = 0.1

# Docker says `Step 3/24 : RUN …`, Podman `[1/3] STEP 3/8: RUN …`.
STEP = re.compile(r"(?:\[(\d+)/(\d+)\] )?(?:Step|STEP) (\d+)/(\d+) ?: (.*)")
NOTE = re.compile(r"\s*-{2,3}> (.*)")
BUILT = re.compile(r"Successfully built (\S+)")
TAGGED = re.compile(r"Successfully tagged (\S+)")
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NOISE = re.compile(r"Removing intermediate container|COMMIT ")


class BuildFailed(PlainError):
    """A build stopped; the message says at which step and why.

    Attributes:
        build: what had happened until then.
    """

    def __init__(self, message: str, build: "Build") -> None:
        super().__init__(message)
        self.build = build


class DiskFull(BuildFailed):
    """The engine's disk is full."""


class EngineLost(BuildFailed):
    """The engine stopped answering in the middle of a build."""


class Interrupted(KeyboardInterrupt):
    """Somebody interrupted the kernel in the middle of a build."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass
class Step:
    """One instruction of a Dockerfile, as the engine carried it out.

    Attributes:
        number: the step's number, as the engine counts.
        instruction: the Dockerfile's text.
        cached: its result was there already.
        ran: it made something new. A `FROM` does neither.
        seconds: how long it took.
        log: the last lines of its output.
    """

    number: int
    instruction: str
    cached: bool = False
    ran: bool = False
    seconds: float = 0.0
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

    @property
    def starts_stage(self) -> bool:
        return self.instruction.upper().startswith("FROM ")

    @property
    def what(self) -> str:
        return "cached" if self.cached else "ran" if self.ran else ""

    def __str__(self) -> str:
        mark = "✓" if self.cached else " "
        return f"{mark} {self.what:6} {self.seconds:6.2f} s  {self.number:2}  {self.instruction}"


class Build:
    """What a build did, kept up to date while it runs; shows itself as a table.

    Attributes:
        steps: the steps so far, in order.
        tag: the image's name, once it has one.
        image_id: the image's id, once it is built.
        seconds: from the first step to the last; the context was sent before.
        state: `running`, `done`, `failed` or `interrupted`.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.tag = ""
        self.image_id = ""
        self.seconds = 0.0
        self.state = "running"
        self._fraction = 0.0
        self._total = 0
        self._began = self._step_began = time.perf_counter()
        self._shown_in = _cell()

    @property
    def cached(self) -> list[Step]:
        """The steps whose results came from the cache."""
        return [step for step in self.steps if step.cached]

    @property
    def ran(self) -> list[Step]:
        """The steps that ran."""
        return [step for step in self.steps if step.ran]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.steps), self._headline()])

    def __repr__(self) -> str:
        return f"<Build {self._headline()}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if self._shown_in and self._shown_in == _cell() and self.state != "running":
            return {"text/plain": repr(self)}  # `show` has just put the table above this line.
        return self._bundle()

    def _bundle(self) -> dict[str, str]:
        return {"text/html": _table(self), "text/plain": str(self)}

    def _headline(self) -> str:
        counts = f"{len(self.cached)} cached, {len(self.ran)} ran, {self.seconds:.1f} s"
        name = self.tag or "image without a name"
        if self.state == "done":
            return f"{name}: {len(self.steps)} steps, {counts}"
        last = f"step {self.steps[-1].number} of {self._total}" if self.steps else "the start"
        words = {"running": "building", "failed": "failed at", "interrupted": "interrupted at"}
        return f"{words[self.state]} {last} ({counts})"

    def _read(self, message: dict[str, Any]) -> None:
        """Take in one message of the engine's stream."""
        now = time.perf_counter()
        self.seconds = now - self._began
        if self.steps:
            self.steps[-1].seconds = now - self._step_began
        if "aux" in message and "ID" in message["aux"]:
            self.image_id = message["aux"]["ID"]  # Each stage has one; the last is the image's.
        status = " ".join(filter(None, (message.get("status"), message.get("progress"))))
        for line in re.split(r"[\r\n]+", message.get("stream", "") + status):
            self._read_line(TERMINAL_CODES.sub("", line).rstrip(), now)

    def _read_line(self, line: str, now: float) -> None:
        if found := STEP.fullmatch(line):
            stage, stages, number, total = (int(group or 1) for group in found.groups()[:4])
            self._total, self._step_began = total, now
            self._fraction = (stage - 1 + (number - 1) / total) / stages
            self.steps.append(Step(number, " ".join(found[5].split())))
        elif found := TAGGED.fullmatch(line):
            self.tag = found[1].removeprefix("localhost/").removesuffix(":latest")
        elif found := BUILT.fullmatch(line):
            self.image_id, self._fraction = self.image_id or found[1], 1.0
        elif self.steps and (found := NOTE.match(line)):
            step = self.steps[-1]
            step.cached = step.cached or found[1].startswith("Using cache")
            step.ran = not step.cached and not step.starts_stage
        elif self.steps and line and not NOISE.match(line):
            self.steps[-1].log.append(line)


def show(stream: Iterator[dict[str, Any]]) -> Build:
    """Show a build while it runs, like `docker build` does, and return what it did.

    An interrupt of the kernel hangs up on the engine, which then stops and removes what it was running.

    Args:
        stream: what `client.api.build(…, decode=True)` returns; give it `rm=True, forcerm=True` too, so
            that no container of a step stays behind.

    Returns:
        The finished build.

    Raises:
        BuildFailed: a step failed, or the engine refused the Dockerfile.
        DiskFull: the engine has no room left.
        EngineLost: the engine went away.
        Interrupted: the kernel was interrupted; a KeyboardInterrupt with one sentence.
    """
    build = Build()
    view = _View(build)
    try:
        with _connection(stream):
            for message in stream:
                build._read(message)
                if "error" in message:
                    raise _failure(build, message["error"])
                view.refresh()
        if not build.image_id:
            raise _lost(build)
        build.state = "done"
    except APIError as error:
        raise _failure(build, str(error.explanation)) from None
    except (HTTPError, RequestException, StreamParseError, OSError):
        raise _lost(build) from None
    except KeyboardInterrupt:
        build.state = "interrupted"
        raise Interrupted(
            "You interrupted the build, and the engine has stopped it. Run the cell again to go on: "
            "the finished steps come from the cache."
        ) from None
    finally:
        build.state = "failed" if build.state == "running" else build.state
        view.refresh(now=True)
    return build


def _connection(stream: Iterator[dict[str, Any]]) -> Any:
    """The HTTP response behind the stream: closing a generator of the SDK does not hang up, this does."""
    response = inspect.getgeneratorlocals(stream).get("response") if inspect.isgenerator(stream) else None
    return closing(response) if response else nullcontext()


def _failure(build: Build, reason: str) -> BuildFailed:
    reason = reason.strip()
    if not build.steps:
        return BuildFailed(f"The engine refused the build: {reason}.\nMend that and build again.", build)
    step = build.steps[-1]
    place = f"step {step.number} of {build._total}, {step.instruction}"
    log = "\n".join(f"    {line}" for line in step.log)
    if "no space left on device" in f"{reason}\n{log}".lower():
        return DiskFull(
            f"The engine's disk is full, so it could not finish {place}. Look at what takes the room with "
            f"`docker system df`, free some with `docker image prune`, and build again.",
            build,
        )
    said = f"\nThe last lines of its output:\n{log}" if log else ""
    return BuildFailed(
        f"The build failed at {place}\n{reason}{said}\n"
        f"Mend that and build again; the steps before it come from the cache.",
        build,
    )


def _lost(build: Build) -> EngineLost:
    place = f", at step {build.steps[-1].number} of {build._total}" if build.steps else ""
    return EngineLost(
        f"The engine stopped answering in the middle of the build{place}. Start it again, run "
        f"`client = engine.connect()`, and build again; the finished steps come from the cache.",
        build,
    )


def _cell() -> int | None:
    """The number of the cell that runs, or None outside of a notebook."""
    shell = get_ipython()
    return shell.execution_count if shell else None


class _View:
    """One output of the cell, drawn again as the build goes on."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._handle = display(build._bundle(), raw=True, display_id=True) if _cell() else None
        self._drawn = time.perf_counter()

    def refresh(self, now: bool = False) -> None:
        """Draw it again, unless that was done a moment ago."""
        if self._handle and (now or time.perf_counter() - self._drawn >= REFRESH_SECONDS):
            self._handle.update(self._build._bundle(), raw=True)
            self._drawn = time.perf_counter()


LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
CELL = "padding:0 .7em 0 0;text-align:left;background:none"
PULSE = (
    '<svg width="9" height="9" aria-label="runs now"><circle cx="4.5" cy="4.5" r="4" fill="#e99628">'
    '<animate attributeName="opacity" values="1;.2;1" dur="1.2s" repeatCount="indefinite"/></circle></svg>'
)
BAR = {"running": "#e99628", "done": "#2e9e5b", "failed": "#d64541", "interrupted": "#8a8f98"}


def _table(build: Build) -> str:
    done = 100 if build.state == "done" else round(100 * build._fraction)
    rows = "".join(_row(build, step) for step in build.steps)
    output = build.steps[-1].log if build.steps and build.state == "running" else ()
    last = escape(output[-1]) if output else "&nbsp;" if build.state == "running" else ""
    return (
        f'<div style="font-size:13px;line-height:1.45;max-width:70em">'
        f'<table style="border:none;border-collapse:collapse;table-layout:fixed;width:100%;margin:0">'
        f'<colgroup><col style="width:8em"><col style="width:5em"><col style="width:2.5em"><col>'
        f"</colgroup>{rows}</table>"
        f'<div style="{LINE};opacity:.7;font-family:monospace">{last}</div>'
        f'<div role="progressbar" aria-valuenow="{done}" style="height:6px;border-radius:3px;margin:.3em 0;'
        f'background:{COLOURS["plain"]}"><div style="height:6px;border-radius:3px;width:{done}%;'
        f'background:{BAR[build.state]}"></div></div>'
        f"<b>{escape(build._headline())}</b></div>"
    )


def _row(build: Build, step: Step) -> str:
    now = build.state == "running" and step is build.steps[-1]
    what = f"{PULSE} runs" if now else "✓ cached" if step.cached else "▸ ran" if step.ran else ""
    if build.state in ("failed", "interrupted") and step is build.steps[-1]:
        what = "✗ stopped"
    seconds = f"{step.seconds:.2f} s" if what and not step.cached else ""
    weight = "600" if step.ran else "400"
    above = "border-top:1px solid rgba(128,128,128,.35)" if step.starts_stage else ""
    text = escape(step.instruction)
    return (
        f'<tr style="background:none;{above}"><td style="{CELL};{LINE}">{what}</td>'
        f'<td style="{CELL};text-align:right">{seconds}</td>'
        f'<td style="{CELL};text-align:right;opacity:.6">{step.number}</td>'
        f'<td style="{CELL};{LINE};font-family:monospace;font-weight:{weight}" title="{text}">{text}</td>'
        f"</tr>"
    )
