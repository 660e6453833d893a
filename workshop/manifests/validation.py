"""Compare manifests with the official schemas of every version, and say in plain words what is wrong."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from workshop.manifests import schema
from workshop.manifests.files import Manifest, Problems, problem
from workshop.manifests.schema import Keys
from workshop.manifests.tables import Cell, Table


class Found(NamedTuple):
    """What one version's schema has against an object.

    Attributes:
        keys: where; of a missing field, the place that it is missing from.
        what: what is wrong, in plain words.
        missing: the name of the field that is missing, if that is the problem.
    """

    keys: Keys
    what: str
    missing: str = ""


class Report:
    """What the schemas say of some objects.

    Attributes:
        versions: the versions of Kubernetes that were asked.
        problems: all that is wrong; the same problem in several versions is there once.
    """

    def __init__(self, objects: Sequence[Manifest], versions: Sequence[str], problems: Problems) -> None:
        self.versions = list(versions)
        self.problems = problems
        self._objects = list(objects)

    def __bool__(self) -> bool:
        """Whether everything is valid."""
        return not self.problems

    def _table(self) -> Table:
        rows: list[list[Cell | str]] = [
            [manifest.name, *(self._mark(manifest, version) for version in self.versions)]
            for manifest in self._objects
        ]
        return Table(["valid in Kubernetes", *self.versions], rows)

    def _mark(self, manifest: Manifest, version: str) -> Cell:
        own = [p for p in self.problems if (p.file, p.object) == (manifest.file, manifest.name)]
        bad = any(not p.versions or version in p.versions for p in own)
        return Cell("✗", colour="bad") if bad else Cell("✓", colour="good")

    def __str__(self) -> str:
        return "\n".join([str(self._table()), *map(str, self.problems)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        told = "".join(one.to_html() for one in self.problems)
        return {"text/html": self._table().to_html() + told, "text/plain": str(self)}


def validate(objects: Sequence[Manifest], versions: Sequence[str] | None = None) -> Report:
    """Compare objects with the strict schemas of Kubernetes: no unknown field, no wrong type.

    Args:
        objects: as `load` or `parse` returns them.
        versions: of Kubernetes; by default all from 1.30 that the schemas know.
    """
    versions = list(versions or schema.versions())
    found: dict[tuple[int, Keys, str], list[str]] = {}
    for number, manifest in enumerate(objects):
        for version in versions:
            for one in problems_of(manifest, version):
                found.setdefault((number, one.keys, one.what), []).append(version)
    problems = Problems(
        problem(objects[number], keys, what, () if seen == versions else tuple(seen))
        for (number, keys, what), seen in found.items()
    )
    return Report(objects, versions, problems)


def problems_of(manifest: Mapping[str, Any], version: str) -> Iterator[Found]:
    """Everything that one version's schema has against an object."""
    names = schema.kinds(version)
    name = names.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if name is None:
        yield _unknown_kind(manifest, names)
        return
    for error in _validator(name, version).iter_errors(dict(manifest)):
        keys = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in error.instance:
                if key not in known:
                    what = _unknown_field(str(key), known, manifest, name, keys, version)
                    yield Found((*keys, str(key)), what)
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield Found(keys, _missing(key, name, keys, version), key)
        else:
            yield Found(keys, _wrong_type(error.instance, schema.type_of(error.schema, version)))


@cache
def _validator(name: str, version: str) -> Any:
    from jsonschema import Draft202012Validator  # Takes a second to load.

    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema.definitions(version)})


def _unknown_kind(manifest: Mapping[str, Any], names: dict[tuple[str, str], str]) -> Found:
    api, kind = manifest.get("apiVersion"), manifest.get("kind")
    for key, value in (("apiVersion", api), ("kind", kind)):
        if not isinstance(value, str):
            return Found((), f"“{key}” is missing. Every object begins with apiVersion and kind.", key)
    right = [known_api for known_api, known in names if known == kind]
    if right:
        where = " or ".join(sorted(right))
        return Found(("apiVersion",), f"There is no {kind} in “{api}”. Its apiVersion is {where}.")
    nearest = _did_you_mean(str(kind), [known for _, known in names])
    return Found(("kind",), f"There is no kind “{kind}”.{nearest}")


def _unknown_field(
    key: str, known: list[str], manifest: Mapping[str, Any], name: str, keys: Keys, version: str
) -> str:
    what = f"There is no field “{key}” here."
    if others := schema.known_in(name, (*keys, key)):
        return f"{what} Other versions have it: Kubernetes {others[0]} to {others[-1]}."
    if home := _home(key, manifest, name, keys, version):
        return f"{what} It belongs in {home}: check the indentation."
    return what + (_did_you_mean(key, known) or f" Allowed are: {', '.join(known)}.")


def _home(key: str, manifest: Mapping[str, Any], name: str, keys: Keys, version: str) -> str | None:
    """Where else near `keys` this field is known: in something that stands beside it, or further out."""
    around = schema.find(manifest, keys)
    inside = [(*keys, other) for other in around]
    first_items = [(*at, 0) for at in inside if isinstance(schema.find(manifest, at), list)]
    outside = [keys[:end] for end in range(len(keys) - 1, -1, -1)]
    for place in inside + first_items + outside:
        try:
            node = schema.node_at(name, place, version)
        except schema.UnknownField:
            continue
        if key in node.get("properties", {}):
            return schema.write_path(place) or "the object itself"
    return None


def _missing(key: str, name: str, keys: Keys, version: str) -> str:
    words = schema.node_at(name, (*keys, key), version).get("description", "")
    said = f" The schema says of it: “{words}”" if words else ""
    return f"The field “{key}” is missing, and it is required.{said}"


def _wrong_type(value: Any, wanted: str) -> str:
    what = f"This must be {_with_article(wanted)}, and it is {_described(value)}."
    if wanted == "string" and not isinstance(value, dict | list | None):
        written = str(value).lower() if isinstance(value, bool) else value
        return f'{what} Put it in quotes: "{written}".'
    if wanted == "integer" and isinstance(value, str):
        return f"{what} {'Leave the quotes out.' if value.isdigit() else 'Write a number.'}"
    if wanted == "boolean":
        return f"{what} Write true or false, without quotes."
    if wanted.startswith("list") and value is not None:
        return f"{what} Begin each item with a dash."
    if value is None:
        return f"{what} Perhaps what follows is not indented far enough."
    return what


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _described(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, str):
        return f"the text “{value}”"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return f"the number {value}" if isinstance(value, int | float) else f"the date {value}"


def _did_you_mean(name: str, known: list[str]) -> str:
    by_small = {option.lower(): option for option in known}
    close = difflib.get_close_matches(name.lower(), by_small, n=1, cutoff=0.7)
    return f" Did you mean “{by_small[close[0]]}”?" if close else ""
