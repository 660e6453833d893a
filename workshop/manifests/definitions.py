"""The definitions of every version of Kubernetes, and the way through them to one field.

The package kubernetes-validate carries them: one file for every version, made from what its API server
publishes.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from workshop.manifests.paths import Keys, UnknownField, write_path

OLDEST = "1.30"  # What the workshop's manifests promise to fit.


class Step(NamedTuple):
    """One field on the way.

    Attributes:
        node: its schema, with references followed.
        required: whether the node around it requires it.
        definition: the short name of the definition that it refers to, such as `Container`, if any.
    """

    node: dict[str, Any]
    required: bool
    definition: str


def versions(oldest: str = OLDEST) -> list[str]:
    """The versions of Kubernetes that the schemas know, from `oldest` on, oldest first."""
    found = [match[1] for folder in _folder().iterdir() if (match := _VERSION.match(folder.name))]
    return sorted((version for version in found if _number(version) >= _number(oldest)), key=_number)


@cache
def definitions(version: str) -> dict[str, Any]:
    """Every strict definition of one version of Kubernetes, by its full name.

    Raises:
        UnknownField: the schemas do not know this version.
    """
    file = _folder() / f"v{version}.0-local-strict" / "_definitions.json"
    if not file.exists():
        raise UnknownField(f"there is no schema for Kubernetes {version}; there are {', '.join(versions())}")
    return json.loads(file.read_text(encoding="utf-8"))["$defs"]


@cache
def kinds(version: str) -> dict[tuple[str, str], str]:
    """The name of the definition of every kind of object, by apiVersion and kind."""
    found = {}
    for name, definition in definitions(version).items():
        for about in definition.get("x-kubernetes-group-version-kind", []):
            api_version = "/".join(filter(None, [about["group"], about["version"]]))
            found[api_version, about["kind"]] = name
    return found


def newest(kind: str, version: str) -> str:
    """The definition of a kind in its newest stable apiVersion.

    Raises:
        UnknownField: there is no such kind.
    """
    found = {api: name for (api, known), name in kinds(version).items() if known.lower() == kind.lower()}
    if not found:
        raise UnknownField(
            f"Kubernetes {version} has no kind “{kind}”{_nearest(kind, {k for _, k in kinds(version)})}"
        )
    return found[max(found, key=lambda api: (not re.search("alpha|beta", api), "/" in api, api))]


def steps(name: str, keys: Keys, version: str) -> list[Step]:
    """The way from the definition `name` to the field at `keys`, both included.

    Raises:
        UnknownField: there is no such field.
    """
    found = [Step(definitions(version)[name], True, _short(name))]
    for position, key in enumerate(keys):
        around = found[-1].node
        if isinstance(key, str):
            around = item(around, version)  # An index may be left out.
        inside = _child(around, key)
        if inside is None:
            before = write_path(keys[:position]) or _short(name)
            known = sorted(around.get("properties", {}))
            raise UnknownField(f"{before} has no field “{key}”{_nearest(str(key), known)}")
        required = key in around.get("required", [])
        found.append(Step(_followed(inside, version), required, _definition(inside)))
    return found


def node_at(name: str, keys: Keys, version: str) -> dict[str, Any]:
    """The schema of the field at `keys` inside the definition `name`, with references followed.

    Raises:
        UnknownField: there is no such field.
    """
    return steps(name, keys, version)[-1].node


def known_in(name: str, keys: Keys) -> list[str]:
    """The versions of Kubernetes whose definition `name` has a field at `keys`."""
    found = []
    for version in versions():
        with suppress(UnknownField, KeyError):
            node_at(name, keys, version)
            found.append(version)
    return found


def item(node: dict[str, Any], version: str) -> dict[str, Any]:
    """What a list holds; anything else as it is."""
    return _followed(node["items"], version) if "items" in node else node


def type_of(node: Mapping[str, Any], version: str) -> str:
    """The type of a schema, in words: `string`, `list of objects`, `string or integer` …"""
    node = _followed(node, version)
    if "oneOf" in node:
        return " or ".join(type_of(choice, version) for choice in node["oneOf"])
    types = node.get("type", "object")
    kind = types if isinstance(types, str) else next(name for name in types if name != "null")
    if kind == "array":
        return f"list of {_plural(type_of(node['items'], version))}"
    if kind == "object" and "properties" not in node and "additionalProperties" in node:
        return f"map of {_plural(type_of(node['additionalProperties'], version))}"
    return kind


_VERSION = re.compile(r"v(\d+\.\d+)\.\d+-local-strict$")


def _plural(kind: str) -> str:
    return re.sub(r"(string|integer|number|boolean|object)\b", r"\1s", kind)


@cache
def _folder() -> Path:
    # Found, not imported: the package itself takes a second to load.
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("kubernetes-validate is not installed; `make lab` installs it")
    return Path(spec.origin).parent / "kubernetes-json-schema"


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _child(node: Mapping[str, Any], key: str | int) -> dict[str, Any] | None:
    if isinstance(key, int):
        return node.get("items")
    others = node.get("additionalProperties")
    return node.get("properties", {}).get(key, others if isinstance(others, dict) else None)


def _followed(node: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The node with what it refers to; its own description counts more than the other's."""
    while "$ref" in node:
        own = {key: value for key, value in node.items() if key != "$ref"}
        node = {**definitions(version)[_referred(node)], **own}
    return dict(node)


def _definition(node: Mapping[str, Any]) -> str:
    """The short name of the definition that a field, or each item of a list, refers to."""
    node = node.get("items", node)
    return _short(_referred(node)) if "$ref" in node else ""


def _referred(node: Mapping[str, Any]) -> str:
    return str(node["$ref"]).rpartition("/")[2]


def _nearest(name: str, known: Iterable[str]) -> str:
    by_small = {option.lower(): option for option in known}
    close = difflib.get_close_matches(name.lower(), by_small, n=1)
    return f"; did you mean “{by_small[close[0]]}”?" if close else ""
