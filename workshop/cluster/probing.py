"""Which probe fails, what it asked, what it heard, and what follows from it."""

import re

from workshop.cluster.api import Object
from workshop.cluster.cases import ContainerCase
from workshop.cluster.explanation import Explanation
from workshop.cluster.situation import Happening, moment

# A service that is not ready after this long mostly never will be; one that loads much may say so in a
# startup probe.
READY_PATIENCE = 45.0
MARGIN = 10.0

_FIELDS = {"Startup": "startupProbe", "Readiness": "readinessProbe", "Liveness": "livenessProbe"}
_FAILED = re.compile(r"(Startup|Readiness|Liveness) probe (?:failed|errored)[^:]*: ?(.*)", re.DOTALL)


def explain_unready(case: ContainerCase) -> Explanation | None:
    """The container runs, and a probe keeps it from being ready."""
    if not case.running or case.container_status.get("ready"):
        return None
    # `started` is false until the startup probe succeeds; the others have not begun until then.
    waits_for = "Startup" if case.container_status.get("started") is False else "Readiness"
    event = case.event("Unhealthy", "ProbeWarning", message=f"^{waits_for} probe")
    if not event or moment(event.time) < moment(case.running.get("startedAt")):
        return _silent(case, waits_for)
    return _failing(case, waits_for, event, _patience(case, waits_for))


def _patience(case: ContainerCase, which: str) -> float:
    """A probe may say itself that the program is slow; as long as that is worth waiting."""
    probe = case.spec.get(_FIELDS[which]) or {}
    seconds = probe.get("initialDelaySeconds", 0)
    if which == "Startup":
        seconds += probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    return max(READY_PATIENCE, seconds + MARGIN)


def explain_kill(case: ContainerCase, patience: float | None) -> Explanation | None:
    """The container ended because a probe had it killed."""
    kill = case.event("Killing", message="failed (?:liveness|startup) probe")
    if not kill or case.terminated.get("reason") == "OOMKilled":
        return None
    which = "Liveness" if "liveness" in kill.message else "Startup"
    event = case.event("Unhealthy", message=f"^{which} probe")
    return _failing(case, which, event or kill, patience, kill)


def _failing(
    case: ContainerCase,
    which: str,
    event: Happening,
    patience: float | None,
    kill: Happening | None = None,
) -> Explanation:
    probe = case.spec.get(_FIELDS[which]) or {}
    heard = found[2] if (found := _FAILED.match(event.message)) else event.message
    meaning, remedy = _heard(heard.strip(), probe)
    consequence = {
        "Startup": "Until it succeeds the other probes wait and no traffic comes; after "
        f"{_misses(probe)} the container is killed and started again.",
        "Readiness": "The pod gets no traffic, and the rollout waits for it; the container is not restarted.",
        "Liveness": f"After {_misses(probe)} the container is killed and started again.",
    }[which]
    return case.explain(
        f"{which.lower()} probe",
        f"The {which.lower()} probe of {case.label} fails",
        f"It asks: {_asked(probe, case.spec)}. {meaning} {consequence}",
        remedy,
        event,
        kill if kill is not event else None,
        *(f"log: {line}" for line in case.log(kill is not None)[-6:]),
        patience=patience,
    )


def _silent(case: ContainerCase, which: str) -> Explanation | None:
    """No probe has failed yet, or none that we could read."""
    probe = case.spec.get(_FIELDS[which])
    if not probe:
        return None
    return case.explain(
        f"{which.lower()} probe",
        f"{case.label[0].upper()}{case.label[1:]} runs, and its {which.lower()} probe has not succeeded yet",
        f"It asks: {_asked(probe, case.spec)}, and nothing was heard so far.",
        "Wait a moment; if it lasts, look at the log (`kubectl logs`).",
        f"container {case.spec['name']}: running, ready: false, {case.restarts} restarts",
        time=case.running.get("startedAt") or "",
    )


def _misses(probe: Object) -> str:
    count = probe.get("failureThreshold", 3)
    return "one miss" if count == 1 else f"{count} misses in a row"


