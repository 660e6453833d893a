"""Items of the API's JSON streams that tell how far something is."""

from typing import Any

_WIDTH = 50


def short(long_id: str) -> str:
    """The first twelve digits, as Docker shows ids."""
    return long_id.removeprefix("sha256:")[:12]


def progress(action: str, of: str, current: int, total: int) -> dict[str, Any]:
    """How many bytes of how many are done.

    Args:
        action: e.g. "Downloading".
        of: the id of what; its first twelve digits are shown.
        current, total: bytes; a total of 0 is unknown.
    """
    detail = {"current": current, "total": total} if total else {"current": current}
    return {"status": action, "progressDetail": detail, "progress": _bar(current, total), "id": short(of)}


def step(action: str, of: str) -> dict[str, Any]:
    """That a step begins or has ended."""
    return {"status": action, "progressDetail": {}, "id": short(of)}


def _bar(current: int, total: int) -> str:
    if not total:
        return _in_words(current)
    filled = min(_WIDTH, _WIDTH * current // total)
    arrow = "=" * (filled - 1) + ">" if filled else ">"
    return f"[{arrow[:_WIDTH].ljust(_WIDTH)}] {_in_words(current):>7}/{_in_words(total)}"


def _in_words(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.4g}{unit}"
        size /= 1000
    return f"{size:.4g}TB"
