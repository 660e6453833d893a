"""The process that carries what comes in at a container's published ports to the container, and back.

It is a program of its own, started as

    python -I -S -E proxy.py LISTENER=ADDRESS:PORT …

LISTENER is the number of a socket that it inherits, a listening one for TCP or a bound one for UDP;
ADDRESS:PORT is where what comes in there goes.
One thread and one buffer, so that it is hardly noticed between a client and a busy service.
"""

import contextlib
import errno
import os
import resource
import select
import socket
import struct
import sys
import time
from typing import Protocol

BUFFER = bytearray(256 * 1024)
VIEW = memoryview(BUFFER)
BACKLOG_EVENTS = 512
ACCEPTS_AT_ONCE = 64
DATAGRAMS_AT_ONCE = 64
FLOW_SECONDS = 90  # For so long a UDP client that is silent may still be answered.
PAUSE_SECONDS = 0.05  # When no more files may be opened: until some connections have ended.
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection.


class Handler(Protocol):
    """Whoever wants to know that a file descriptor is ready."""

    def ready(self, events: int) -> None:
        """Called with the events that epoll reports."""


class End:
    """One end of a connection: a socket, and what could not be written to it yet.

    Args:
        loop: where it waits.
        connection: of which it is an end.
    """

    def __init__(self, loop: "Loop", connection: socket.socket, is_connecting: bool = False) -> None:
        self.loop, self.socket = loop, connection
        self.is_connecting = is_connecting
        self.is_finished = False  # No more will come from it.
        self.is_closed = False
        self.waiting = b""  # To be written to it.
        self.other: End = self
        self.interest: int = select.EPOLLET

    @property
    def is_read(self) -> bool:
        """Whether the other end can take what this one sends."""
        connected = not (self.is_connecting or self.other.is_connecting)
        return connected and not self.is_finished and not self.other.waiting

    def watch(self) -> None:
        """Wait for what this end can do next."""
        reads = select.EPOLLIN if self.is_read else 0
        writes = select.EPOLLOUT if self.is_connecting or self.waiting else 0
        # A hangup is reported whether one is interested or not; edge-triggered, at least only once.
        interest = reads | writes or select.EPOLLET
        if interest != self.interest:
            self.interest = interest
            self.loop.epoll.modify(self.socket.fileno(), interest)

    def ready(self, events: int) -> None:
        """Read, write, or give up."""
        try:
            if self.is_connecting:
                self.finish_connecting()
                return
            if events & select.EPOLLOUT:
                self.flush()
            if events & ~select.EPOLLOUT and not self.is_closed:
                self.carry(events)
        except BlockingIOError:
            return
        except OSError:
            self.abort()

    def finish_connecting(self) -> None:
        """The connection stands, or does not."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self.is_connecting = False
        self.watch()
        self.other.watch()

    def carry(self, events: int) -> None:
        """Read once, and write it to the other end."""
        if not self.is_read:
            if events & select.EPOLLERR:
                self.abort()
            return
        count = self.socket.recv_into(BUFFER)
        other = self.other
        if not count:
            self.is_finished = True
            self.pass_end()
            return
        try:
            sent = other.socket.send(VIEW[:count])
        except BlockingIOError:
            sent = 0
        if sent < count:
            other.waiting = bytes(VIEW[sent:count])
            self.watch()
            other.watch()

    def flush(self) -> None:
        """Write what waits, and let the other end be read from again."""
        self.waiting = self.waiting[self.socket.send(self.waiting) :]
        if not self.waiting:
            if self.other.is_finished:
                self.other.pass_end()
            else:
                self.other.watch()
        if not self.is_closed:
            self.watch()

    def pass_end(self) -> None:
        """No more comes from this end: tell the other one, and close both when neither sends."""
        if self.other.waiting:
            self.watch()
            return
        if self.other.is_finished:
            self.close()
            self.other.close()
            return
        with contextlib.suppress(OSError):
            self.other.socket.shutdown(socket.SHUT_WR)
        self.watch()

    def abort(self) -> None:
        """Something broke: neither side may believe that all arrived."""
        for end in (self, self.other):
            if not end.is_closed:
                with contextlib.suppress(OSError):
                    end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()

    def close(self) -> None:
        """Forget the socket."""
        if not self.is_closed:
            self.is_closed = True
            del self.loop.handlers[self.socket.fileno()]
            self.socket.close()


class Listener:
    """A published port.

    Args:
        loop: where it waits.
        listening: its socket.
        target: address and port of the container.
    """

    def __init__(self, loop: "Loop", listening: socket.socket, target: tuple[str, int]) -> None:
        self.loop, self.socket, self.target = loop, listening, target

    def ready(self, events: int) -> None:
        """Take new connections."""
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                client, _ = self.socket.accept()
                self.connect(client)
            except BlockingIOError:
                return
            except OSError:
                time.sleep(PAUSE_SECONDS)
                return

    def connect(self, client: socket.socket) -> None:
        """Call the container on a client's behalf."""
        try:
            service = socket.socket(socket.AF_INET)
        except OSError:
            client.close()
            raise
        for connection in (client, service):
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near, far = End(self.loop, client), End(self.loop, service, is_connecting=True)
        near.other, far.other = far, near
        for end in (near, far):
            self.loop.add(end.socket, end, select.EPOLLET)
        error = service.connect_ex(self.target)
        if error in (0, errno.EINPROGRESS):
            far.watch()
        else:
            far.abort()


