"""HEALTHCHECK: its test, times and retries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pocket_engine.build import golang
from pocket_engine.errors import BadRequest

_MILLISECOND = 10**6  # In nanoseconds.
_MOST_RETRIES = 2**31 - 1


@dataclass(frozen=True)
class Healthcheck:
    """What a HEALTHCHECK says.

    Attributes:
        test: `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", "…"]`.
        interval, timeout, start_period: nanoseconds; 0 when not given.
        retries: 0 when not given.
    """

    test: list[str]
    interval: int
    timeout: int
    start_period: int
    retries: int

    def config(self) -> dict:
        """As in an image's config: only what was given."""
        fields = {
            "Test": self.test,
            "Interval": self.interval,
            "Timeout": self.timeout,
            "StartPeriod": self.start_period,
            "Retries": self.retries,
        }
        return {name: value for name, value in fields.items() if value}

    def __str__(self) -> str:
        """As history shows it: Go prints a pointer to a struct, and the number of retries as a character."""
        times = " ".join(
            f'"{golang.duration(time)}"' for time in (self.interval, self.timeout, self.start_period)
        )
        return (
            f"&{{{golang.quoted_list(self.test)} {times} {golang.quoted(_character(self.retries), chr(39))}}}"
        )


def read(words: tuple[str, ...], is_json: bool, flags: Mapping[str, str]) -> Healthcheck:
    """Make sense of the parts of a HEALTHCHECK.

    Args:
        words: `NONE` or `CMD`, in any case, and what is run.
        is_json: whether that is a JSON array.
        flags: interval, timeout, start-period, retries.

    Raises:
        BadRequest: there is no sense in them.
    """
    kind, command = words[0].upper(), list(words[1:])
    if kind == "NONE":
        if command:
            raise BadRequest("HEALTHCHECK NONE takes no arguments")
    elif kind != "CMD":
        raise BadRequest(f"Unknown type {golang.quoted(kind)} in HEALTHCHECK (try CMD)")
    elif not command:
        raise BadRequest("Missing command after HEALTHCHECK CMD")
    elif not is_json:
        kind = "CMD-SHELL"
    interval, timeout, start_period = (
        _time(flag, flags.get(flag)) for flag in ("interval", "timeout", "start-period")
    )
    return Healthcheck([kind, *command], interval, timeout, start_period, _retries(flags.get("retries")))


def _time(flag: str, text: str | None) -> int:
    if not text:
        return 0
    try:
        nanoseconds = golang.parse_duration(text)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if nanoseconds < _MILLISECOND:
        raise BadRequest(f'Interval "{flag}" cannot be less than 1ms')
    return nanoseconds


def _retries(text: str | None) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise BadRequest(f"strconv.ParseInt: parsing {golang.quoted(text)}: invalid syntax")
    if len(text) > 11 or int(text) > _MOST_RETRIES:
        raise BadRequest(f"strconv.ParseInt: parsing {golang.quoted(text)}: value out of range")
    if int(text) < 1:
        raise BadRequest(f"--retries must be at least 1 (not {int(text)})")
    return int(text)


def _character(number: int) -> str:
    is_one = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return chr(number) if is_one else "\ufffd"
