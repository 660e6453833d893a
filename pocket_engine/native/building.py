"""Builds the preloaded library, once on each machine, with whatever compiler there is."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from pocket_engine.data_root import DataRoot, remove_tree

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent
# Without the start files and library of this machine's libc: it is loaded into others.
OPTIONS = (
    "-shared",
    "-fPIC",
    "-nostdlib",
    "-O2",
    "-D_GNU_SOURCE",
    "-U_FORTIFY_SOURCE",
    "-fvisibility=hidden",
    "-fno-stack-protector",
    "-fno-builtin",
    "-fno-delete-null-pointer-checks",
)
PACKAGES = ("tcc", "libc6-dev", "linux-libc-dev")
COMPILE_SECONDS = 60
DOWNLOAD_SECONDS = 120

WITHOUT = (
    "No C compiler works here, so containers have no addresses and no owners of files of their own: "
    "all of them share this machine's network and its ports. Install gcc or tcc, and start the engine again."
)


class CannotBuild(Exception):
    """No compiler works; the message says what was tried."""


def begin(data_root: DataRoot) -> Future[Path]:
    """Like `library`, while the caller goes on: an engine answers before its first compilation is done."""
    built: Future[Path] = Future()

    def build() -> None:
        try:
            built.set_result(library(data_root))
        except Exception as error:
            built.set_exception(error)

    # Not of a pool: an engine that is told to stop would wait for a download.
    threading.Thread(target=build, name="native", daemon=True).start()
    return built


def library(data_root: DataRoot) -> Path:
    """The preloaded library for this machine; built when this version of it never was.

    Args:
        data_root: the library is kept in its `native/`.

    Raises:
        CannotBuild: there is no compiler, and none could be downloaded.
    """
    sources = sorted(SOURCES.glob("*.c"))
    fingerprint = hashlib.sha256(" ".join(OPTIONS).encode())
    for source in (*sources, *sorted(SOURCES.glob("*.h"))):
        fingerprint.update(source.read_bytes())
    room = data_root / "native"
    built = room / f"libpocket-{fingerprint.hexdigest()[:16]}.so"
    if built.exists():
        return built
    if room.exists():  # Other versions, and what a killed engine has left.
        remove_tree(room)
    scratch = room / "unfinished"
    scratch.mkdir(parents=True)
    failures = []
    try:
        unfinished = scratch / "libpocket.so"
        for compiler in _compilers(scratch):
            try:
                _run([*compiler, *OPTIONS, "-o", unfinished, *sources], COMPILE_SECONDS)
                _try(unfinished)
            except CannotBuild as failure:
                log.info("%s", failure)
                failures.append(str(failure))
                continue
            os.replace(unfinished, built)
            return built
    finally:
        remove_tree(scratch)
    raise CannotBuild("; ".join(failures))


def _compilers(scratch: Path) -> Iterator[Sequence[str | Path]]:
    """Commands that may compile C, the likeliest first."""
    if os.environ.get("CC"):
        yield os.environ["CC"].split()
    yield from ([found] for name in ("cc", "gcc", "clang", "tcc") if (found := shutil.which(name)))
    yield _downloaded(scratch / "packages")


def _downloaded(folder: Path) -> Sequence[str | Path]:
    """The distribution's small compiler and headers, unpacked where no root is needed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise CannotBuild("there is no compiler, and no apt-get to download one")
    folder.mkdir()
    _run(["apt-get", "download", *PACKAGES], DOWNLOAD_SECONDS, folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg", "--extract", package, folder], COMPILE_SECONDS)
    headers = folder / "usr/include"
    machine = next(headers.glob("*-linux-gnu"))
    libraries = folder / "usr/lib" / machine.name
    return [folder / "usr/bin/tcc", "-B", libraries / "tcc", "-I", headers, "-I", machine]


def _try(built: Path) -> None:
    """A library that does not load would keep every program of a container from starting."""
    script = "import os, socket; os.stat('/'); os.getgroups(); socket.create_server(('127.0.0.1', 0))"
    environment = {"LD_PRELOAD": str(built), "LD_BIND_NOW": "1"}
    _run([sys.executable, "-I", "-S", "-c", script], COMPILE_SECONDS, environment=environment)


def _run(
    arguments: Sequence[str | Path],
    seconds: int,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    ran = partial(subprocess.run, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    try:
        result = ran([str(part) for part in arguments], cwd=folder, timeout=seconds, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"{arguments[0]}: {error}") from error
    if result.returncode or result.stderr.startswith("ERROR: ld.so"):
        raise CannotBuild(f"{arguments[0]}: {result.stderr.strip()[-300:] or result.returncode}")
