"""Why something does not come up, as an object that shows itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, overload

EVIDENCE_LINES = 14
SHOWN_PODS = 3


@dataclass(frozen=True)
class Explanation:
    """One cause.

    Attributes:
        cause: its name, in a word or two.
        what: what happens, in one sentence.
        why: why it happens, in plain words.
        next: what to do about it.
        evidence: the lines of Kubernetes, or of the log, that say so; word for word.
        pods: the pods that it keeps down; empty where it keeps them from being made.
        time: when it was last seen, as the API writes it.
        patience: for how many seconds it may pass by itself; None where nobody can tell.
    """

    cause: str
    what: str
    why: str
    next: str
    evidence: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    time: str = ""
    patience: float | None = None

    @property
    def _headline(self) -> str:
        if not self.pods:
            return self.what
        count = "1 pod" if len(self.pods) == 1 else f"{len(self.pods)} pods"
        others = f" and {len(self.pods) - SHOWN_PODS} more" if len(self.pods) > SHOWN_PODS else ""
        return f"{self.what} ({count}: {', '.join(self.pods[:SHOWN_PODS])}{others})"

    def __str__(self) -> str:
        evidence = "\n".join(f"    {line}" for line in self.evidence)
        parts = [self._headline, f"Why: {self.why}", f"Next: {self.next}"]
        return "\n".join([*parts, f"Word for word:\n{evidence}"] if evidence else parts)

    def to_html(self) -> str:
        lines = escape("\n".join(self.evidence))
        evidence = (
            f'<pre style="white-space:pre-wrap;background:none;color:inherit;opacity:.8;margin:.4em 0 0">'
            f"{lines}</pre>"
            if lines
            else ""
        )
        why = escape(self.why).replace("\n", "<br>")
        return (
            f'<div style="border-left:4px solid #d64541;padding:.3em .8em;margin:.5em 0;max-width:60em">'
            f"<b>{escape(self._headline)}</b><br>{why}<br>"
            f"<b>Next:</b> {escape(self.next)}{evidence}</div>"
        )


class Explanations(Sequence[Explanation]):
    """The causes that keep something down, newest first; empty where all is well.

    Args:
        about: what they are about, e.g. `recommendations`.
        found: the causes.
        notes: what else a reader should know, e.g. that events could not be read.
    """

    def __init__(self, about: str, found: Iterable[Explanation], notes: Sequence[str] = ()) -> None:
        self._about = about
        self._found = tuple(found)
        self._notes = tuple(notes)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Explanation]: ...

    def __getitem__(self, index: int | slice) -> Explanation | Sequence[Explanation]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        told = list(map(str, self)) or [f"{self._about}: nothing keeps it down."]
        return "\n\n".join([*told, *self._notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        told = "".join(one.to_html() for one in self) or f"{escape(self._about)}: nothing keeps it down."
        notes = "".join(f"<div>{escape(note)}</div>" for note in self._notes)
        return {"text/html": told + notes, "text/plain": str(self)}


def merged(found: Iterable[Explanation]) -> list[Explanation]:
    """The same cause of several pods as one, with the newest's words; newest first."""
    by_cause: dict[tuple[str, str], Explanation] = {}
    for one in sorted(found, key=lambda each: each.time, reverse=True):
        before = by_cause.setdefault((one.cause, one.what), one)
        if before is not one:
            pods = tuple(dict.fromkeys([*before.pods, *one.pods]))
            known = [each.patience for each in (before, one) if each.patience is not None]
            patience = min(known, default=None)
            by_cause[one.cause, one.what] = replace(before, pods=pods, patience=patience)
    return list(by_cause.values())
