"""Operating systems and processors, as images name them."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pocket_engine.errors import BadRequest

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}
_SYSTEMS = ("linux", "windows", "darwin", "freebsd")
_ARCHITECTURES = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "mips64le", "loong64")


@dataclass(frozen=True)
class Platform:
    """What a program was built for.

    Attributes:
        os: e.g. `linux`.
        architecture: e.g. `amd64`.
        variant: e.g. `v8`; empty for any.
    """

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def fits(self, other: dict[str, Any]) -> bool:
        """Whether an entry of a manifest list, or an image's config, is for this platform."""
        return (
            other.get("os") == self.os
            and other.get("architecture") == self.architecture
            and (not self.variant or other.get("variant", self.variant) == self.variant)
        )


def host() -> Platform:
    """The platform of this machine."""
    machine = platform.machine()
    return Platform("linux", _MACHINES.get(machine, machine))


def parse(text: str) -> Platform:
    """A platform as users write it: `linux/arm64/v8`, `arm64`, `linux`; empty for this machine's.

    Raises:
        BadRequest: nobody knows that one.
    """
    here = host()
    if not text:
        return here
    first, *rest = text.lower().split("/")
    first = _ALIASES.get(first, first)
    if not rest and first in _SYSTEMS:
        return Platform(first, here.architecture)
    if not rest and first in _ARCHITECTURES:
        return Platform(here.os, first)
    if first not in _SYSTEMS or not 1 <= len(rest) <= 2 or not all(rest):
        raise BadRequest(f'"{text}": unknown operating system or architecture: invalid argument')
    return Platform(first, _ALIASES.get(rest[0], rest[0]), *rest[1:])


def in_words(entries: Iterable[dict[str, Any]]) -> str:
    """The platforms of a manifest list, for a message."""
    named = (
        Platform(entry.get("os", "?"), entry.get("architecture", "?"), entry.get("variant", ""))
        for entry in entries
    )
    return ", ".join(sorted({str(one) for one in named if one.os != "unknown"}))
