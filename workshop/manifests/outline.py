"""Manifests as a tree that folds by itself, for pages that no kernel stands behind."""

from collections.abc import Sequence
from html import escape

from workshop.manifests.tables import CODE
from workshop.manifests.tree import FOREIGN, Node, Tree

MOST = 20  # Objects with all their words; a page with hundreds would be megabytes.


def outline(trees: Sequence[Tree]) -> str:
    """The trees as HTML: every line opens, and says what is known of it."""
    pieces = [_object(tree, opened=len(trees) == 1) for tree in trees[:MOST]]
    if left := len(trees) - MOST:
        pieces.append(f"<p>{left} more objects are in the live explorer only.</p>" if left > 0 else "")
    return f'<div style="margin:.4em 0;max-width:70em">{"".join(pieces)}</div>'


def _object(tree: Tree, opened: bool) -> str:
    note = f" ({FOREIGN})" if tree.foreign else ""
    title = f"<summary><b>{escape(tree.name)}</b>{note}</summary>"
    return f"<details{' open' if opened else ''}>{title}{_lines(tree, list(tree.nodes))}</details>"


def _lines(tree: Tree, nodes: list[Node]) -> str:
    """The lines of one level, each with those inside it."""
    if not nodes:
        return ""
    starts = [place for place, node in enumerate(nodes) if node.depth == nodes[0].depth]
    ends = [*starts[1:], len(nodes)]
    return "".join(
        _line(tree, nodes[start], nodes[start + 1 : end]) for start, end in zip(starts, ends, strict=True)
    )


def _line(tree: Tree, node: Node, inner: list[Node]) -> str:
    told = tree.about(node.keys).inner_html()
    title = f'<span style="{CODE}">{escape(node.line)}</span>'
    return (
        f'<details style="margin-left:1.2em"><summary>{title}</summary>'
        f'<div style="margin-left:1.4em;font-size:.92em">{told}</div>{_lines(tree, inner)}'
        "</details>"
    )
