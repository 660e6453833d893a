"""Published ports: sockets of this machine, and the process that carries what comes in to the container."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pocket_engine.errors import BadRequest, EngineError, NotImplementedHere
from pocket_engine.runners.spawning import spawn

PROXY = Path(__file__).with_name("proxy.py")
EVERYWHERE = "0.0.0.0"
EVERYWHERE6 = "::"
BACKLOG = 4096
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
ANY = range(1)
ATTEMPTS = 16  # To find one free port for both IPv4 and IPv6.
FIRST_OF_ORDINARY_USERS = 1024

Bindings = dict[str, list[dict[str, str]] | None]
Taken = Callable[[str, str, int], bool]  # Protocol, address and port.
Target = tuple[str, int]  # Where connections are carried to.


@dataclass(frozen=True)
class Wish:
    """What one published port should be.

    Attributes:
        port: the container's.
        protocol: `tcp` or `udp`.
        address: of this machine; "" for all.
        candidates: ports of this machine of which the first free one is taken; only 0 for any.
    """

    port: int
    protocol: str
    address: str
    candidates: range

    def accepts(self, port: int) -> bool:
        """Whether this port of the machine would do."""
        return self.candidates == ANY or port in self.candidates


def wishes(exposed: Iterable[str], bindings: Bindings, publish_all: bool) -> list[Wish]:
    """What `PortBindings` and `PublishAllPorts` ask for.

    Raises:
        BadRequest: a port makes no sense.
        NotImplementedHere: a protocol that is neither TCP nor UDP.
    """
    asked = {key: list(values or ()) for key, values in bindings.items()}
    if publish_all:
        for key in exposed:
            asked[key] = asked.get(key) or [{}]
    found = []
    for key, values in asked.items():
        port, _, protocol = key.partition("/")
        if values and protocol not in ("", *KINDS):
            raise NotImplementedHere(f"cannot publish {key}: this engine publishes TCP and UDP ports only")
        found += [
            Wish(
                _range(port, key)[0],
                protocol or "tcp",
                _address(value.get("HostIp") or ""),
                _range(value.get("HostPort") or "0", key),
            )
            for value in values
        ]
    return found


class Publishing:
    """The published ports of one container, until it is closed.

    Args:
        wishes: what should be published.
        target: where the container really listens; None when it listens at this machine's port itself.
        taken: whether one of the engine's own containers has a protocol's port at an address.

    Attributes:
        bindings: what was published, as `NetworkSettings.Ports` shows it.

    Raises:
        EngineError: a port is taken; nothing is published then.
    """

    def __init__(
        self,
        wishes: Iterable[Wish],
        target: Callable[[Wish], Target | None],
        taken: Taken = lambda _, __, ___: False,
    ) -> None:
        self.bindings: dict[str, list[dict[str, str]]] = {}
        self._proxy: subprocess.Popen | None = None
        with contextlib.ExitStack() as ours:  # The proxy has its own copies.
            routes = []
            for wish in wishes:
                where = target(wish)
                if not where:
                    self._note(wish, EVERYWHERE, wish.port)
                    continue
                for listening in _listen(wish, taken):
                    ours.enter_context(listening)
                    routes.append((listening, where))
                    self._note(wish, *listening.getsockname()[:2])
            if routes:
                self._proxy = _start(routes)

    def has(self, protocol: str, address: str, port: int) -> bool:
        """Whether a protocol's address and port of this machine are among the published ones."""
        everywhere = (EVERYWHERE, EVERYWHERE6)
        return any(
            binding["HostPort"] == str(port)
            and (binding["HostIp"] == address or binding["HostIp"] in everywhere or address in everywhere)
            for key, bindings in self.bindings.items()
            if key.endswith(f"/{protocol}")
            for binding in bindings
        )

    def close(self) -> None:
        """Give the ports back."""
        if self._proxy:
            self._proxy.kill()
            self._proxy.wait()
            self._proxy = None

    def _note(self, wish: Wish, address: str, host_port: int) -> None:
        binding = {"HostIp": address, "HostPort": str(host_port)}
        self.bindings.setdefault(f"{wish.port}/{wish.protocol}", []).append(binding)


def _start(routes: list[tuple[socket.socket, Target]]) -> subprocess.Popen:
    arguments = [f"{listening.fileno()}={address}:{port}" for listening, (address, port) in routes]
    return spawn(
        [sys.executable, "-I", "-S", "-E", PROXY, *arguments],
        pass_fds=[listening.fileno() for listening, _ in routes],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _listen(wish: Wish, taken: Taken) -> list[socket.socket]:
    """Listen on the first of the candidates that is free."""
    failure = EngineError("")
    for port in _attempts(wish.candidates):
        try:
            return _listen_on(wish, port, taken)
        except EngineError as error:
            failure = error
    raise failure


def _attempts(candidates: range) -> Iterator[int]:
    yield from candidates if candidates != ANY else [0] * ATTEMPTS


def _listen_on(wish: Wish, port: int, taken: Taken) -> list[socket.socket]:
    addresses = [wish.address or EVERYWHERE]
    if not wish.address and _has_ipv6():
        addresses.append(EVERYWHERE6)
    opened: list[socket.socket] = []
    try:
        for each in addresses:
            if port and taken(wish.protocol, each, port):
                raise EngineError(f"Bind for {each}:{port} failed: port is already allocated")
            opened.append(_socket(wish.protocol, each, port))
            port = opened[0].getsockname()[1]
    except EngineError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _socket(protocol: str, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, KINDS[protocol])
    try:
        if protocol == "tcp":  # Two UDP sockets that reuse an address would both have it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        if protocol == "tcp":
            listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise EngineError(_why(protocol, address, port, error)) from error
    return listening


def _why(protocol: str, address: str, port: int, error: OSError) -> str:
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    reason = os.strerror(error.errno or 0).lower()
    family = 6 if ":" in address else 4
    said = f"Error starting userland proxy: listen {protocol}{family} {place}: bind: {reason}"
    if error.errno == errno.EACCES and port < FIRST_OF_ORDINARY_USERS:
        said += f". Ordinary users may publish ports from {FIRST_OF_ORDINARY_USERS} on"
    return said


def _has_ipv6() -> bool:
    return socket.has_ipv6 and os.path.exists("/proc/net/if_inet6")


def _range(text: str, key: str) -> range:
    first, _, last = text.partition("-")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or ports[0] < 0 or ports[-1] > 65535:
        raise BadRequest(f'invalid port specification: "{text}" for {key}')
    return ports


def _address(text: str) -> str:
    return "" if text in ("", EVERYWHERE6 + EVERYWHERE) else text.strip("[]")
