"""The checks of lesson 08: each runs containers with names of its own, and removes them."""

import json
import ssl
import threading
from typing import Any

import grpc
from docker.errors import APIError
from docker.models.containers import Container

from workshop import archive, patience, waiting
from workshop.authority import Authority, Files, serial_number
from workshop.checks.lesson_07 import World, world
from workshop.cleanup import LABELS
from workshop.exercises import Answer, NotYet, check, expect

HALF_A_SECOND = 500_000_000  # As the engine counts.
UNHEALTHY_SECONDS = 8.0
RENEWED_SECONDS = 3.0
MEBIBYTE = 2**20
MOST_MEMORY = 256 * MEBIBYTE

# What the service says of itself, and whether it answers calls; runs inside its container.
ASK = """
import json, grpc
import recommendations_pb2 as pb, recommendations_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2 as h, health_pb2_grpc as h_grpc
channel = grpc.insecure_channel("localhost:50051", [("grpc.enable_http_proxy", 0)])
said = {}
for name in ("Recommendations", ""):
    answer = h_grpc.HealthStub(channel).Check(h.HealthCheckRequest(service=name), timeout=3)
    said[name] = h.HealthCheckResponse.ServingStatus.Name(answer.status)
books = pb_grpc.RecommendationsStub(channel).Recommend(pb.RecommendationRequest(max_results=1), timeout=3)
print(json.dumps(said))
"""
LISTENS = ["python", "-c", "import socket; socket.create_connection(('localhost', 50051), 1)"]

TLS = {
    "TLS_CERTIFICATE": "/tls/current/certificate.pem",
    "TLS_KEY": "/tls/current/key.pem",
    "TLS_CA": "/tls/current/ca.pem",
}
WITH_TLS: dict[str, Any] = {
    "volumes": ["/tls"],
    "ports": {"50051/tcp": ("127.0.0.1", None)},
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


@check(
    "08-1",
    first_nudge="What does healthcheck.py ask for, what shall it hear, and how does the engine count time?",
    can_now="You can take a service out of use without stopping it, and let the engine see that.",
)
def alive_but_not_serving(answer: Answer) -> None:
    with world() as made:
        try:
            container = answer(made.client, made.name("maintenance"))
        except APIError as error:
            expect(
                "1ms" not in str(error.explanation),
                "The engine refuses an interval of less than a millisecond. It counts in nanoseconds: "
                "how many are half a second?",
            )
            expect(
                "unmarshal number" not in str(error.explanation),
                "The engine takes whole nanoseconds, and in Python `/` makes a float. `//` does not.",
            )
            raise
        container = _ready(container, LISTENS)
        code, output = _run(container, ["python", "-c", ASK])
        expect(code == 0, "It does not answer calls any more. Maintenance or not, it has to stay alive.")
        said = json.loads(output.splitlines()[-1])
        expect(
            said["Recommendations"] != "SERVING",
            "Asked for “Recommendations”, the service still says SERVING"
            + (f", and {said['']} for “{''}”" if said[""] != "SERVING" else "")
            + ". Which name does healthcheck.py ask for?",
        )
        expect(
            said["Recommendations"] == "NOT_SERVING",
            f"It says {said['Recommendations']}, which means that it does not know. But it does know.",
        )
        interval = container.attrs["Config"]["Healthcheck"].get("Interval") or 0
        expect(
            interval == HALF_A_SECOND,
            f"The engine asks every {interval / 1e9:g} s, and every half second was asked for. "
            "How many nanoseconds is that?",
        )
        try:
            patience.until(
                lambda: _health(container) == "unhealthy", "the engine has noticed", UNHEALTHY_SECONDS
            )
        except patience.InVain:
            raise NotYet(
                f"The service says NOT_SERVING, but after {UNHEALTHY_SECONDS:g} s the engine still says "
                f"“{_health(container)}”. With which command does it ask?"
            ) from None


@check(
    "08-2",
    first_nudge="Where do the new files go, how is a link renamed over another, and over which one?",
    can_now="You can replace a certificate and its key in one step, while the server runs.",
)
def rotate(answer: Answer) -> None:
    authority = Authority()
    old, new = authority.issue("recommendations"), authority.issue("recommendations")
    with world() as made:
        container = _with_tls(made, old)
        started = container.attrs["State"]["StartedAt"]
        with Callers(_port(container), authority) as callers:
            callers.wait_for(5)
            answer(container, new)
            served = _served(container, new)
            callers.wait_for(5)
        container.reload()
        expect(
            container.attrs["State"]["StartedAt"] == started,
            "The server was restarted. It looks at its files at every handshake; it needs nothing else.",
        )
        warned = "certificate not used" in container.logs().decode()
        expect(
            _content(container, "/tls/1/certificate.pem") == old["certificate.pem"].decode().strip(),
            "The old files are overwritten"
            + (", and the server found half a pair: its log says “certificate not used”" if warned else "")
            + ". Put the new ones into a folder of their own, and let only the link change.",
        )
        expect(
            not _can(container, "test -L /tls/1/next"),
            "`mv` followed the link and moved the new one into the old folder, /tls/1. "
            "It has an option that treats the target as a file.",
        )
        expect(
            served,
            f"The server still shows the old certificate. `/tls/current` leads to "
            f"“{_run(container, ['readlink', '/tls/current'])[1]}”; what is in there?"
            + (" The log says “certificate not used”." if warned else ""),
        )
        expect(not warned, "For a moment there was half a pair: the log says “certificate not used”.")
        expect(
            not callers.failed,
            f"{len(callers.failed)} calls failed meanwhile, the first with {callers.failed[:1]}.",
        )


@check(
    "08-3",
    first_nudge="Think of what an intruder may write, of what root may do, and of how much memory there is.",
    can_now="You can start a container in which an intruder finds next to nothing to use.",
)
def locked_down(answer: Answer) -> None:
    with world() as made:
        container = answer(made.client, made.name("locked"))
        try:
            container = _ready(container)
        except NotYet:
            expect(
                not _was_killed(container),
                "It reached its memory limit before it was ready, and the kernel killed it. Give it more.",
            )
            raise
        expect(
            not _can(container, "touch /service/evil.py", user="0"),
            "An intruder who is root can still write into /service. Is the file system read-only?",
        )
        expect(
            _can(container, "touch /tmp/draft"),
            "The service cannot write in /tmp. Which path is the key in `tmpfs`?",
        )
        expect(
            not int(_status(container, "CapBnd"), 16),
            "Root in there still has capabilities. Which word drops them all?",
        )
        expect(
            _status(container, "NoNewPrivs") == "1",
            "A setuid program could still give new rights. Look at `security_opt`: which words forbid that?",
        )
        memory = container.attrs["HostConfig"]["Memory"]
        expect(
            0 < memory <= MOST_MEMORY,
            f"It may take {memory // MEBIBYTE} MB of memory; at most 256 were asked for."
            if memory
            else "It may take all the memory of the machine.",
        )


class Callers:
    """Somebody who calls the server again and again, each time over a new connection."""

    def __init__(self, port: str, authority: Authority) -> None:
        self.calls = 0
        self.failed: list[str] = []
        me = authority.issue("caller")
        self._target = f"localhost:{port}"
        self._credentials = grpc.ssl_channel_credentials(me["ca.pem"], me["key.pem"], me["certificate.pem"])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)

    def wait_for(self, calls: int) -> None:
        """Wait until so many more have called."""
        wanted = self.calls + calls
        patience.until(lambda: self.calls >= wanted, "the callers got through")

    def __enter__(self) -> "Callers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        options = [
            ("grpc.ssl_target_name_override", "recommendations"),
            ("grpc.use_local_subchannel_pool", 1),  # No connection is shared.
            ("grpc.enable_http_proxy", 0),
        ]
        while not self._ended.wait(0.01):
            with grpc.secure_channel(self._target, self._credentials, options) as channel:
                call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                try:
                    call(b"", timeout=3)
                except grpc.RpcError as error:
                    self.failed.append(error.code().name)
            self.calls += 1


