"""Read manifests from YAML, and remember on which line every field stands."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any, overload

import yaml

from workshop.errors import PlainError
from workshop.manifests.schema import Keys, write_path


class InvalidYaml(ValueError):
    """The text is no YAML, or no mapping; the message says which line and why."""


class NotBuilt(PlainError):
    """A kustomization that cannot be built here; the message says which file, why, and what to do."""


class Manifest(dict[str, Any]):
    """One object for Kubernetes: a plain dict that knows its file.

    Attributes:
        file: the name of the file that it was read from.
    """

    file: str
    _lines: dict[Keys, int]

    def line(self, keys: Keys) -> int:
        """The line of a field; of the nearest one around it where it is not there itself."""
        while keys not in self._lines:
            keys = keys[:-1]
        return self._lines[keys]

    @property
    def name(self) -> str:
        """Its kind and name, e.g. `Deployment recommendations`."""
        metadata = self.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return f"{self.get('kind', 'an object without a kind')} {name or '(no name)'}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a manifest, in plain words.

    Attributes:
        file: the file's name.
        line: the line, counted from 1.
        object: kind and name.
        path: the field.
        what: what is wrong, and what is allowed or to do.
        versions: the versions of Kubernetes that say so; empty where all that were asked do.
    """

    file: str
    line: int
    object: str
    path: str
    what: str
    versions: tuple[str, ...] = ()

    @property
    def _said(self) -> str:
        return f"In Kubernetes {_span(self.versions)}: {self.what}" if self.versions else self.what

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}: {self.object}, {self.path}".rstrip(", ")
        return f"{where}\n    {self._said}"

    def to_html(self) -> str:
        return (
            f'<div style="border-left:4px solid #d64541;padding:.3em .8em;margin:.4em 0;max-width:60em">'
            f"{escape(self.file)}, line {self.line}: {escape(self.object)}<br>"
            f"<code>{escape(self.path)}</code><br>{escape(self._said)}</div>"
        )


class Problems(Sequence[Problem]):
    """What was found; empty where all is well.

    Args:
        found: the problems, in the order in which they are shown.
    """

    def __init__(self, found: Iterable[Problem]) -> None:
        self._found = tuple(found)

    @overload
    def __getitem__(self, index: int) -> Problem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Problem]: ...

    def __getitem__(self, index: int | slice) -> Problem | Sequence[Problem]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "Nothing found."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        html = "".join(one.to_html() for one in self) or "Nothing found."
        return {"text/html": html, "text/plain": str(self)}


def problem(manifest: Manifest, keys: Keys, what: str, versions: tuple[str, ...] = ()) -> Problem:
    """A problem with the field at `keys` of a manifest."""
    return Problem(manifest.file, manifest.line(keys), manifest.name, write_path(keys), what, versions)


def parse(text: str, file: str = "manifest.yaml") -> list[Manifest]:
    """Read the manifests in a text; `---` stands between two of them.

    Args:
        text: YAML.
        file: what to call it in messages.

    Raises:
        InvalidYaml: it is no YAML, an object is no mapping, or a field is there twice.
    """
    with _in_plain_words(text, file):
        return list(_manifests(text, file))


def documents(text: str, file: str) -> list[Any]:
    """Read what a YAML text holds, be it mappings or lists.

    Args:
        text: YAML.
        file: what to call it in messages.

    Raises:
        InvalidYaml: it is no YAML.
    """
    with _in_plain_words(text, file):
        return [document for document in yaml.safe_load_all(text) if document is not None]


def copied(value: Any) -> Any:
    """A copy in which nothing is shared, not even what YAML's anchors made one in the original."""
    if isinstance(value, dict):
        return {key: copied(inside) for key, inside in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


@contextmanager
def _in_plain_words(text: str, file: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        raise InvalidYaml(_plain(error, text, file)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidYaml(f"{file} is no YAML: {error}") from None


def _manifests(text: str, file: str) -> Iterator[Manifest]:
    loader = yaml.SafeLoader(text)
    while loader.check_node():
        node = loader.get_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            continue  # An empty document, as between two separators.
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1
            raise InvalidYaml(
                f"{file}, line {line}: an object begins here that has no fields. "
                f"A manifest begins with apiVersion: and kind:, without dashes."
            )
        lines: dict[Keys, int] = {}
        _remember_lines(node, (), lines, file)
        manifest = Manifest(loader.construct_document(node))
        manifest.file, manifest._lines = file, lines
        yield manifest


def _remember_lines(node: yaml.Node, keys: Keys, lines: dict[Keys, int], file: str) -> None:
    lines.setdefault(keys, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _remember_lines(item, (*keys, number), lines, file)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                raise InvalidYaml(
                    f"{file}, line {line}: the name of a field must be a text, without brackets."
                )
            here, line = (*keys, key.value), key.start_mark.line + 1
            if here in lines:
                raise InvalidYaml(
                    f"{file}, line {line}: “{write_path(here)}” is there a second time; "
                    f"the first is on line {lines[here]}. Keep one of them."
                )
            lines[here] = line
            _remember_lines(value, here, lines, file)


def _plain(error: yaml.MarkedYAMLError, text: str, file: str) -> str:
    """Say what the parser found, in plain words and in its own."""
    own = ", ".join(filter(None, [error.context, error.problem]))
    in_key = error.context == "while scanning a simple key"  # Only its beginning is on the faulty line.
    mark = error.context_mark if in_key else error.problem_mark
    if mark is None:
        return f"{file} is no YAML: {own}"
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    meaning = next((plain for theirs, plain in _MEANINGS if theirs in own), "This is no YAML.")
    if "\t" in line[: len(line) - len(line.lstrip())]:
        meaning = _TAB
    shown = line.replace("\t", "→")
    return f"{file}, line {mark.line + 1}: {meaning}\n    {shown}\nThe YAML parser says: {own}."


_TAB = "The line is indented with a tab (→). YAML indents with spaces only."

# What PyYAML says, and what that mostly means.
_MEANINGS = (
    ("\\t", _TAB),
    (
        "mapping values are not allowed",
        "No field can begin here. Either the line is indented too far, or a text with a colon needs quotes.",
    ),
    ("could not find expected ':'", "A field's name needs a colon and a space behind it."),
    ("expected <block end>", "The indentation fits none of the lines above it."),
    ("expected ',' or", "A bracket was opened and not closed."),
    ("found unexpected end of stream", "A quotation mark was opened and not closed."),
)


def _span(versions: tuple[str, ...]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"
