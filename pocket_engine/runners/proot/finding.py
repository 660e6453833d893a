"""Where the program PRoot comes from: the system, or the distribution's packages unpacked without root."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.runners import CannotStart

_PACKAGES = ("proot", "libtalloc2")
_TRIAL_SECONDS = 10
_DOWNLOAD_SECONDS = 120


@dataclass(frozen=True)
class PRoot:
    """A PRoot that works.

    Attributes:
        path: the program.
        environment: what it needs itself; its programs do not get that.
    """

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find(data_root: DataRoot) -> PRoot:
    """The first PRoot that works here.

    Raises:
        CannotStart: there is none; the message tells why.
    """
    reasons: list[str] = []
    for candidate in _candidates(data_root, reasons):
        reason = _try_out(candidate)
        if not reason:
            return candidate
        reasons.append(f"{candidate.path}: {reason}")
    raise CannotStart("; ".join(reasons))


def _candidates(data_root: DataRoot, reasons: list[str]) -> Iterator[PRoot]:
    installed = shutil.which("proot")
    if installed:
        yield PRoot(installed)
    else:
        reasons.append("proot is not installed")
    folder = data_root / "tools/proot"
    try:
        if not folder.exists():
            _unpack_packages(data_root, folder)
        yield _unpacked(folder)
    except (OSError, subprocess.SubprocessError) as error:
        reasons.append(f"the packages {' and '.join(_PACKAGES)} cannot be had: {_last_words(error)}")


def _try_out(proot: PRoot) -> str:
    """Why it does not work; empty when it does."""
    try:
        subprocess.run(
            [proot.path, "-r", "/", "true"],
            env={"PATH": os.defpath, "PROOT_NO_SECCOMP": "1", **proot.environment},
            check=True,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _last_words(error)
    return ""


def _unpack_packages(data_root: DataRoot, folder: Path) -> None:
    """Get the distribution's packages as its own package manager does, but into a folder of ours."""
    work = data_root.scratch("proot")
    try:
        for name in ("lists/partial", "cache/archives/partial", "unpacked"):
            (work / name).mkdir(parents=True)
        apt = [
            "apt-get",
            *("-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache"),
            *("-o", "APT::Sandbox::User="),
        ]
        _run([*apt, "update"], work)
        _run([*apt, "download", *_PACKAGES], work)
        for package in work.glob("*.deb"):
            _run(["dpkg", "--extract", str(package), str(work / "unpacked")], work)
        folder.parent.mkdir(exist_ok=True)
        (work / "unpacked").rename(folder)
    finally:
        remove_tree(work)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS)


def _unpacked(folder: Path) -> PRoot:
    libraries = {str(library.parent) for library in folder.rglob("libtalloc.so.2")}
    return PRoot(str(folder / "usr/bin/proot"), {"LD_LIBRARY_PATH": ":".join(sorted(libraries))})


def _last_words(error: Exception) -> str:
    """What a program that failed said last."""
    output = getattr(error, "stderr", None) or getattr(error, "output", None) or ""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    lines = text.strip().splitlines()
    return lines[-1] if lines else str(error)
