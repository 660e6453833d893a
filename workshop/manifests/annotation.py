"""A manifest as a table, with the schema's words beside each field."""

from collections.abc import Iterator, Mapping
from typing import Any

from workshop.manifests.definitions import kinds, steps, versions
from workshop.manifests.fields import Field, field, marked_up, sentences
from workshop.manifests.paths import Keys, UnknownField, find, in_yaml, parse_path, write_path
from workshop.manifests.tables import Cell, Table


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
        _row(indent, text, field(write_path(at), steps(name, at, version)[-1], version))
        for indent, text, at in lines
    ]
    return Table(["in the manifest", "type", f"in the words of Kubernetes {version}"], rows)


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


def _row(indent: int, text: str, about: Field) -> list[Cell]:
    line = " " * indent + text
    first, rest = sentences(about.words)
    words = marked_up(first)
    if rest:
        words = f"<details><summary>{words}</summary>{marked_up(rest)}</details>"
    return [Cell(line, code=True), Cell(about.facts), Cell(first, words)]
