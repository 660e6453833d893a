"""ARG: which build arguments a step sees."""

from collections.abc import Mapping

# Every step sees these when the client gives them, and the cache does not look at them.
_PREDEFINED = frozenset(
    name
    for lower in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (lower, lower.upper())
)


class Arguments:
    """The build arguments of one build: those of all, and those that the current stage has declared.

    Args:
        given: by the client (`--build-arg`); None for one that has a name only.
    """

    def __init__(self, given: Mapping[str, str | None]) -> None:
        self._given = given
        self._before_from: dict[str, str | None] = {}
        self._in_stage: dict[str, str | None] = {}
        self._declared: set[str] = set()

    def declare(self, name: str, default: str | None) -> None:
        """An ARG of this stage; without a default it has that of an ARG before the first FROM, if any."""
        self._declared.add(name)
        self._in_stage[name] = default

    def declare_before_from(self, name: str, default: str | None) -> None:
        """An ARG before the first FROM: all FROMs see it, a stage only when it declares it again."""
        self._declared.add(name)
        self._before_from[name] = default

    def begin_stage(self) -> None:
        """Forget what the last stage has declared."""
        self._in_stage = {}

    def before_from(self) -> dict[str, str]:
        """What a FROM sees."""
        return self._values(self._before_from)

    def visible(self) -> dict[str, str]:
        """What a step sees, the predefined ones included."""
        return self._values(dict.fromkeys(_PREDEFINED) | self._in_stage)

    def relevant_to_cache(self, arguments: Mapping[str, str]) -> dict[str, str]:
        """Those of some arguments that make a difference to the cache, by name."""
        return {
            name: value
            for name, value in sorted(arguments.items())
            if name not in _PREDEFINED or name in self._declared
        }

    def unused(self) -> list[str]:
        """What the client gave and no ARG wanted."""
        return sorted(self._given.keys() - self._declared - _PREDEFINED)

    def _values(self, defaults: Mapping[str, str | None]) -> dict[str, str]:
        values = {}
        for name, default in defaults.items():
            value = self._given.get(name)
            if value is None:
                value = default if default is not None else self._before_from.get(name)
            if value is not None:
                values[name] = value
        return values
