"""Points in time as the Docker Engine writes and reads them: RFC 3339 in UTC, with nanoseconds."""

import re
import time
from datetime import UTC, datetime, timedelta

NEVER = "0001-01-01T00:00:00Z"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def now() -> str:
    """This moment."""
    return written(time.time_ns())


def written(nanoseconds: int) -> str:
    """A moment given in nanoseconds since 1970."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of a moment as the API's parameters write it.

    Args:
        text: seconds since 1970 (`1700000000`, `1700000000.25`), RFC 3339, or how long ago (`10m`, `1h30m`).

    Raises:
        ValueError: it is none of these.
    """
    if re.fullmatch(r"-?\d+(\.\d*)?", text):
        seconds, _, fraction = text.partition(".")
        return int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0"))
    if re.fullmatch(rf"({_DURATION.pattern})+", text):
        ago = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
        return time.time_ns() - int(ago * 10**9)
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", text)
    if match is None:
        raise ValueError(
            f'parsing time "{text}": it is neither RFC 3339, nor seconds since 1970, nor a duration'
        )
    day, clock, fraction, zone = match.groups()
    if clock and clock.count(":") == 1:
        clock += ":00"
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
    offset = (
        timedelta() if zone in (None, "Z") else datetime.fromisoformat(f"{day}T00:00:00{zone}").utcoffset()
    )
    whole = moment.replace(tzinfo=UTC) - (offset or timedelta())
    since_1970 = whole - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_1970 // timedelta(seconds=1)) * 10**9 + int((fraction or ".0")[1:10].ljust(9, "0"))


def in_words(seconds: float) -> str:
    """How long something lasts, as `docker ps` says it: "2 minutes", "About an hour"."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 2:
        return "1 second"
    for limit, unit, name in ((60, 1, "seconds"), (3600, 60, "minutes"), (48 * 3600, 3600, "hours")):
        if seconds < limit:
            number = int(seconds // unit) if unit < 3600 else round(seconds / unit)
            return {"1 minutes": "About a minute", "1 hours": "About an hour"}.get(
                f"{number} {name}", f"{number} {name}"
            )
    days = seconds / 86400
    for limit, unit, name in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if days < limit:
            return f"{int(days // unit)} {name}"
    return f"{int(days // 365)} years"
