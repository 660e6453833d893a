"""The `workshop` command."""

from __future__ import annotations

import argparse
import errno
import sys
from pathlib import Path

INTERRUPTED = 130  # As shells report a program that Ctrl-C stopped.


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; what went wrong is said in words, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # A pipe on Windows may not know ✓.
    chosen = _parser().parse_args(argv)
    try:
        return chosen.run(chosen)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        sentence = in_words(error)
        if sentence is None:
            raise
        print(sentence, file=sys.stderr)
        return 1


def in_words(error: Exception) -> str | None:
    """What to tell a learner about an error; None for a defect of ours, whose traceback we want to see."""
    package = type(error).__module__.partition(".")[0]
    if package == "workshop":
        return str(error)
    if package in ("docker", "requests", "urllib3"):
        return f"The engine did not do what it was asked: {error}\n`workshop doctor` looks for the cause."
    # Without the Docker SDK, `import docker` finds the repository's folder of that name.
    if isinstance(error, ImportError) and not (error.name or "").startswith("workshop"):
        install = f"{sys.executable} -m pip install -r requirements/lab.txt"
        return f"The package “{error.name}” is missing. Install what the workshop needs: {install}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full: {error.filename or 'a file'} could not be written. Free some space."
    if isinstance(error, (PermissionError, FileNotFoundError)):
        return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="workshop", description="From one .proto file to microservices.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    lab = commands.add_parser("lab", help="open the lessons in JupyterLab")
    lab.add_argument("--port", type=int, help="where it listens (default: 8888, or the next free port)")
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.set_defaults(run=_lab)

    doctor = commands.add_parser("doctor", help="say what this machine has and lacks, with remedies")
    doctor.set_defaults(run=_doctor)

    rehearse = commands.add_parser("rehearse", help="run all lessons unattended and write a report")
    rehearse.add_argument("--lessons", metavar="01,07", help="only these (default: all)")
    rehearse.add_argument("--as-shipped", action="store_true", help="leave the exercises' blanks unfilled")
    rehearse.add_argument("--report", type=Path, metavar="FILE", help="default: work/rehearsal.html")
    rehearse.set_defaults(run=_rehearse)

    clean = commands.add_parser("clean", help="remove what the workshop made on the engine")
    clean.set_defaults(run=_clean)

    stubs = commands.add_parser("stubs", help="generate the stubs from the contract where they are old")
    stubs.set_defaults(run=_stubs)

    base = commands.add_parser("base", help="make sure of the base image, and print its name")
    base.set_defaults(run=_base)

    cluster = commands.add_parser("cluster", help="make a Kubernetes cluster for lesson 09, with kind")
    cluster.add_argument("--delete", action="store_true", help="remove it again, with everything in it")
    cluster.set_defaults(run=_cluster)

    certificates = commands.add_parser(
        "certificates", help="print the Secrets of mutual TLS, for kubectl apply -f -"
    )
    certificates.set_defaults(run=_certificates)
    return parser


# Each command loads what it needs itself, so that the others, and --help, answer at once.


def _lab(chosen: argparse.Namespace) -> int:
    from workshop import lab

    lab.start(chosen.port, browser=not chosen.no_browser)
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    from workshop import doctor

    report = doctor.examine()
    print(report)
    return 0 if report.ok else 1


def _rehearse(chosen: argparse.Namespace) -> int:
    from workshop import rehearse

    lessons = chosen.lessons.split(",") if chosen.lessons else None
    return 0 if rehearse.rehearse(lessons, solved=not chosen.as_shipped, target=chosen.report) else 1


def _clean(chosen: argparse.Namespace) -> int:
    from pocket_engine import locations
    from workshop import cleanup, engine

    try:
        # One that has never run has nothing to clean.
        client = engine.connect(say=lambda line: None, embedded=locations.data_root().exists())
    except engine.EngineNotFound:
        print("No engine answers. If the workshop has left something on one, start it and clean again.")
        return 0
    cleanup.remove_everything(client)
    print("Removed the workshop's containers, networks and images from the engine.")
    if sys.platform == "linux":
        from workshop import pocket

        if pocket.stop():
            print("Stopped the embedded engine; other images that it has stay.")
    return 0


def _stubs(chosen: argparse.Namespace) -> int:
    from workshop import stubs

    if stubs.are_current():
        print("The stubs are current.")
    else:
        stubs.generate()
        print("Generated the stubs from the contract.")
    return 0


def _base(chosen: argparse.Namespace) -> int:
    from workshop import base_image, engine

    def say(line: str) -> None:  # To stderr: stdout carries the name, for PYTHON_IMAGE=$(workshop base).
        print(line, file=sys.stderr)

    print(base_image.ensure(engine.connect(say), say))
    return 0


def _cluster(chosen: argparse.Namespace) -> int:
    from workshop.cluster import kind

    if chosen.delete:
        kind.delete()
    else:
        kind.make()
    return 0


def _certificates(chosen: argparse.Namespace) -> int:
    import yaml

    from workshop.cluster import certificates

    print(yaml.safe_dump_all(certificates.secrets(), sort_keys=False), end="")
    return 0
