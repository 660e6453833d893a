"""What a stage has come to: the image of its last step, and what the next one will find."""

import copy
from typing import Any

from pocket_engine.build import words
from pocket_engine.build.arguments import Arguments
from pocket_engine.build.dockerfile import Statement
from pocket_engine.images.image import EMPTY_CONFIG, Image

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class State:
    """The state of one stage.

    Args:
        arguments: the build's; the stage declares its own in it.
        escape: the Dockerfile's escape character.

    Attributes:
        image: what the last step left; None before the first step FROM scratch.
        config: of the next image.
        author: who MAINTAINER named.
        has_own_cmd: whether CMD came in this stage, and not from the base.
        has_own_healthcheck: likewise HEALTHCHECK.
        notes: what the step has to say to the client.
    """

    def __init__(self, arguments: Arguments, escape: str) -> None:
        self.arguments, self.escape = arguments, escape
        self.image: Image | None = None
        self.config: dict[str, Any] = copy.deepcopy(EMPTY_CONFIG)
        self.author = ""
        self.has_own_cmd = False
        self.has_own_healthcheck = False
        self.notes: list[str] = []

    @property
    def image_id(self) -> str:
        """The id of the image; empty before the first step FROM scratch."""
        return self.image.id if self.image else ""

    def start_from(self, image: Image | None) -> list[str]:
        """Take over all that the base has.

        Args:
            image: None for scratch.

        Returns:
            The base's ONBUILD triggers, which are to be carried out now.
        """
        triggers: list[str] = []
        if image:
            self.image = image
            self.config |= copy.deepcopy(image.config.get("config") or {})
            triggers = self.config["OnBuild"] or []
            self.config["OnBuild"] = None
        self.config["Image"] = self.image_id
        if "PATH" not in self.environment():
            self.set_variable("PATH", DEFAULT_PATH)
        return triggers

    def advance(self, image: Image) -> None:
        """A step has left this image."""
        self.image = image
        self.config["Image"] = image.id

    def take_notes(self) -> list[str]:
        """What the step has to say to the client, once."""
        notes, self.notes = self.notes, []
        return notes

    def environment(self) -> dict[str, str]:
        """What ENV has set, here and in the base."""
        variables = (variable.partition("=") for variable in self.config["Env"] or [])
        return {name: value for name, _, value in variables}

    def visible_arguments(self) -> dict[str, str]:
        """The build arguments that no ENV hides."""
        environment = self.environment()
        return {name: value for name, value in self.arguments.visible().items() if name not in environment}

    def set_variable(self, name: str, value: str) -> None:
        """Set an environment variable; the place of a known one stays."""
        variables = self.environment() | {name: value}
        self.config["Env"] = [f"{name}={value}" for name, value in variables.items()]

    def expand(self, word: str) -> str:
        """A word with its variables replaced and its quotes removed. Raises BadRequest."""
        return words.expand(word, self.visible_arguments() | self.environment(), self.escape)

    def expand_to_words(self, word: str) -> list[str]:
        """Like `expand`; white space from variables separates words."""
        return words.expand_to_words(word, self.visible_arguments() | self.environment(), self.escape)

    def shell(self) -> list[str]:
        """What runs a command that is no JSON array."""
        return self.config.get("Shell") or ["/bin/sh", "-c"]

    def command(self, statement: Statement) -> list[str]:
        """The arguments of a RUN, CMD or ENTRYPOINT."""
        return list(statement.words) if statement.is_json else [*self.shell(), *statement.words]

    def container_config(self, *shown: str) -> dict[str, Any]:
        """The config of the container of a step that runs nothing.

        Args:
            shown: what history shows after the shell; begins with `#(nop) `.
        """
        return self.config | {"Cmd": [*self.shell(), *shown]}