def _asked(probe: Object, spec: Object) -> str:
    """What a probe asks, as a person would."""
    within = f"within {probe.get('timeoutSeconds', 1)} s"
    if "httpGet" in probe:
        get = probe["httpGet"]
        scheme = get.get("scheme", "HTTP")
        return f"GET {get.get('path') or '/'} by {scheme} on port {_port(get.get('port'), spec)}, {within}"
    if "grpc" in probe:
        service = probe["grpc"].get("service")
        about = f"of the service “{service}”" if service else "of the server as a whole"
        return f"the gRPC health {about} on port {probe['grpc'].get('port')}, {within}"
    if "tcpSocket" in probe:
        return f"whether port {_port(probe['tcpSocket'].get('port'), spec)} accepts a connection, {within}"
    if "exec" in probe:
        return f"`{' '.join(probe['exec'].get('command') or [])}` in the container, {within}"
    return "something that the manifest does not show any more"


def _port(port: int | str | None, spec: Object) -> str:
    """A port's number; by name it is looked up as the node does."""
    numbers = {each.get("name"): each["containerPort"] for each in spec.get("ports") or []}
    return f"{numbers[port]} (“{port}”)" if port in numbers else f"{port}"


def _heard(heard: str, probe: Object) -> tuple[str, str]:
    """What an answer means, and what to do."""
    if found := re.search(r"statuscode: (\d+)", heard):
        return _status(int(found[1]))
    for pattern, meaning, remedy in _ANSWERS:
        if re.search(pattern, heard, re.IGNORECASE):
            return meaning, remedy
    if "exec" in probe:
        return (
            "The command failed; what it printed is below."
            if heard
            else "The command failed, and printed nothing.",
            "Run it in a container of the same image, and see what it says.",
        )
    return "What it heard is below, word for word.", "Look at the log of the container (`kubectl logs`)."


def _status(code: int) -> tuple[str, str]:
    answer = f"It heard HTTP {code}:"
    if code == 404:
        return f"{answer} the server has no such page.", "Mend the probe's `path`, and apply again."
    if code in (401, 403):
        return (
            f"{answer} the server asks for a login, and a probe has none.",
            "Ask a page that needs no login.",
        )
    if code == 503:
        return (
            f"{answer} the service itself says that it is not ready.",
            "Its log says what it waits for (`kubectl logs`); a page of the Marketplace does not wait for "
            "Recommendations.",
        )
    return (
        f"{answer} the server runs, and its answer is no success.",
        "Its log says what failed (`kubectl logs`).",
    )


_ANSWERS = (
    (
        r"NOT_SERVING",
        "It heard NOT_SERVING: the service itself says that it does not serve, as it does while it stops.",
        "Its log says why (`kubectl logs`).",
    ),
    (
        r"code = NotFound|unknown service(?! grpc\.health)|SERVICE_UNKNOWN",
        "It heard NOT_FOUND: the server answers about its health, but knows no service of that name.",
        "Mend the probe's `grpc.service`: ours is called `Recommendations`, without a package.",
    ),
    (
        r"does not implement the grpc health protocol",
        "A gRPC server answers there, and it has no health service.",
        "Add the health service to the server, or use another kind of probe.",
    ),
    (
        r"connection refused",
        "It heard “connection refused”: nothing listens on that port. The program has not begun to, it "
        "listens on another port, or only on 127.0.0.1.",
        "Compare the probe's port with the service's `PORT` (and `HEALTH_PORT`); look at the log.",
    ),
    (
        r"failed to connect service|code = Unavailable|server preface",
        "It could not make a gRPC connection: nothing serves plain gRPC on that port. A port with mutual "
        "TLS does not, for a probe shows no certificate.",
        "Compare the probe's port with the service's `PORT`; with mutual TLS it has to be the "
        "`HEALTH_PORT`, 50052.",
    ),
    (
        r"malformed HTTP|HTTP/1\.x transport connection broken|first record does not look like a TLS "
        r"handshake"
        r"|HTTP response to HTTPS client|tls:|x509",
        "What answers there speaks another protocol than the probe: TLS, or gRPC, or plain HTTP.",
        "Let the probe's kind, `port` and `scheme` be those of the service.",
    ),
    (
        r"no such host|no route to host|network is unreachable",
        "The node does not reach the pod's address.",
        "Look at the cluster's network plugin, and leave out the probe's `host`.",
    ),
    (
        r"connection reset|broken pipe|\bEOF\b",
        "The connection broke off: the program ended, or refuses such calls.",
        "Its log says why (`kubectl logs`).",
    ),
    (
        r"deadline exceeded|timed out|timeout",
        "No answer came in time: the service hangs, is too slow, or has too little CPU.",
        "Look at the log; raise the probe's `timeoutSeconds`, or the CPU limit, if it is only slow.",
    ),
)
