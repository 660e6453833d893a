"""How Go writes and reads what the builder shows: quoted strings, characters and durations."""

import re
from collections.abc import Iterable
from decimal import Decimal

_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}
_NANOSECONDS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}
_LONGEST = 2**63 - 1  # Nanoseconds: some 292 years.
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")


def quoted(text: str, quote: str = '"') -> str:
    """A string, or with `quote` a character, as `%q` prints it."""
    return quote + "".join(_escaped(character, quote) for character in text) + quote


def quoted_list(texts: Iterable[str]) -> str:
    """A list of strings as `%q` prints it: `["a" "b"]`."""
    return "[" + " ".join(quoted(text) for text in texts) + "]"


def _escaped(character: str, quote: str) -> str:
    if character == quote:
        return "\\" + quote
    if character in _ESCAPES:
        return "\\" + _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def duration(nanoseconds: int) -> str:
    """A duration as Go prints it: `1h0m0s`, `1.5s`, `500ms`, `0s`."""
    if nanoseconds < 10**9:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return _decimal(nanoseconds, _NANOSECONDS[unit]) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, 10**9) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(unit)) - 1).rstrip('0')}"


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as `1m30s`.

    Raises:
        ValueError: it is none; the message is Go's.
    """
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not re.fullmatch(rf"(?:{_PART.pattern})+", rest, re.ASCII):
        if re.fullmatch(r"\d+(\.\d*)?", rest, re.ASCII):
            raise ValueError(f"time: missing unit in duration {quoted(text)}")
        raise ValueError(f"time: invalid duration {quoted(text)}")
    total = sign * int(sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in _PART.findall(rest)))
    if abs(total) > _LONGEST:
        raise ValueError(f"time: invalid duration {quoted(text)}")
    return total
