"""A form that calls a running service."""

from collections.abc import Callable, Iterable
from html import escape

import grpc
import ipywidgets  # type: ignore[import-untyped]
from IPython.display import HTML, display

Ask = Callable[[str, int, int], list[str]]

HINTS = {
    "UNAVAILABLE": "Nobody answers there. Run the cell that starts the service, then try again.",
    "DEADLINE_EXCEEDED": "No answer came in time. Is the service busy, or stopped?",
}


class Form:
    """Choose a category, a number of books and a user; the answer stands below.

    The answer is asked for anew with each change. It is no widget but an ordinary output, so that the
    last one can be read in an exported notebook as well.

    Args:
        ask: makes the call; it is given the category's name, the number of books and the user, and
            returns titles or raises `grpc.RpcError`.
        categories: the names to choose from.
    """

    def __init__(self, ask: Ask, categories: Iterable[str]) -> None:
        self._ask = ask
        self._category = ipywidgets.Dropdown(options=list(categories), description="Category")
        self._books = ipywidgets.IntText(value=3, description="Books")
        self._user = ipywidgets.IntText(value=1, description="User")
        self._button = ipywidgets.Button(description="Ask", button_style="primary")

    def answer(self) -> str:
        """Ask with what the form says now, and return the answer as HTML."""
        category, books, user = self._category.value, self._books.value, self._user.value
        question = f"{books} × {category} for user {user}"
        try:
            titles = self._ask(category, books, user)
        except grpc.RpcError as error:
            code = error.code().name
            return _sentence(question, code, HINTS.get(code) or error.details() or "")
        except Exception as error:  # Learners change `ask`, and a widget would swallow their mistakes.
            return _sentence(question, type(error).__name__, str(error))
        items = "".join(f"<li>{escape(title)}</li>" for title in titles)
        return f'<div role="status">{question}:<ol style="margin:.3em 0">{items}</ol></div>'

    def _ipython_display_(self) -> None:
        display(ipywidgets.HBox([self._category, self._books, self._user, self._button]))
        shown = display(HTML(self.answer()), display_id=True)

        def update(_: object) -> None:
            shown.update(HTML(self.answer()))

        for field in (self._category, self._books, self._user):
            field.observe(update, "value")
        self._button.on_click(update)


def _sentence(question: str, code: str, sentence: str) -> str:
    """What went wrong, for people."""
    return (
        f'<div role="status" style="border-left:4px solid #d64541;padding:.4em .8em">{question}: '
        f"<b>{code}</b>. {escape(sentence)}</div>"
    )
