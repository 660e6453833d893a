"""The `filters` that lists, prunes and events can be narrowed with."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from pocket_engine.errors import BadRequest

TRUE = frozenset(("1", "true", "True"))
FALSE = frozenset(("0", "false", "False"))


class Filters:
    """Names of filters, each with the values of which one must match.

    Args:
        values: e.g. `{"status": ["running", "paused"], "label": ["tier=web"]}`.
    """

    def __init__(self, values: Mapping[str, Collection[str]] | None = None) -> None:
        self._values = {name: list(wanted) for name, wanted in (values or {}).items()}

    @classmethod
    def parse(cls, text: str) -> "Filters":
        """Read the JSON of a query parameter: `{"label":["a"]}`, or in the old form `{"label":{"a":true}}`.

        Raises:
            BadRequest: it is neither.
        """
        if not text:
            return cls()
        try:
            said = json.loads(text)
        except ValueError as error:
            raise BadRequest(f"invalid filter: {error}") from error
        if not isinstance(said, dict):
            raise BadRequest("invalid filter: it is no JSON object")
        return cls({name: _wanted(name, values) for name, values in said.items()})

    def only(self, *known: str) -> "Filters":
        """These filters, when all of them are known.

        Raises:
            BadRequest: one is not.
        """
        for name in self._values:
            if name not in known:
                raise BadRequest(f"invalid filter '{name}'")
        return self

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def __getitem__(self, name: str) -> list[str]:
        """The values of a filter; none when it was not given."""
        return self._values.get(name, [])

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """A filter that is true or false; `default` when it was not given.

        Raises:
            BadRequest: it is neither, or both.
        """
        wanted = set(self[name])
        if not wanted:
            return default
        if wanted <= TRUE or wanted <= FALSE:
            return wanted <= TRUE
        raise BadRequest(f"invalid filter '{name}=[{' '.join(self[name])}]'")

    def equal(self, name: str, *values: str) -> bool:
        """Whether one of these values is one that the filter wants, or the filter was not given."""
        return name not in self or any(value in self[name] for value in values)

    def match(self, name: str, *values: str) -> bool:
        """Like `equal`; what the filter wants may also be a regular expression that is found in the value."""
        return self.equal(name, *values) or any(
            _found(wanted, value) for wanted in self[name] for value in values
        )

    def prefix(self, name: str, value: str) -> bool:
        """Like `equal`; what the filter wants may also be the beginning of the value."""
        return name not in self or any(value.startswith(wanted) for wanted in self[name])

    def labels(self, labels: Mapping[str, str] | None) -> bool:
        """Whether all of the filter `label` (`key` or `key=value`) are among these, and none of `label!`."""
        own = labels or {}
        return all(_has(own, wanted) for wanted in self["label"]) and not any(
            _has(own, unwanted) for unwanted in self["label!"]
        )


def _wanted(name: str, values: Any) -> list[str]:
    if isinstance(values, dict):
        return [value for value, yes in values.items() if yes]
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    raise BadRequest(f"invalid filter '{name}': its values are no list of strings")


def _found(pattern: str, value: str) -> bool:
    try:
        return bool(re.search(pattern, value))
    except re.error:
        return False


def _has(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
