"""The processes of a container: `docker top`."""

import os
import pwd
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from pocket_engine.containers.container import Container
from pocket_engine.errors import EngineError

_TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
_TICKS = os.sysconf("SC_CLK_TCK")
_DEFAULT = "-ef"


def top(container: Container, ps_args: str = "") -> dict[str, Any]:
    """`GET /containers/{id}/top`.

    Args:
        container: which.
        ps_args: of the `ps` of this machine; without any, what `ps -ef` shows, from /proc.

    Raises:
        Conflict: the container does not run.
        EngineError: this machine has no `ps`, or it does not understand them.
    """
    pids = container.running().running.pids()
    if ps_args in ("", _DEFAULT):
        rows = [row for pid in sorted(pids) if (row := _row(pid))]
        return {"Titles": _TITLES, "Processes": rows}
    return _asked_of_ps(pids, ps_args)


def _row(pid: int) -> list[str] | None:
    folder = Path("/proc") / str(pid)
    try:
        status, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        user = _user(folder)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may have blanks and parentheses in it.
    name, fields = (
        status[status.index("(") + 1 : status.rindex(")")],
        status[status.rindex(")") + 2 :].split(),
    )
    parent, terminal = fields[1], int(fields[4])
    seconds = (int(fields[11]) + int(fields[12])) // _TICKS
    began = _boot_time() + int(fields[19]) / _TICKS
    alive = max(time.time() - began, 1)
    line = command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace") or f"[{name}]"
    return [
        user,
        str(pid),
        parent,
        str(min(int(seconds * 100 / alive), 99)),
        _clock(began),
        f"pts/{terminal & 0xFF}" if terminal else "?",
        time.strftime("%H:%M:%S", time.gmtime(seconds)),
        line,
    ]


def _boot_time() -> int:
    match = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def _clock(moment: float) -> str:
    format = "%H:%M" if time.time() - moment < 86400 else "%b%d"
    return time.strftime(format, time.localtime(moment))


def _user(process: Path) -> str:
    """As the container sees it: the one number that its user namespace gives to this engine's user."""
    inside, outside, _ = (int(number) for number in (process / "uid_map").read_text().split()[:3])
    number = inside + process.stat().st_uid - outside
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _asked_of_ps(pids: list[int], ps_args: str) -> dict[str, Any]:
    try:
        # All processes are asked for, as `ps` does not mix its ways of choosing; ours are picked out.
        answer = subprocess.run(["ps", *ps_args.split()], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EngineError(
            "error running ps: this machine has no ps program; without arguments none is needed"
        ) from error
    if answer.returncode != 0:
        raise EngineError(f"error running ps: {answer.stderr.strip()}")
    header, *lines = answer.stdout.splitlines()
    titles = header.split()
    if "PID" not in titles:
        raise EngineError("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows = [line.split(maxsplit=len(titles) - 1) for line in lines]
    known = {str(pid) for pid in pids}
    return {
        "Titles": titles,
        "Processes": [row for row in rows if len(row) > column and row[column] in known],
    }
