"""The report of a rehearsal: one HTML file that needs nothing but a browser."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from nbconvert import HTMLExporter
from nbformat import NotebookNode

from workshop.runner import Run, exercises

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem; }
th, td { border-bottom: 1px solid rgba(128,128,128,.35); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { white-space: pre-wrap; font-size: .9em; }
.good { color: #2e9e5b; } .bad { color: #d64541; }
summary { cursor: pointer; font-weight: 600; padding: .5rem 0; }
pre { overflow-x: auto; padding: .8rem; background: rgba(214,69,65,.12); }
iframe { width: 100%; height: 85vh; border: 1px solid rgba(128,128,128,.5); }
iframe { background: white; color-scheme: light; }
"""
# No request leaves the page: a lesson's frame of a web page would show whatever listens there now.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
HEADS = ("Lesson", "Seconds", "Exercises solved", "Result", "Slowest cell")


@dataclass(frozen=True)
class Slowest:
    """The cell of a notebook that took longest."""

    id: str
    seconds: float


def verdict(run: Run, solved: bool) -> str:
    """What is wrong with a run, in a few words; empty where nothing is.

    Args:
        run: an executed notebook.
        solved: it ran with the solutions filled in, so every exercise must be solved.
    """
    if run.error:
        return "a cell failed"
    missing = [cell.id for cell in exercises(run.notebook) if _mark(cell) != "✓"]
    return f"not solved: {', '.join(missing)}" if solved and missing else ""


def slowest(notebook: NotebookNode) -> Slowest | None:
    """The slowest cell of an executed notebook; None where nothing ran."""
    timed = [Slowest(cell.id, _seconds(cell)) for cell in notebook.cells if _seconds(cell) > 0]
    return max(timed, key=lambda each: each.seconds, default=None)


def counted(runs: Sequence[Run]) -> str:
    """How many lessons, in words."""
    return "1 lesson" if len(runs) == 1 else f"{len(runs)} lessons"


def page(runs: Sequence[Run], solved: bool) -> str:
    """The whole report as HTML: a table, and below it each executed notebook, folded."""
    rows = "".join(_row(run, solved) for run in runs)
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    how = "with the solutions filled in" if solved else "as shipped"
    total = sum(run.seconds for run in runs)
    when = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Rehearsal of the workshop</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        "<body>"
        f"<h1>Rehearsal of the workshop</h1><p>{counted(runs)}, {how}, {total:.0f} s; {when}.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<h2>The notebooks as they ran</h2>{''.join(_notebook(run, solved) for run in runs)}</body></html>"
    )


def _row(run: Run, solved: bool) -> str:
    problem, slow = verdict(run, solved), slowest(run.notebook)
    marks = [_mark(cell) for cell in exercises(run.notebook)]
    return (
        f'<tr><td><a href="#{_anchor(run)}">{escape(run.name)}</a></td>'
        f'<td class="number">{run.seconds:.1f}</td>'
        f'<td class="number">{marks.count("✓")} of {len(marks)}</td>'
        f'<td class="{"bad" if problem else "good"}">{"✗ " + escape(problem) if problem else "✓ ok"}</td>'
        f"<td>{f'<code>{escape(slow.id)}</code> {slow.seconds:.1f} s' if slow else ''}</td></tr>"
    )


def _notebook(run: Run, solved: bool) -> str:
    problem = verdict(run, solved)
    error = f"<pre>{escape(_without_colours(run.error))}</pre>" if run.error else ""
    title = f"{'✗' if problem else '✓'} {escape(run.name)}"
    # A link to what is inside a fold opens the fold.
    document = escape(_html(run.notebook), quote=True)
    frame = f'<iframe id="{_anchor(run)}" title="{escape(run.name)}" srcdoc="{document}"></iframe>'
    return f"<details{' open' if problem else ''}><summary>{title}</summary>{error}{frame}</details>"


def _html(notebook: NotebookNode) -> str:
    """A notebook as a page without scripts: those would come from the internet."""
    text, _ = HTMLExporter().from_notebook_node(notebook)
    return re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL | re.IGNORECASE)


def _mark(cell: NotebookNode) -> str:
    """What the check of an exercise said: ○, ✗ or ✓; empty where it did not run."""
    texts = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return next((text[0] for text in texts if text[:1] in ("○", "✗", "✓")), "")


def _seconds(cell: NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    if "iopub.execute_input" not in times or "shell.execute_reply" not in times:
        return 0.0
    began, ended = (_moment(times[name]) for name in ("iopub.execute_input", "shell.execute_reply"))
    return (ended - began).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _anchor(run: Run) -> str:
    return f"lesson-{run.name[:2]}"


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
