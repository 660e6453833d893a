"""What the explorer tells of one field."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from workshop.manifests.fields import Field, marked_up

_WIDTH = 300  # Of a value; a ConfigMap may hold a whole file.
_BOX = "border-left:4px solid {};padding:.15em .8em;margin:.5em 0"
_NAME = "opacity:.75;margin:0;width:auto;float:none;white-space:nowrap;font-weight:inherit"
_BAD, _OURS = "#d64541", "#e99628"


@dataclass(frozen=True)
class Details:
    """One field, in an object or not.

    Attributes:
        object: kind and name of the object.
        path: where the field is.
        field: what the schema says of it; None where the schema knows none.
        versions: the versions of Kubernetes that have it, in words.
        consequence: what breaks without it, in our words.
        problem: what is wrong with it here.
        note: why the schema says nothing.
        present: whether it stands in the manifest.
        value: what it is there, where that is no object.
    """

    object: str
    path: str
    field: Field | None = None
    versions: str = ""
    consequence: str = ""
    problem: str = ""
    note: str = ""
    present: bool = True
    value: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """Type, default and so on, by what they are called."""
        here = {"Here": textwrap.shorten(self.value, _WIDTH, placeholder=" …")}
        if self.field is None:
            return here
        return here | {
            "Type": self.field.type,
            "Required": "yes" if self.field.required else "not by the schema",
            "Default": self.field.default,
            "May be": ", ".join(self.field.allowed),
            "Known to": self.versions,
        }

    def to_html(self) -> str:
        """The details, for light and dark pages."""
        absent = "" if self.present else " <i>(not in this manifest)</i>"
        return (
            f'<div style="line-height:1.45;font-size:.95em"><b><code>{escape(self.path)}</code></b>{absent}'
            f"{self.inner_html()}</div>"
        )

    def inner_html(self) -> str:
        """The same without the path."""
        rows = "".join(
            f'<dt style="{_NAME}">{name}</dt><dd style="margin:0">{escape(value)}</dd>'
            for name, value in self.facts.items()
            if value
        )
        parts = [_box(_BAD, escape(self.problem)) if self.problem else ""]
        parts.append(f"<p>{escape(self.note)}</p>" if self.note else "")
        if rows:
            style = "display:grid;grid-template-columns:max-content 1fr;gap:0 1em;margin:.4em 0"
            parts.append(f'<dl style="{style}">{rows}</dl>')
        if self.field and self.field.words:
            parts.append(f'<div style="margin:.5em 0">{marked_up(self.field.words)}</div>')
        if self.consequence:
            parts.append(_box(_OURS, f"<b>What breaks without it</b><br>{_code(self.consequence)}"))
        return "".join(parts)

    def __str__(self) -> str:
        facts = [f"{name}: {value}" for name, value in self.facts.items() if value]
        words = [self.field.words] if self.field and self.field.words else []
        ours = [f"What breaks without it: {self.consequence}"] if self.consequence else []
        problem = [f"⚠ {self.problem}"] if self.problem else []
        note = [self.note] if self.note else []
        return "\n".join([self.path, *problem, *note, *facts, *words, *ours])


def span(known: Sequence[str], asked: Sequence[str]) -> str:
    """The versions that know a field, in words.

    Args:
        known: those that know it, oldest first.
        asked: all that were asked.
    """
    if not known:
        return ""
    if list(known) == list(asked):
        return f"every version from {asked[0]} to {asked[-1]}"
    if known[-1] == asked[-1]:
        return f"Kubernetes {known[0]} and newer"
    return f"Kubernetes {known[0]} to {known[-1]}; newer versions no longer"


def _box(colour: str, html: str) -> str:
    return f'<div style="{_BOX.format(colour)}">{html}</div>'


def _code(words: str) -> str:
    """Our own words as HTML: what stands between backticks is code."""
    pieces = escape(words).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))
