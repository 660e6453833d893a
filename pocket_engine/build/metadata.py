"""The instructions that change no file, only the config of the image.

Each is a function of the state and its statement. It changes `state.config`, and returns the comment that
history shows after `#(nop) `.
"""

import re
from collections.abc import Callable

from pocket_engine.build import golang, healthcheck
from pocket_engine.build.dockerfile import Statement
from pocket_engine.build.state import State
from pocket_engine.containers import signals
from pocket_engine.errors import BadRequest

_PORT = re.compile(r"(?:(?:[0-9.]*|\[[0-9a-fA-F:]+\]):)?(?:[^:]*:)?(?P<ports>[^:/]*)(?:/(?P<protocol>.*))?")


def _arg(state: State, statement: Statement) -> str:
    shown = []
    for word in statement.words:
        name, equals, default = word.partition("=")
        name = state.expand(name)
        value = state.expand(default) if equals else None
        state.arguments.declare(name, value)
        shown.append(name if value is None else f"{name}={value}")
    return f"ARG {' '.join(shown)}"


def _cmd(state: State, statement: Statement) -> str:
    state.config["Cmd"] = state.command(statement)
    state.has_own_cmd = True
    return f"CMD {golang.quoted_list(state.config['Cmd'])}"


def _entrypoint(state: State, statement: Statement) -> str:
    entrypoint = state.command(statement)
    state.config["Entrypoint"] = entrypoint or None
    if not state.has_own_cmd:  # The base's CMD was meant for the base's ENTRYPOINT.
        state.config["Cmd"] = None
    return f"ENTRYPOINT {golang.quoted_list(entrypoint)}"


def _env(state: State, statement: Statement) -> str:
    expanded = _expanded_pairs(state, statement)
    for name, value in expanded:
        state.set_variable(name, value)
    return "ENV " + " ".join(f"{name}={value}" for name, value in expanded)


def _expose(state: State, statement: Statement) -> str:
    words = sorted(word for written in statement.words for word in state.expand_to_words(written))
    ports: dict[str, dict] = {}
    for word in words:
        for port in _ports(word):
            ports[port] = {}
    state.config["ExposedPorts"] = (state.config.get("ExposedPorts") or {}) | ports
    return f"EXPOSE {' '.join(words)}"


def _ports(word: str) -> list[str]:
    """`80`, `80-82/udp`, and for the sake of old files `8080:80`, of which the last part counts."""
    match = _PORT.fullmatch(word)
    if match is None or not match["ports"]:
        raise BadRequest(f"No port specified: {word}<empty>")
    protocol = (match["protocol"] or "tcp").lower()
    if not re.fullmatch(r"\d+(-\d+)?", match["ports"], re.ASCII):
        raise BadRequest(f"Invalid containerPort: {match['ports']}")
    first, _, last = match["ports"].partition("-")
    if int(first) > 65535 or int(last or first) > 65535 or int(last or first) < int(first):
        raise BadRequest(f"Invalid containerPort: {match['ports']}")
    if protocol not in ("tcp", "udp", "sctp"):
        raise BadRequest(f"Invalid proto: {match['protocol']}")
    return [f"{port}/{protocol}" for port in range(int(first), int(last or first) + 1)]


def _healthcheck(state: State, statement: Statement) -> str:
    inherited = state.config.get("Healthcheck") or {}
    if state.has_own_healthcheck:
        state.notes.append(f"Note: overriding previous HEALTHCHECK: [{' '.join(inherited['Test'])}]\n")
    state.has_own_healthcheck = True
    check = healthcheck.read(statement.words, statement.is_json, statement.flags)
    state.config["Healthcheck"] = inherited | check.config()  # What is not said stays, as on a Docker Engine.
    return f"HEALTHCHECK {check}"


def _label(state: State, statement: Statement) -> str:
    expanded = _expanded_pairs(state, statement)
    state.config["Labels"] = (state.config["Labels"] or {}) | dict(expanded)
    return "LABEL " + " ".join(f"{name}={value}" for name, value in expanded)


def _maintainer(state: State, statement: Statement) -> str:
    state.author = statement.words[0]
    return f"MAINTAINER {state.author}"


def _onbuild(state: State, statement: Statement) -> str:
    trigger = statement.words[0]
    state.config["OnBuild"] = [*(state.config["OnBuild"] or []), trigger]
    return f"ONBUILD {trigger}"


def _shell(state: State, statement: Statement) -> str:
    state.config["Shell"] = list(statement.words)
    return f"SHELL [{' '.join(statement.words)}]"


def _stopsignal(state: State, statement: Statement) -> str:
    signal = state.expand(statement.words[0])
    signals.number(signal)  # Raises for what is none.
    state.config["StopSignal"] = signal
    return f"STOPSIGNAL {signal}"


def _user(state: State, statement: Statement) -> str:
    state.config["User"] = state.expand(statement.words[0])
    return f"USER {state.config['User']}"


def _volume(state: State, statement: Statement) -> str:
    folders = [state.expand(word).strip() for word in statement.words]
    if "" in folders:
        raise BadRequest("VOLUME specified can not be an empty string")
    state.config["Volumes"] = (state.config["Volumes"] or {}) | {folder: {} for folder in folders}
    return f"VOLUME [{' '.join(folders)}]"


def _expanded_pairs(state: State, statement: Statement) -> list[tuple[str, str]]:
    return [(state.expand(name), state.expand(value)) for name, value in statement.pairs]


INSTRUCTIONS: dict[str, Callable[[State, Statement], str]] = {
    "ARG": _arg,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
}
