"""The `changes` of `docker commit` and `docker import`: instructions for the config alone."""

import copy
import posixpath
from collections.abc import Iterable
from typing import Any

from pocket_engine.build.arguments import Arguments
from pocket_engine.build.dockerfile import parse_line
from pocket_engine.build.metadata import INSTRUCTIONS
from pocket_engine.build.state import State
from pocket_engine.errors import BadRequest

_REFUSED = ("ARG", "MAINTAINER", "SHELL")


def changed(config: dict[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """A config after some instructions of a Dockerfile.

    Args:
        config: of an image or a container; it stays as it is.
        changes: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or
            WORKDIR with their arguments, one in each.

    Raises:
        BadRequest: one is no instruction, or none of these.
    """
    state = State(Arguments({}), "\\")
    state.config |= copy.deepcopy(config)
    state.has_own_cmd = True  # Other than in a build, a new ENTRYPOINT leaves the CMD.
    for change in changes:
        statement = parse_line(change, "\\")
        if statement.keyword == "WORKDIR":
            folder = posixpath.join("/", state.config["WorkingDir"], state.expand(statement.words[0]))
            state.config["WorkingDir"] = posixpath.normpath(folder)
        elif statement.keyword in INSTRUCTIONS and statement.keyword not in _REFUSED:
            INSTRUCTIONS[statement.keyword](state, statement)
        else:
            raise BadRequest(f"{statement.keyword.lower()} is not a valid change command")
    return state.config
