"""One field of Kubernetes, with what its schema and the schema's words say of it."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from workshop.manifests.definitions import Step, item, type_of


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
        allowed: the only values that it may have, where the schema or its words name them.
    """

    path: str
    type: str
    required: bool
    default: str
    words: str
    fields: tuple[str, ...]
    allowed: tuple[str, ...] = ()

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
            f"<b><code>{escape(self.path)}</code></b> ({escape(self.facts)})<br>{marked_up(self.words)}"
            f"{f'<br>Inside it: {inside}' if inside else ''}</div>"
        )
        return {"text/html": html, "text/plain": str(self)}


def field(path: str, step: Step, version: str) -> Field:
    """The field at the end of a way through the schema."""
    node = step.node
    words = node.get("description", "")
    kind = type_of(node, version)
    return Field(
        path,
        kind,
        step.required,
        _default(words),
        words,
        tuple(item(node, version).get("properties", {})),
        _allowed(node, kind, words),
    )


def sentences(words: str) -> tuple[str, str]:
    """The first sentence of a description, and the rest."""
    first, *rest = re.split(r"(?<=[^.]\.)\s+(?=[A-Z\"])|\n\n", words, maxsplit=1)
    return first, rest[0] if rest else ""


def marked_up(words: str) -> str:
    """A description as HTML: its addresses can be followed."""
    linked = re.sub(
        r"(https?://[^\s)]+[^\s).,])",
        r'<a href="\1" target="_blank" rel="noopener" style="color:inherit;text-decoration:underline">\1</a>',
        escape(words),
    )
    return linked.replace("\n", "<br>")


_DEFAULTS = (
    re.compile(r"\b[Dd]efaults? (?:is|to|value is) (.+?)(?: More info:|\.(?=\s|$)|$)"),
    re.compile(r"\b[Dd]efault value, ([\"'`]?\w+[\"'`]?),"),
    re.compile(r"([\"'`]?\b[A-Z]\w+[\"'`]?) \(default\)"),
)

# One allowed value: in quotes, or with a capital letter. The schema's words write them in both ways.
_VALUE = r"(?:\[?[\"'`]\w[\w.-]*[\"'`]\]?|[A-Z]\w*)(?: \([^()]*\))?"
_ANNOUNCED = (
    r"(?:(?:[Oo]ne of|[Cc]an be|[Mm]ust be(?: either)?|[Tt]he (?:metric )?type is|[Ss]upports"
    r"|(?:[Vv]alid|[Aa]llowed|[Pp]ossible|[Ss]upported|[Aa]ccepted)(?: \w+)? (?:are|is)|values are|protocol)"
    r"(?: one of)?(?: the following(?: values| options)?)?:?)"
)
# “Exactly one of url or service must be set” names fields, no values.
_OF_FIELDS = r"(?! (?:must|can|should) be (?:set|specified))"
_IN_A_ROW = re.compile(
    rf"{_ANNOUNCED} \(?({_VALUE}(?:, {_VALUE})*,? (?:and|or) {_VALUE})(?![\w-]){_OF_FIELDS}"
)
_WITH_COMMAS = re.compile(rf"\b[Oo]ne of:? ({_VALUE}(?:, {_VALUE})+)(?=\.|$)")
_LISTED = re.compile(
    r"(?:[Oo]ptions|[Vv]alues(?! are either)|[Pp]olicies|[Oo]ne of)[\w ]*:\s(.*)"
    rf"|(?=[-*] {_VALUE} \(default\))(.*)",
    re.DOTALL,
)
_ITEM = re.compile(rf"(?:^|\s)[-*] ({_VALUE}):?\s|(?:^|\n|\. )([A-Z]\w+) - ")


def _default(words: str) -> str:
    found = next((match for pattern in _DEFAULTS if (match := pattern.search(words))), None)
    return found[1] if found else ""


def _allowed(node: Mapping[str, Any], kind: str, words: str) -> tuple[str, ...]:
    if "enum" in node:
        return tuple(map(str, node["enum"]))
    is_text = kind in ("string", "list of strings") and node.get("format") != "byte"
    return _named(words) if is_text else ()


def _named(words: str) -> tuple[str, ...]:
    """The allowed values that the words name, in a sentence or in a list."""
    if match := _IN_A_ROW.search(words) or _WITH_COMMAS.search(words):
        found = re.findall(_VALUE, match[1])
    elif match := _LISTED.search(words):
        found = [one or other for one, other in _ITEM.findall(match[1] or match[2])]
    else:
        return ()
    values = dict.fromkeys(re.sub(r" \(.*|[\"'`\[\]]", "", value) for value in found)
    return tuple(values) if len(values) > 1 else ()
