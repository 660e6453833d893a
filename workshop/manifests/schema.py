"""What Kubernetes' own schema says about a field: its words, type, default, whether it must be there.

The schemas are those that the package kubernetes-validate carries: one file of definitions for every
version of Kubernetes, made from what its API server publishes. `kubectl explain` shows the same words.

    explain("deployment.spec.replicas")
    annotate(manifest, "spec.template.spec.containers[0].readinessProbe")
"""

import difflib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from workshop.manifests.tables import Cell, Table

OLDEST = "1.30"  # What the workshop's manifests promise to fit.

Keys = tuple[str | int, ...]


class UnknownField(LookupError):
    """No field has this path, or no object of Kubernetes this kind; the message names the nearest."""


@dataclass(frozen=True)
class Field:
    """One field, as the schema describes it.

    Attributes:
        path: where it stands.
        type: `string`, `integer`, `object`, `list of objects` …
        required: whether it must be there wherever the object around it is.
        default: what holds without it, in the schema's words; empty where it says nothing.
        words: the description, unabridged.
        fields: the names of the fields inside it.
    """

    path: str
    type: str
    required: bool
    default: str
    words: str
    fields: tuple[str, ...]

    @property
    def facts(self) -> str:
        """Its type, and whether it is required or what its default is, in a few words."""
        default = textwrap.shorten(self.default, 18, placeholder=" …")
        extra = "required" if self.required else f"default {default}" if default else ""
        return ", ".join(filter(None, [self.type, extra]))

    def __str__(self) -> str:
        inside = f"\nInside it: {', '.join(self.fields)}" if self.fields else ""
        return f"{self.path} ({self.facts})\n{self.words}{inside}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        inside = ", ".join(f"<code>{escape(name)}</code>" for name in self.fields)
        html = (
            f'<div style="border-left:3px solid rgba(128,128,128,.5);padding:.2em .9em;max-width:60em">'
            f"<b><code>{escape(self.path)}</code></b> ({escape(self.facts)})<br>{_marked_up(self.words)}"
            f"{f'<br>Inside it: {inside}' if inside else ''}</div>"
        )
        return {"text/html": html, "text/plain": str(self)}


def versions(oldest: str = OLDEST) -> list[str]:
    """The versions of Kubernetes that the schemas know, from `oldest` on, oldest first."""
    found = [match[1] for folder in _folder().iterdir() if (match := _VERSION.match(folder.name))]
    return sorted((version for version in found if _number(version) >= _number(oldest)), key=_number)


@cache
def definitions(version: str) -> dict[str, Any]:
    """Every strict definition of one version of Kubernetes, by its full name."""
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


def explain(path: str, version: str | None = None) -> Field:
    """Look a field up, like `kubectl explain deployment.spec.replicas`.

    Args:
        path: the kind, then the names of the fields; `containers[0].image` and `containers.image` both do.
        version: of Kubernetes; by default the newest that the schemas know.

    Raises:
        UnknownField: there is no such kind or field.
    """
    version = version or versions()[-1]
    kind, *keys = parse_path(path)
    return _field(path, _steps(_newest(str(kind), version), tuple(keys), version)[-1], version)


def annotate(
    manifest: Mapping[str, Any], path: str = "", depth: int | None = None, version: str | None = None
) -> Table:
    """Show a manifest, or the part of it at `path`, with the schema's words beside each field.

    Args:
        manifest: a Kubernetes object.
        path: where to begin, e.g. `spec.template.spec.containers[0].ports`; by default at the top.
        depth: how many levels to show; by default all.
        version: of Kubernetes; by default the newest that the schemas know.

    Raises:
        UnknownField: the manifest has nothing at `path`, or the schema no such field.
    """
    version = version or versions()[-1]
    keys = parse_path(path)
    kind = f"{manifest['apiVersion']} {manifest['kind']}"
    name = kinds(version).get((manifest["apiVersion"], manifest["kind"]))
    if name is None:
        raise UnknownField(f"Kubernetes {version} has no {kind}")
    lines = _lines(_shown(manifest, keys), keys, depth)
    rows = [
        _row(indent, text, _field(write_path(at), _steps(name, at, version)[-1], version))
        for indent, text, at in lines
    ]
    return Table(["in the manifest", "type", f"in the words of Kubernetes {version}"], rows)


def find(manifest: Any, path: str | Keys) -> Any:
    """What a manifest has at `path`.

    Raises:
        UnknownField: it has nothing there.
    """
    keys = parse_path(path) if isinstance(path, str) else path
    for position, key in enumerate(keys):
        try:
            manifest = manifest[key]
        except (KeyError, IndexError, TypeError):
            raise UnknownField(f"the manifest has no {write_path(keys[: position + 1])}") from None
    return manifest


def in_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def parse_path(path: str) -> Keys:
    """Split `spec.ports[0]["a.b/c"]` into `("spec", "ports", 0, "a.b/c")`."""
    pieces = re.findall(r'\["([^"]*)"\]|\[(\d*)\]|([^.\[\]]+)', path)
    return tuple(
        quoted or (int(number) if number else name)
        for quoted, number, name in pieces
        if quoted or number or name
    )


