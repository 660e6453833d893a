"""Containers without an engine around them: a runner, a root, and what a program in it wrote."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocket_engine.runners import Program, Root, Running, Sandbox, Streams

# What a Docker Engine leaves a container.
CAPABILITIES = frozenset(
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP"),
        *("SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
)


@dataclass
class Box:
    """One container and the runner that runs its programs.

    Attributes:
        runner: a `pocket_engine.runners.Runner`.
        root: its files; prepared.
        options: of its `Sandbox`.
    """

    runner: Any
    root: Root
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, runner: Any, layers: tuple[Path, ...], folder: Path, **options: Any) -> "Box":
        """Make a container on top of layers."""
        folder.mkdir()
        root = Root(layers, folder)
        runner.prepare(root)
        return cls(runner, root, options)

    @property
    def sandbox(self) -> Sandbox:
        options = {"hostname": "box", "capabilities": CAPABILITIES, **self.options}
        return Sandbox(id="b0" * 32, root=self.root, **options)

    def start(self, *arguments: str, beside: Running | None = None, **options: Any) -> tuple[Running, int]:
        """Start a program; beside another one, or as the first.

        Returns:
            It, and the reading end of the pipe that it writes both streams to.
        """
        reading, writing = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        environment = ("PATH=/usr/bin:/bin", *options.pop("environment", ()))
        program = Program(arguments, environment, **options)
        streams = Streams(null, writing, writing)
        try:
            if beside:
                return self.runner.enter(self.sandbox, beside, program, streams), reading
            return self.runner.start(self.sandbox, program, streams), reading
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(null)

    def run(self, *arguments: str, **options: Any) -> tuple[int, str]:
        """Run a program to its end; its exit code and what it wrote."""
        running, reading = self.start(*arguments, **options)
        with open(reading) as pipe:
            written = pipe.read()
        return running.wait(), written

    def sh(self, script: str, **options: Any) -> str:
        """What a shell script that succeeds writes."""
        code, written = self.run("sh", "-c", script, **options)
        assert code == 0, written
        return written


def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Wait until a condition holds; what it said then."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return said


def lives(pid: int | str) -> bool:
    """Whether a process has not ended; one that its parent has not reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