def _ready(container: object, command: list[str] | None = None) -> Container:
    """The answer's container once it is ready."""
    expect(isinstance(container, Container), "Return the container that `run` gives back.")
    assert isinstance(container, Container)
    try:
        waiting.until_ready(container, command=command)
    except waiting.NotReady as error:
        raise NotYet(str(error)) from None
    return container


def _with_tls(made: World, files: Files) -> Container:
    container = made.client.containers.create(
        "recommendations", name=made.name("tls"), labels=LABELS, environment=TLS, **WITH_TLS
    )
    packed = archive.pack({f"1/{name}": content for name, content in files.items()}, {"current": "1"})
    container.put_archive("/tls", packed)
    container.start()
    waiting.until_ready(container)
    return container


def _port(container: Container) -> str:
    ports: Any = container.ports
    return str(ports["50051/tcp"][0]["HostPort"])


def _served(container: Container, files: Files) -> bool:
    """Whether the server shows this certificate, or does so soon."""
    wanted = serial_number(files["certificate.pem"])
    container.reload()
    if container.status != "running":
        return False
    address = ("localhost", int(_port(container)))

    def shown() -> bool:
        try:
            return serial_number(ssl.get_server_certificate(address).encode()) == wanted
        except OSError:
            return False

    try:
        patience.until(shown, "the new certificate is served", RENEWED_SECONDS)
    except patience.InVain:
        return False
    return True


def _health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def _was_killed(container: object) -> bool:
    return isinstance(container, Container) and bool(container.attrs["State"].get("OOMKilled"))


def _content(container: Container, path: str) -> str | None:
    code, output = _run(container, ["cat", path])
    return output if code == 0 else None


def _can(container: Container, command: str, user: str = "") -> bool:
    return _run(container, ["sh", "-c", command], user)[0] == 0


def _status(container: Container, field: str) -> str:
    """A line of what the kernel says of a process in the container that root has started."""
    _, output = _run(container, ["cat", "/proc/self/status"], user="0")
    return dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)[field]


def _run(container: Container, command: list[str], user: str = "") -> tuple[int, str]:
    code, output = container.exec_run(command, user=user)
    assert isinstance(output, bytes)
    return code or 0, output.decode(errors="replace").strip()
