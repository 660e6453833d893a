"""Why a container does not start, or ends again and again."""

import re
from collections.abc import Sequence
from datetime import timedelta

from workshop.cluster import probing
from workshop.cluster.cases import ContainerCase, PodCase
from workshop.cluster.explanation import Explanation
from workshop.cluster.situation import Happening, moment

# A Secret or a ConfigMap may be on its way, in the same apply.
CONFIG_PATIENCE = 8.0
# The first restart may be bad luck: another component was not there yet.
RESTARTS = 2
# A container that restarted this long ago, and is ready, is told no more.
RECENT = timedelta(minutes=5)

_SECRET_OF_OURS = re.compile(r"-tls$")


def explain_configuration(case: ContainerCase) -> Explanation | None:
    """The node cannot make the container, because of what the manifest says or names."""
    reason, message = case.waiting.get("reason"), case.waiting.get("message") or ""
    if reason not in ("CreateContainerConfigError", "CreateContainerError", "PreCreateHookError"):
        return None
    event = case.event("Failed")
    if found := re.search(r'(secret|configmap) "([^"]+)" not found', message):
        return missing(case, found[1], found[2], event or message)
    if found := re.search(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", message):
        return case.explain(
            "configuration",
            f"{found[2]} “{found[3].rpartition('/')[2]}” has no key “{found[1]}”",
            f"{case.label[0].upper()}{case.label[1:]} takes that key into its environment.",
            "Mend the key's name in the manifest, or add it there, and apply again.",
            event or message,
            patience=CONFIG_PATIENCE,
        )
    if "runAsNonRoot" in message or "run as root" in message:
        return _root(case, message)
    return case.explain(
        "configuration",
        f"The node cannot make {case.label}",
        "It says why, below, word for word.",
        "Mend what it names in the manifest, and apply again.",
        event or message,
        patience=CONFIG_PATIENCE,
    )


def missing(case: PodCase, kind: str, name: str, evidence: str | Happening) -> Explanation:
    """A Secret or a ConfigMap that the pod needs is not there."""
    kind = "Secret" if kind.lower() == "secret" else "ConfigMap"
    ours = kind == "Secret" and _SECRET_OF_OURS.search(name)
    remedy = (
        "Make the certificates: `shop.make_certificates()`. The pod starts by itself within a minute or two; "
        "`shop.delete_pod(NAME)` makes it at once."
        if ours
        else f"Apply the {kind}, or mend its name in the manifest; the pod starts by itself then."
    )
    why = f"The pod needs the {kind} “{name}”, and there is none in the namespace “{case.namespace}”."
    if ours:
        why += (
            " It holds the certificates for mutual TLS, which are made by a command and never stand in a "
            "file."
        )
    return case.explain(
        "configuration",
        f"The {kind} “{name}” is missing",
        why,
        remedy,
        evidence,
        patience=CONFIG_PATIENCE,
    )


def _root(case: ContainerCase, message: str) -> Explanation:
    if "non-numeric" in message:
        why = (
            "`runAsNonRoot` is set, and the image names its user by a name; the node can only check a number."
        )
    else:
        why = "`runAsNonRoot` is set, and the image runs as root."
    return case.explain(
        "root",
        f"{case.label[0].upper()}{case.label[1:]} may not run as this user",
        why,
        "Set `securityContext.runAsUser` to the number of the image's user (10001 in ours), or build the "
        "image with `USER 10001`, and apply again.",
        case.event("Failed") or message,
        patience=CONFIG_PATIENCE,
    )


def explain_crash(case: ContainerCase) -> Explanation | None:
    """The container's program does not start, or ended."""
    waits = case.waiting.get("reason") in ("CrashLoopBackOff", "RunContainerError", "PostStartHookError")
    ended = case.terminated
    if not waits and not ended:
        return None
    if case.init and ended.get("exitCode") == 0 and not waits:
        return None  # It did its work.
    if not waits and case.running and case.container_status.get("ready") and not _recently(case):
        return None
    if cannot := _cannot_start(case):
        return cannot
    if killed := probing.explain_kill(case, _patience(case)):
        return killed
    return _ended(case)


def _recently(case: ContainerCase) -> bool:
    finished = case.terminated.get("finishedAt")
    return bool(finished) and case.situation.now - moment(finished) < RECENT


def _patience(case: ContainerCase) -> float | None:
    return 0 if case.restarts >= RESTARTS else None


def _cannot_start(case: ContainerCase) -> Explanation | None:
    """The runtime could not start the program at all."""
    said = case.terminated.get("message") or case.waiting.get("message") or ""
    failed = case.event(
        "Failed", message="executable file not found|no such file|permission denied|exec format"
    )
    words = said if case.terminated.get("reason") in ("StartError", "ContainerCannotRun") else ""
    words = words or (said if case.waiting.get("reason") == "RunContainerError" else "")
    if not words:
        return None
    why, remedy = _start(words, case)
    return case.explain(
        "start",
        f"The program of {case.label} cannot be started",
        why,
        remedy,
        f"{case.terminated.get('reason') or case.waiting.get('reason')}: {words}",
        None if failed and failed.message in words else failed,
        patience=_patience(case),
        time=case.terminated.get("finishedAt") or "",
    )


def _start(words: str, case: ContainerCase) -> tuple[str, str]:
    program = re.search(r'exec: "([^"]+)"', words)
    named = f"“{program[1]}”" if program else "the program"
    if "exec format error" in words:
        return _PLATFORM
    if "permission denied" in words:
        return (
            f"{named} in the image may not be executed by the pod's user.",
            "Make it executable in the Dockerfile (`chmod +x`), build, load, and roll again.",
        )
    if re.search("executable file not found|no such file or directory", words):
        origin = "`command` in the manifest" if case.spec.get("command") else "the image's ENTRYPOINT or CMD"
        return (
            f"There is no {named} in the image; {origin} names it. (Or its first line names an interpreter "
            "that is not there.)",
            f"Mend {origin}, and roll again.",
        )
    if re.search("memory|cgroup", words) and "limit" in words:
        return (
            "Its memory limit is too small even to start it.",
            "Raise `resources.limits.memory`, and apply again.",
        )
    return "The container runtime says why, below.", "Mend what it names, and apply again."


_PLATFORM = (
    "The program is made for another processor than the node's (amd64 or arm64).",
    "Build the image for the node's platform (`docker build --platform linux/amd64 …`), load it, and roll "
    "again.",
)


def _ended(case: ContainerCase) -> Explanation:
    ended = case.terminated
    code, reason = ended.get("exitCode"), ended.get("reason") or ""
    lines = list(case.log(_previous(case)))
    why, remedy = _meaning(code, reason, case, lines)
    what = f"{case.label[0].upper()}{case.label[1:]} ends again and again"
    if case.restarts < 1:
        what = f"{case.label[0].upper()}{case.label[1:]} ended"
    state = f"terminated: {reason or 'ended'}, exit code {code}, {case.restarts} restarts" if ended else ""
    event = case.event("BackOff", message="restarting failed container")
    return case.explain(
        "out of memory" if reason == "OOMKilled" else "crash",
        what,
        why,
        remedy,
        state,
        ended.get("message") or None,
        *(["its last log lines:", *(f"  {line}" for line in lines[-9:])] if lines else []),
        event,
        patience=_patience(case),
    )


def _previous(case: ContainerCase) -> bool:
    """Whether the run that ended is the one before this: its log has to be asked for."""
    return "terminated" not in (case.container_status.get("state") or {})


def _meaning(code: int | None, reason: str, case: ContainerCase, lines: Sequence[str]) -> tuple[str, str]:
    text = "\n".join(lines)
    limit = ((case.spec.get("resources") or {}).get("limits") or {}).get("memory")
    look = (
        "Mend what its last line names, build and load the image, and `shop.roll(…)`; or apply what it lacks."
    )
    if reason == "OOMKilled":
        bound = f"its limit of {limit}" if limit else "what the node has"
        return (
            f"It used more memory than {bound}, and the kernel killed it.",
            "Raise `resources.limits.memory`, or find what takes so much, and apply again.",
        )
    if "exec format error" in text:
        return _PLATFORM
    if code == 0:
        return (
            "Its program came to its end, with code 0: nothing went wrong, but a Deployment's container "
            "has to run for ever.",
            "Let the program serve until it is stopped; work that ends belongs into a Job.",
        )
    if code in _CODES:
        return _CODES[code]
    if code is None:
        return "Kubernetes does not say how it ended.", "Look at `kubectl describe pod`."
    hint = next((words for pattern, words in _LOGGED if re.search(pattern, text, re.IGNORECASE)), "")
    said = " Its last log lines say why." if lines else " It wrote nothing into its log before."
    return f"Its program gave up, with exit code {code}.{hint or said}", look


_CODES = {
    126: (
        "Code 126: the program was found, but may not be executed.",
        "Make it executable in the image (`chmod +x`), or mend `command`, and roll again.",
    ),
    127: (
        "Code 127: a shell did not find the program that it should run.",
        "Mend `command`, or install the program in the image, and roll again.",
    ),
    134: (
        "Code 134: the program stopped itself (SIGABRT), which a failed assertion in a library does.",
        "Its last log lines name the library; look for a version without the fault.",
    ),
    137: (
        "Code 137: it was killed (SIGKILL). Nothing says that its own memory limit was the reason; the "
        "node ran out of memory, somebody killed it, or it did not stop in time when it was asked to.",
        "Look at the events of the node (`kubectl describe node`), and whether it stops within "
        "`terminationGracePeriodSeconds`.",
    ),
    139: (
        "Code 139: it touched memory that is not its own (SIGSEGV), a fault of a compiled library or of "
        "the program.",
        "Look which library was changed last, and whether it fits the node's processor.",
    ),
    143: (
        "Code 143: it was asked to stop (SIGTERM), and did.",
        "`kubectl describe pod` says by whom: a probe, an eviction, or a person.",
    ),
}

_LOGGED = (
    (r"address already in use", " The port that it wants to listen on is taken: two programs in one pod?"),
    (r"read-only file ?system", " It writes to its file system, which `readOnlyRootFilesystem` forbids."),
    (r"permission denied", " Something is forbidden to its user; the last log lines name it."),
    (r"no such file or directory", " A file that it needs is not there; the last log lines name it."),
)
