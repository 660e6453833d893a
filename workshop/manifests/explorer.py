"""The explorer: any manifest as a tree, and beside it all that is known of the chosen field."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import ipywidgets  # type: ignore[import-untyped]

from workshop.manifests.definitions import definitions, versions
from workshop.manifests.files import InvalidYaml, parse
from workshop.manifests.outline import outline
from workshop.manifests.paths import Keys
from workshop.manifests.tree import FOREIGN, Tree

Source = str | Mapping[str, Any] | Sequence[Mapping[str, Any]]

# Spaces that a browser keeps at the beginning of a line.
_HARD_SPACE = "\N{NO-BREAK SPACE}"

# JupyterLab takes arrow keys, Enter and letters for commands to the notebook wherever nobody types text; this
# attribute of its own leaves them to the lists and buttons in here.
_OWN_KEYS = "this.closest('.manifest-explorer').setAttribute('data-lm-suppress-shortcuts', 'true')"

_STYLE = f"""<style onload="{_OWN_KEYS}">
.manifest-explorer select {{
  font-family: var(--jp-code-font-family, ui-monospace, Menlo, Consolas, monospace);
}}
.manifest-explorer .manifest-explorer-list {{ flex-direction: column; }}
.manifest-explorer .manifest-explorer-list > label {{ width: auto; text-align: left; }}
.manifest-explorer .manifest-explorer-list > select {{ width: 100%; }}
</style>"""

_EXAMPLE = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: mine\n…"


def explore(source: Source, version: str | None = None) -> "Explorer":
    """Show manifests as a tree; pick a field to read about it, like `kubectl explain` beside the file.

    Args:
        source: an object, several of them, or the text of a manifest.
        version: of Kubernetes; by default the newest that the schemas know.

    Raises:
        UnknownField: the schemas do not know this version.
    """
    version = version or versions()[-1]
    definitions(version)  # Now rather than at the first click.
    return Explorer(source, version)


class Explorer(ipywidgets.VBox):
    """A tree on the left, what is known of the chosen field on the right, and a box for other manifests.

    Where there is no kernel, as in exported HTML, a tree of the same words stands that folds by itself.

    Args:
        source: what to show at first.
        version: of Kubernetes.
    """

    def __init__(self, source: Source, version: str) -> None:
        self._version = version
        self._trees: list[Tree] = []
        self._anchor: Keys = ()  # Whose neighbours the two lists hold.
        self._shown: Keys = ()
        self._filling = False
        self._make_parts()
        self._arrange()
        self._react()
        if isinstance(source, str):
            self._text.value = source
            self._read()
        else:
            self._open(source)

    def _make_parts(self) -> None:
        self._object = ipywidgets.Dropdown(description="Object", layout=ipywidgets.Layout(width="auto"))
        self._fields = ipywidgets.Select(rows=30, layout=ipywidgets.Layout(width="auto", height="auto"))
        self._details = ipywidgets.HTML(
            tabbable=True, layout=ipywidgets.Layout(overflow="auto", height="25em")
        )
        self._beside, self._inside = _list("Could also stand beside it"), _list("Could also stand in it")
        self._enter = ipywidgets.Button(description="Look into it", disabled=True)
        self._back = ipywidgets.Button(description="Back to the tree's field", disabled=True)
        self._back.layout.width = "auto"
        self._text = ipywidgets.Textarea(rows=6, placeholder=_EXAMPLE)
        self._text.layout = ipywidgets.Layout(width="auto")
        self._button = ipywidgets.Button(description="Read it", button_style="primary")
        self._message = ipywidgets.HTML()

    def _arrange(self) -> None:
        wide = ipywidgets.Layout(flex="1 1 20em", min_width="16em")
        left = ipywidgets.VBox([self._object, self._fields], layout=wide)
        lists = ipywidgets.HBox([self._beside, self._inside])
        buttons = ipywidgets.HBox([self._enter, self._back])
        right = ipywidgets.VBox([self._details, lists, buttons])
        right.layout = ipywidgets.Layout(flex="2 1 26em", min_width="16em")
        self._whole = ipywidgets.HBox([left, right], layout=ipywidgets.Layout(flex_flow="row wrap"))
        self._whole.layout.display = "none"  # Until there is something to show.
        asked = ipywidgets.HTML("<b>Another manifest</b>: paste its YAML, or that of several.")
        below = [asked, self._text, ipywidgets.HBox([self._button]), self._message]
        super().__init__([ipywidgets.HTML(_STYLE), self._whole, *below])
        self.add_class("manifest-explorer")

    def _react(self) -> None:
        self._object.observe(lambda _: self._show_object(), "value")
        self._fields.observe(lambda _: self._choose_line(), "value")
        self._beside.observe(lambda change: self._choose_other(self._beside, change.new), "value")
        self._inside.observe(lambda change: self._choose_other(self._inside, change.new), "value")
        self._enter.on_click(lambda _: self._stand_at(self._shown))
        self._back.on_click(lambda _: self._choose_line())
        self._button.on_click(lambda _: self._read())

    def _read(self) -> None:
        """Open what is in the text box, or say why that cannot be."""
        try:
            found = parse(self._text.value, "your text")
        except InvalidYaml as error:
            self._say(str(error))
            return
        if found:
            self._open(found)
        else:
            self._say("There is nothing to read yet: paste a manifest, then press the button.")

    def _open(self, source: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        objects = [source] if isinstance(source, Mapping) else list(source)
        self._trees = [Tree(one, self._version) for whole in objects for one in _items(whole)]
        wrong = sum(len(tree.problems()) for tree in self._trees)
        self._message.value = ""
        if wrong:
            self._say(
                f"{wrong} {'line is' if wrong == 1 else 'lines are'} marked with ⚠: pick one to read why."
            )
        self._whole.layout.display = None if self._trees else "none"
        self._object.layout.display = None if len(self._trees) > 1 else "none"
        with self._quietly():
            self._object.options = [(_titled(tree), number) for number, tree in enumerate(self._trees)]
            self._object.index = 0 if self._trees else None
        self._show_object()

    def _say(self, what: str) -> None:
        self._message.value = (
            '<div role="alert" style="border-left:4px solid #d64541;padding:.3em .8em;white-space:pre-wrap">'
            f"{escape(what)}</div>"
        )

    def _show_object(self) -> None:
        if self._filling or self._object.value is None:
            return
        nodes = self._tree.nodes
        with self._quietly():
            self._fields.options = [
                (_HARD_SPACE * node.indent + node.line, number) for number, node in enumerate(nodes)
            ]
            wrong = (number for number, node in enumerate(nodes) if node.problem)
            self._fields.index = next(wrong, 0) if nodes else None
        self._choose_line()

    @property
    def _tree(self) -> Tree:
        return self._trees[self._object.value]

    def _choose_line(self) -> None:
        if not self._filling and self._fields.value is not None:
            self._stand_at(self._tree.nodes[self._fields.value].keys)

    def _choose_other(self, chosen: ipywidgets.Select, name: str | None) -> None:
        if self._filling or name is None:
            return
        with self._quietly():
            (self._inside if chosen is self._beside else self._beside).value = None
        around = self._anchor[:-1] if chosen is self._beside else self._anchor
        self._show((*around, name))

    def _stand_at(self, keys: Keys) -> None:
        """Show a field, and what could be beside and in it."""
        self._anchor = keys
        with self._quietly():
            _fill(self._beside, self._tree.beside(keys))
            _fill(self._inside, self._tree.inside(keys))
        self._show(keys)

    def _show(self, keys: Keys) -> None:
        self._shown = keys
        self._details.value = self._tree.about(keys).to_html()
        self._enter.disabled = keys == self._anchor or not self._tree.inside(keys)
        self._back.disabled = keys == self._tree.nodes[self._fields.value].keys

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change the lists without taking it for a choice."""
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

    def __str__(self) -> str:
        return "\n---\n".join(map(str, self._trees))

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        folding = {"text/html": self._message.value + outline(self._trees), "text/plain": str(self)}
        return {**super()._repr_mimebundle_(**options), **folding}


def _list(title: str) -> ipywidgets.Select:
    shown = ipywidgets.Select(description=title, rows=7, style={"description_width": "initial"})
    shown.layout = ipywidgets.Layout(width="auto", height="auto", flex="1 1 12em")
    shown.add_class("manifest-explorer-list")
    return shown


def _fill(shown: ipywidgets.Select, types: Mapping[str, str]) -> None:
    width = max(map(len, types), default=0) + 2
    shown.options = [(name.ljust(width, _HARD_SPACE) + kind, name) for name, kind in types.items()]
    shown.value = None
    shown.layout.display = None if types else "none"


def _items(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The objects of a List, which is what `kubectl get -o yaml` prints; any other object itself."""
    items = manifest.get("items")
    if manifest.get("kind") != "List" or not isinstance(items, list):
        return [manifest]
    return [one for one in items if isinstance(one, dict)]


def _titled(tree: Tree) -> str:
    wrong = len(tree.problems())
    return tree.name + (f" (⚠ {wrong})" if wrong else "") + (f" ({FOREIGN})" if tree.foreign else "")
