"""What a container reads of its networks: /etc/hosts, /etc/hostname, /etc/resolv.conf and the address table.

All are mounted into running containers, so they are written in place: the file stays the same one.
"""

import os
import sys
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

TABLE_BYTES = 65536  # As native/addresses.c maps it.
VERSION_BYTES = 4  # At its end.

LOCAL_NAMES = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)
# systemd's resolver listens on a loopback address; here are the servers that it asks itself.
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
NOBODY_ANSWERS = "127.0.0.11"  # Docker's own resolver; here nobody listens, so that lookups fail at once.


def write_in_place(file: Path, content: bytes) -> None:
    """Replace a file's content, not the file, with one write."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, content)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def write_table(file: Path, content: bytes) -> None:
    """Replace a table. While that lasts its version is 0, so that nobody acts on half of one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, bytes(VERSION_BYTES), TABLE_BYTES - VERSION_BYTES)
        os.pwrite(descriptor, content[:-VERSION_BYTES], 0)
        os.pwrite(descriptor, content[-VERSION_BYTES:], TABLE_BYTES - VERSION_BYTES)
    finally:
        os.close(descriptor)


class Hosts:
    """A container's /etc/hosts. Lines that somebody adds inside stay.

    Args:
        file: where it lies.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._written: list[str] | None = None

    def write(self, lines: Iterable[str]) -> None:
        """Replace our lines.

        Args:
            lines: each an address, a tab and names.
        """
        ours = list(lines)
        others: list[str] = []
        if self._written is not None:
            present = self._file.read_text(errors="surrogateescape").splitlines()
            others = [line for line in present if line not in self._written and line not in ours]
        self._written = ours
        text = "".join(f"{line}\n" for line in (*ours, *others))
        write_in_place(self._file, text.encode(errors="surrogateescape"))


def table(own: str, lines: Iterable[tuple[str, str]]) -> bytes:
    """The table that the preloaded library reads; see native/addresses.c.

    Args:
        own: the container's real address.
        lines: pairs of what is seen and what is real, the first that fits decides.
    """
    text = "".join(f"{line}\n" for line in (own, *(f"{seen} {real}" for seen, real in lines))).encode()
    room = TABLE_BYTES - VERSION_BYTES
    if len(text) >= room:  # Whoever comes late is not reached: better than nobody.
        text = text[: text.rindex(b"\n", 0, room - 1) + 1]
    version = zlib.crc32(text) or 1
    return text.ljust(room, b"\0") + version.to_bytes(VERSION_BYTES, sys.byteorder)


def machine_nameservers() -> list[str]:
    """The DNS servers that this machine asks."""
    found: list[str] = []
    for file in RESOLVERS:
        found = [line.split()[1] for line in _lines(file) if line.startswith("nameserver ")] or found
        if found and not all(server.startswith("127.") for server in found):
            break
    return found


def resolv_conf(
    servers: Sequence[str], search: Sequence[str], options: Sequence[str], has_way_out: bool
) -> str:
    """A container's /etc/resolv.conf: what was asked for, and the machine's own where nothing was.

    Args:
        servers: `HostConfig.Dns`.
        search: `HostConfig.DnsSearch`; "." for none.
        options: `HostConfig.DnsOptions`.
        has_way_out: whether the container may reach a server.
    """
    machine = [line for line in _lines(RESOLVERS[0]) if not line.startswith("nameserver ")]
    lines = []
    if search:
        lines += [f"search {' '.join(search)}"] if list(search) != ["."] else []
    else:
        lines += [line for line in machine if line.startswith(("search ", "domain "))]
    reached = (servers or machine_nameservers()) if has_way_out else [NOBODY_ANSWERS]
    lines += [f"nameserver {server}" for server in reached]
    if options:
        lines.append(f"options {' '.join(options)}")
    else:
        lines += [line for line in machine if line.startswith("options ")]
    return "".join(f"{line}\n" for line in lines)


def machine_hosts() -> list[str]:
    """The lines of this machine's own /etc/hosts."""
    return _lines(Path("/etc/hosts"))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
