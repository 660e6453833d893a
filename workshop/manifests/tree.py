"""A manifest opened for reading: its lines, what is wrong with them, and what else could be there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workshop.manifests.consequences import consequence
from workshop.manifests.definitions import item, kinds, known_in, steps, type_of, versions
from workshop.manifests.details import Details, span
from workshop.manifests.fields import field
from workshop.manifests.paths import Keys, UnknownField, find, in_yaml, write_path
from workshop.manifests.validation import problems_of

FOREIGN = "not part of Kubernetes' own schema"
_WIDTH = 72  # Of a value; the rest of a longer one is left out.


@dataclass(frozen=True)
class Node:
    """One line of the tree.

    Attributes:
        keys: the field that it is about.
        indent: how far it stands to the right, in characters.
        text: name and value, as YAML; the end of a long value is left out.
        value: all of the value, where it is on the line.
        problem: what is wrong with it, if anything.
        missing: whether the manifest lacks it, though it is required.
    """

    keys: Keys
    indent: int
    text: str
    value: str = ""
    problem: str = ""
    missing: bool = False

    @property
    def depth(self) -> int:
        """How many fields it is in."""
        return sum(isinstance(key, str) for key in self.keys) - 1

    @property
    def line(self) -> str:
        """The line with its mark, but not indented."""
        mark = "⚠ " if self.problem else ""
        return f"{mark}{self.text}{' (missing)' if self.missing else ''}"


class Tree:
    """One object, opened.

    Args:
        manifest: the object, as YAML gives it.
        version: of Kubernetes.

    Attributes:
        name: kind and name, e.g. `Deployment recommendations`.
        foreign: whether it is of a kind that somebody added to a cluster, and no schema here knows.
        nodes: its lines, in the order of the manifest; what is missing stands last where it should be.
    """

    def __init__(self, manifest: Mapping[str, Any], version: str) -> None:
        self._manifest, self._version = manifest, version
        kind = str(manifest.get("apiVersion")), str(manifest.get("kind"))
        self._definition = kinds(version).get(kind)
        self.foreign = self._definition is None and _is_foreign(kind[0], version)
        self.name = _name(manifest)
        self._missing: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        self._wrong: list[tuple[Keys, str]] = []
        for found in () if self.foreign else problems_of(manifest, version):
            at = _written(found.keys)
            if found.missing:
                self._missing.setdefault(at, []).append((found.missing, found.what))
            else:
                self._wrong.append((found.keys, found.what))
        self.nodes = self._marked([*self._of_mapping(manifest, (), 0), *self._lacking((), 0)])

    def problems(self) -> list[Node]:
        """The lines with which something is wrong."""
        return [node for node in self.nodes if node.problem]

    def about(self, keys: Keys) -> Details:
        """All that is known of a field, be it in the manifest or not."""
        path = write_path(keys)
        lines = [node for node in self.nodes if node.keys[: len(keys)] == keys]
        details = Details(
            self.name,
            path,
            value=next((node.value for node in lines if node.keys == keys), ""),
            problem=next((node.problem for node in lines if node.keys == keys), ""),
            present=any(not node.missing for node in lines),
        )
        if self._definition is None:
            return replace(details, note=f"{self.name} is {FOREIGN}." if self.foreign else "")
        try:
            way = steps(self._definition, keys, self._version)
        except UnknownField:
            return details
        known = known_in(self._definition, keys)
        return replace(
            details,
            field=field(path, way[-1], self._version),
            versions=span(known, versions()),
            consequence=consequence(way, keys),
        )

    def beside(self, keys: Keys) -> dict[str, str]:
        """The fields that could also stand beside one, with their types."""
        return self.inside(keys[:-1])

    def inside(self, keys: Keys) -> dict[str, str]:
        """The fields that could also stand inside one, or in each item of a list, with their types."""
        try:
            if self._definition is None:
                return {}
            node = steps(self._definition, keys, self._version)[-1].node
        except UnknownField:
            return {}
        there = self._names_in(keys)
        possible = item(node, self._version).get("properties", {})
        return {name: type_of(one, self._version) for name, one in possible.items() if name not in there}

    def __str__(self) -> str:
        lines = [f"{' ' * node.indent}{node.line}" for node in self.nodes]
        wrong = [f"⚠ {write_path(node.keys)}: {node.problem}" for node in self.problems()]
        note = [FOREIGN] if self.foreign else []
        return "\n".join([f"# {self.name}", *note, *lines, *wrong])

    def _names_in(self, keys: Keys) -> set[str]:
        try:
            there = find(self._manifest, keys)
        except UnknownField:
            return set()
        items = there if isinstance(there, list) else [there]
        return {str(name) for one in items if isinstance(one, dict) for name in one}

    def _of_mapping(self, mapping: Mapping[Any, Any], keys: Keys, indent: int) -> Iterator[Node]:
        for key, value in mapping.items():
            # Whatever YAML takes a name for, such as a number, the schema compares texts.
            here, name = (*keys, str(key)), key if isinstance(key, str) else in_yaml(key)
            if isinstance(value, dict) and value:
                yield Node(here, indent, f"{name}:")
                yield from self._of_mapping(value, here, indent + 2)
            elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
                yield Node(here, indent, f"{name}:")
                yield from self._of_list(value, here, indent + 2)
            else:
                yield Node(here, indent, f"{name}: {_short(value)}", in_yaml(value))
            yield from self._lacking(here, indent + 2)

    def _of_list(self, values: list[Any], keys: Keys, indent: int) -> Iterator[Node]:
        for number, value in enumerate(values):
            here = (*keys, number)
            if isinstance(value, dict) and value:
                # As in YAML: the dash and the first field share a line.
                first, *rest = self._of_mapping(value, here, indent + 2)
                yield replace(first, indent=indent, text=f"- {first.text}")
                yield from rest
            else:
                yield Node(here, indent, f"- {_short(value)}", in_yaml(value))
            yield from self._lacking(here, indent + 2)

    def _lacking(self, keys: Keys, indent: int) -> Iterator[Node]:
        for name, what in self._missing.get(_written(keys), []):
            yield Node((*keys, name), indent, f"{name}:", problem=what, missing=True)

    def _marked(self, nodes: list[Node]) -> tuple[Node, ...]:
        """The lines with what is wrong; a problem inside a line counts as the line's."""
        lines = {_written(node.keys) for node in nodes}
        told: dict[tuple[str, ...], list[str]] = {}
        for keys, what in self._wrong:
            at = _written(keys)
            while at and at not in lines:
                at = at[:-1]
            said = what if len(at) == len(keys) else f"{write_path(keys)}: {what}"
            told.setdefault(at, []).append(said)
        return tuple(
            node if node.missing else replace(node, problem=" ".join(told.get(_written(node.keys), [])))
            for node in nodes
        )


def _is_foreign(api_version: str, version: str) -> bool:
    """Whether an apiVersion looks like one that was added to a cluster, and not like a mistake."""
    group, slash, _ = api_version.rpartition("/")
    own = {api.rpartition("/")[0] for api, _ in kinds(version)}
    return bool(slash) and "." in group and group not in own


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{manifest.get('kind', 'an object without a kind')} {name or '(no name)'}"


def _written(keys: Keys) -> tuple[str, ...]:
    return tuple(map(str, keys))


def _short(value: Any) -> str:
    text = " ".join(in_yaml(value).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 2]} …"