class Receiver:
    """A published UDP port. Each client has a socket of its own towards the container.

    Args:
        loop: where it waits.
        receiving: its socket.
        target: address and port of the container.
    """

    def __init__(self, loop: "Loop", receiving: socket.socket, target: tuple[str, int]) -> None:
        self.loop, self.socket, self.target = loop, receiving, target
        self.flows: dict[tuple, Flow] = {}

    def ready(self, events: int) -> None:
        """Carry datagrams to the container. One that cannot be carried is lost, as datagrams are."""
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                count, client = self.socket.recvfrom_into(BUFFER)
                flow = self.flows.get(client) or self.open(client)
                flow.used = time.monotonic()
                flow.socket.send(VIEW[:count])
            except BlockingIOError:
                return
            except OSError:
                continue

    def open(self, client: tuple) -> "Flow":
        """A new client; those that were silent for long are forgotten."""
        too_old = time.monotonic() - FLOW_SECONDS
        for address, flow in list(self.flows.items()):
            if flow.used < too_old:
                del self.flows[address], self.loop.handlers[flow.socket.fileno()]
                flow.socket.close()
        service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        service.setblocking(False)
        service.connect(self.target)
        flow = self.flows[client] = Flow(self, service, client)
        self.loop.add(service, flow, select.EPOLLIN)
        return flow


class Flow:
    """What the container answers to one client of a UDP port.

    Args:
        receiver: the port.
        service: the socket towards the container.
        client: the client's address.
    """

    def __init__(self, receiver: Receiver, service: socket.socket, client: tuple) -> None:
        self.receiver, self.socket, self.client = receiver, service, client
        self.used = time.monotonic()

    def ready(self, events: int) -> None:
        """Carry answers to the client."""
        self.used = time.monotonic()
        with contextlib.suppress(OSError):  # Nobody listens there, or not any more.
            for _ in range(DATAGRAMS_AT_ONCE):
                count = self.socket.recv_into(BUFFER)
                self.receiver.socket.sendto(VIEW[:count], self.client)


class Loop:
    """Waits for all sockets at once."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.handlers: dict[int, Handler] = {}

    def add(self, connection: socket.socket, handler: Handler, events: int) -> None:
        """Tell a handler of these events from now on."""
        self.handlers[connection.fileno()] = handler
        self.epoll.register(connection.fileno(), events)

    def run(self) -> None:
        """For ever."""
        while True:
            for descriptor, events in self.epoll.poll(maxevents=BACKLOG_EVENTS):
                handler = self.handlers.get(descriptor)
                if handler:  # An earlier event may have closed it.
                    handler.ready(events)


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    for argument in arguments:
        descriptor, _, target = argument.partition("=")
        address, _, port = target.rpartition(":")
        listening = socket.socket(fileno=int(descriptor))
        listening.setblocking(False)
        kind = Listener if listening.type == socket.SOCK_STREAM else Receiver
        loop.add(listening, kind(loop, listening, (address, int(port))), select.EPOLLIN)
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1:])