def write_path(keys: Keys) -> str:
    """The opposite of `parse_path`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if re.fullmatch(r"[\w-]+", key) else f'["{key}"]'
    return text.removeprefix(".")


def node_at(name: str, keys: Keys, version: str) -> dict[str, Any]:
    """The schema of the field at `keys` inside the definition `name`, with references followed.

    Raises:
        UnknownField: there is no such field.
    """
    return _steps(name, keys, version)[-1][0]


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
_DEFAULT = re.compile(r"\b[Dd]efaults? (?:is|to|value is) (.+?)(?:\.(?=\s|$)|$)")

# A node with its references followed, and whether the node around it requires it.
_Step = tuple[dict[str, Any], bool]


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


def _newest(kind: str, version: str) -> str:
    """The definition of a kind in its newest stable apiVersion."""
    found = {api: name for (api, known), name in kinds(version).items() if known.lower() == kind.lower()}
    if not found:
        raise UnknownField(
            f"Kubernetes {version} has no kind “{kind}”{_nearest(kind, {k for _, k in kinds(version)})}"
        )
    return found[max(found, key=lambda api: (not re.search("alpha|beta", api), "/" in api, api))]


def _steps(name: str, keys: Keys, version: str) -> list[_Step]:
    steps: list[_Step] = [(definitions(version)[name], True)]
    for position, key in enumerate(keys):
        around = _item(steps[-1][0], version) if isinstance(key, str) else steps[-1][0]
        inside = _child(around, key)
        if inside is None:
            before = write_path(keys[:position]) or name.split(".")[-1]
            known = sorted(around.get("properties", {}))
            raise UnknownField(f"{before} has no field “{key}”{_nearest(str(key), known)}")
        steps.append((_followed(inside, version), key in around.get("required", [])))
    return steps


def _item(node: dict[str, Any], version: str) -> dict[str, Any]:
    """What a list holds, so that its index may be left out of a path."""
    return _followed(node["items"], version) if "items" in node else node


def _child(node: Mapping[str, Any], key: str | int) -> dict[str, Any] | None:
    if isinstance(key, int):
        return node.get("items")
    others = node.get("additionalProperties")
    return node.get("properties", {}).get(key, others if isinstance(others, dict) else None)


def _followed(node: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The node with what it refers to; its own description counts more than the other's."""
    while "$ref" in node:
        own = {key: value for key, value in node.items() if key != "$ref"}
        node = {**definitions(version)[node["$ref"].rpartition("/")[2]], **own}
    return dict(node)


def _nearest(name: str, known: Any) -> str:
    by_small = {option.lower(): option for option in known}
    close = difflib.get_close_matches(name.lower(), by_small, n=1)
    return f"; did you mean “{by_small[close[0]]}”?" if close else ""


def _field(path: str, step: _Step, version: str) -> Field:
    node, required = step
    words = node.get("description", "")
    default = _DEFAULT.search(words)
    fields = tuple(_item(node, version).get("properties", {}))
    return Field(path, type_of(node, version), required, default[1] if default else "", words, fields)


def _shown(manifest: Any, keys: Keys) -> Any:
    """The part of the manifest at `keys`, still under its own name where it has one."""
    value = find(manifest, keys)
    return {keys[-1]: value} if keys and isinstance(keys[-1], str) else value


def _lines(shown: Any, keys: Keys, depth: int | None) -> Iterator[tuple[int, str, Keys]]:
    if keys and isinstance(keys[-1], str):
        keys = keys[:-1]
        depth = depth + 1 if depth is not None else None
    return _of_mapping(shown, keys, 0, depth)


def _of_mapping(
    mapping: Mapping[str, Any], keys: Keys, indent: int, depth: int | None
) -> Iterator[tuple[int, str, Keys]]:
    """The lines of a mapping as YAML: how far each is indented, its text, and the path it is about."""
    deeper = None if depth is None else depth - 1
    for key, value in mapping.items():
        here = (*keys, key)
        is_list = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
        if not is_list and not (isinstance(value, dict) and value):
            yield indent, f"{key}: {in_yaml(value)}", here
        elif deeper == 0:
            yield indent, f"{key}: …", here
        elif is_list:
            yield indent, f"{key}:", here
            for number, item in enumerate(value):
                first, *rest = _of_mapping(item, (*here, number), indent + 4, deeper)
                yield indent + 2, f"- {first[1]}", first[2]
                yield from rest
        else:
            yield indent, f"{key}:", here
            yield from _of_mapping(value, here, indent + 2, deeper)


def _row(indent: int, text: str, field: Field) -> list[Cell]:
    line = " " * indent + text
    first, rest = _sentences(field.words)
    words = _marked_up(first)
    if rest:
        words = f"<details><summary>{words}</summary>{_marked_up(rest)}</details>"
    return [Cell(line, code=True), Cell(field.facts), Cell(first, words)]


def _sentences(words: str) -> tuple[str, str]:
    """The first sentence of a description, and the rest."""
    first, *rest = re.split(r"(?<=[^.]\.)\s+(?=[A-Z\"])|\n\n", words, maxsplit=1)
    return first, rest[0] if rest else ""


def _marked_up(words: str) -> str:
    linked = re.sub(
        r"(https?://[^\s)]+[^\s).,])", r'<a href="\1" target="_blank" rel="noopener">\1</a>', escape(words)
    )
    return linked.replace("\n", "<br>")
