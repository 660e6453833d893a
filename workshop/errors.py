"""Errors that learners meet: their message says all, so a notebook shows it without the traceback."""


class PlainError(RuntimeError):
    """An error whose message says what happened, why, and what to do next."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the frames that led here."""
        return [f"{type(self).__name__}: {self}"]
