"""RUN: a command in a container of its own. What it writes is the next layer."""

import posixpath
from pathlib import Path
from typing import Any

from pocket_engine.build.copying import LayerFolder
from pocket_engine.build.dockerfile import Statement
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.output import follow
from pocket_engine.build.parts import Parts
from pocket_engine.build.state import State
from pocket_engine.build.stream import Telling
from pocket_engine.build.tree import Tree
from pocket_engine.containers.host_config import DEFAULT_CAPABILITIES
from pocket_engine.errors import EngineError
from pocket_engine.images.progress import short
from pocket_engine.networks import Attachment, Member
from pocket_engine.runners import CannotStart, Mount, Program, Root, Sandbox

_RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)


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

    def carry_out(self, container_id: str, scratch: Path) -> Telling[Path]:
        """Run the command to its end. Tells what it prints.

        Args:
            container_id: 64 hexadecimal digits.
            scratch: an empty folder.

        Returns:
            What it has written, as a folder in a layer's form.

        Raises:
            CommandFailed: its exit code is not 0.
            EngineError: it could not be started.
        """
        image = self._state.image
        root = Root(self._parts.images.layer_paths(image) if image else (), scratch / "root")
        attachment = self._attach(container_id, scratch)
        try:
            sandbox = self._sandbox(container_id, root, attachment, scratch)
            self._parts.runner.prepare(root)
            program = self._program(sandbox, attachment)
            exit_code = yield from follow(
                lambda streams: self._parts.runner.start(sandbox, program, streams), self._options.memory
            )
        except CannotStart as error:
            if error.message.startswith("exec:"):
                raise EngineError(f"{_RUNC}{error.message}: unknown") from None
            raise EngineError(error.message) from None
        finally:
            attachment.close()
        if exit_code:
            raise CommandFailed(self._command, exit_code)
        return self._parts.runner.freeze(root)

    def _attach(self, container_id: str, scratch: Path) -> Attachment:
        name, mode = short(container_id), self._options.network or "host"
        folder = scratch / "network"
        folder.mkdir()
        endpoints = self._parts.networks.endpoints(mode, None, container_id)
        hosts = self._options.extra_hosts
        member = Member(container_id, name, name, folder, mode=mode, endpoints=endpoints, extra_hosts=hosts)
        return self._parts.networks.attach(member)

    def _sandbox(self, container_id: str, root: Root, attachment: Attachment, scratch: Path) -> Sandbox:
        return Sandbox(
            id=container_id,
            root=root,
            hostname=short(container_id),
            mounts=(*self._volumes(root, scratch), *attachment.mounts),
            capabilities=DEFAULT_CAPABILITIES,
            shm_size=self._options.shm_size,
            host_network=attachment.host_network,
            address=attachment.address,
        )

    def _program(self, sandbox: Sandbox, attachment: Attachment) -> Program:
        variables = {"HOSTNAME": sandbox.hostname} | self._state.environment() | self._arguments
        return Program(
            arguments=tuple(self._command),
            environment=(*(f"{name}={value}" for name, value in variables.items()), *attachment.environment),
            folder=self._state.config["WorkingDir"] or "/",
            user=self._state.config["User"],
        )

    def _volumes(self, root: Root, scratch: Path) -> list[Mount]:
        """The folders that VOLUME names: what is written there does not become part of the image."""
        mounts = []
        tree = Tree(root.layers)
        for number, target in enumerate(sorted(self._state.config["Volumes"] or {})):
            folder = scratch / f"volume-{number}"
            volume = LayerFolder(folder, ())
            content = tree.find(target)
            if content and content.is_folder:
                volume.copy_content(tree, content, "", None)
            volume.finish()
            mounts.append(Mount(folder, posixpath.join("/", target)))
        return mounts
