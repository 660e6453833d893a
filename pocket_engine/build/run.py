"""RUN: a command in a container of its own. What it writes is the next layer."""

from pathlib import Path
from typing import Any

from pocket_engine.build.dockerfile import Statement
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.output import follow
from pocket_engine.build.parts import Parts
from pocket_engine.build.state import State
from pocket_engine.build.stream import Telling
from pocket_engine.containers import snapshot
from pocket_engine.containers.container import Container
from pocket_engine.errors import EngineError, NotFound
from pocket_engine.runners import Root


class CommandFailed(Exception):
    """A command ended with an exit code that is not 0.

    Attributes:
        exit_code: which.
    """

    def __init__(self, command: list[str], exit_code: int) -> None:
        super().__init__(f"The command '{' '.join(command)}' returned a non-zero code: {exit_code}")
        self.exit_code = exit_code


class Run:
    """One RUN.

    Args:
        parts: what the engine does it with.
        options: the client's choices.
        state: what the step starts from.
        statement: the RUN.

    Raises:
        EngineError: it runs nothing.
    """

    def __init__(self, parts: Parts, options: BuildOptions, state: State, statement: Statement) -> None:
        self._parts, self._options, self._state = parts, options, state
        self._command = state.command(statement)
        if not self._command:
            raise EngineError("No command specified")
        self._arguments = state.visible_arguments()

    def container_config(self) -> dict[str, Any]:
        """What identifies it to the cache: the command, and before it the build arguments that it sees."""
        shown = self._command
        if self._arguments:
            relevant = self._state.arguments.relevant_to_cache(self._arguments)
            pairs = [f"{name}={value}" for name, value in relevant.items()]
            shown = [f"|{len(relevant)}", *pairs, *self._command]
        return self._state.config | {"Cmd": shown, "Entrypoint": None}

    def create_container(self) -> Container:
        """The container that the command will run in.

        Raises:
            EngineError: it cannot be.
        """
        if not self._state.image:
            raise EngineError(f'exec: "{self._command[0]}": there is no file in scratch yet: COPY it there')
        variables = self._state.environment() | self._arguments
        request = self._state.config | {
            "Cmd": self._command,
            "Entrypoint": [""],  # None, and not the image's.
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "NetworkMode": self._options.network or "host",
                "ExtraHosts": list(self._options.extra_hosts),
                "Memory": self._options.memory,
                "ShmSize": self._options.shm_size,
                "LogConfig": {"Type": "none"},
            },
        }
        container, _ = self._parts.containers.create("", request, intermediate=True)
        return container

    def carry_out(self, container: Container, scratch: Path) -> Telling[Path]:
        """Run the command to its end. Tells what it prints.

        Args:
            container: where.
            scratch: an empty folder.

        Returns:
            What it has written, as a folder in a layer's form.

        Raises:
            CommandFailed: its exit code is not 0.
            EngineError: it could not be started.
        """
        exit_code = yield from follow(container)
        if exit_code:
            raise CommandFailed(self._command, exit_code)
        return self._changes(container, scratch)

    def _changes(self, container: Container, scratch: Path) -> Path:
        """What the container has written. It is taken away from it, unless the container is to be kept."""
        with container.lock:
            if container.is_removed:
                raise NotFound(f"No such container: {container.id}")
            root = container.root
            if not self._options.remove:
                snapshot.copy(root.folder, scratch)
                root = Root(root.layers, scratch)
            return container.parts.runner.freeze(root).rename(scratch / "changes")
