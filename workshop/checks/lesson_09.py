"""The checks of lesson 09: manifests that answers write, judged by what a cluster would do with them."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from workshop import manifests
from workshop.exercises import Answer, NotYet, check, expect
from workshop.manifests import Manifest
from workshop.repository import ROOT

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LISTENS_ON = 50051


@check(
    "09-1",
    first_nudge="recommendations.proto has the name of the service; an empty name asks for the whole server.",
    can_now="You can write probes that take a busy pod out of service, and restart only a dead one.",
)
def probes(answer: Answer) -> None:
    written = _mapping(answer())
    deployment = _objects()["Deployment recommendations"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    for name in ("readinessProbe", "livenessProbe"):
        expect("grpc" in (written.get(name) or {}), f"{name} should ask over gRPC; look at the key below it.")
        container[name] = written[name]
    _expect_valid(_again(deployment))
    ready, alive = written["readinessProbe"]["grpc"], written["livenessProbe"]["grpc"]
    with _server() as (port, state):
        _expect_passes("readinessProbe", ready, port)
        _expect_passes("livenessProbe", alive, port)
        state.set("Recommendations", NOT_SERVING)
        expect(
            _asked(ready, port) != SERVING,
            "The service said NOT_SERVING, and the readiness probe still passed: the pod would get calls "
            "that it cannot answer. Whom does the probe ask for?",
        )
        expect(
            _asked(alive, port) == SERVING,
            "The server was up but busy, and the liveness probe failed: the pod would be restarted with its "
            "calls in flight. Ask for the whole server; its name is empty.",
        )
    patience = _patience(written["livenessProbe"])
    expect(
        patience == 30,
        f"A server that is dead would be restarted after {patience} seconds, not 30: "
        "that is periodSeconds times failureThreshold.",
    )


@check(
    "09-2",
    first_nudge="Look for the labels and the port's name in kubernetes/base/marketplace.yaml: spec.template.",
    can_now="You can lead a Service to its pods, and know where to look when it selects none.",
)
def service(answer: Answer) -> None:
    shop = _one(answer(), "Service")
    _expect_valid([shop])
    objects = _objects()
    world = [shop, *objects.values()]
    names = [workload.name for workload in manifests.selected(shop, world)]
    expect(
        "Deployment recommendations" not in names,
        "Your Service selects pods of Recommendations: visitors of the page would reach a gRPC server. "
        "Which label tells the two components apart?",
    )
    _expect_fits(world, shop)
    expect(names == ["Deployment marketplace"], "Your Service has no selector; name a label of the pods.")
    port = objects["Deployment marketplace"]["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    port["containerPort"] = 8080
    expect(
        not manifests.lint([shop, objects["Deployment marketplace"]]),
        "It works today. When the container moved to port 8080, your Service led nowhere: "
        "write the port's name, not its number.",
    )


@check(
    "09-3",
    first_nudge="`kubernetes/base/marketplace.yaml` has the kind and the name; `spec` the number of pods.",
    can_now="You can scale by a number in a file, and hand that number over to an autoscaler.",
)
def scaling(answer: Answer) -> None:
    objects = _objects()
    recommendations, marketplace = objects["Deployment recommendations"], objects["Deployment marketplace"]
    scaler = _one(answer(recommendations, marketplace), "HorizontalPodAutoscaler")
    _expect_valid([*_again(recommendations), *_again(marketplace), scaler])
    wanted = recommendations["spec"].get("replicas")
    expect(wanted == 3, f"Recommendations should have 3 pods; its spec.replicas is {wanted}.")
    target = scaler["spec"]["scaleTargetRef"].get("name")
    _expect_fits([scaler, *objects.values()], scaler)
    expect(target == "marketplace", f"The autoscaler would scale “{target}”, not the Marketplace.")
    expect(
        "replicas" not in marketplace["spec"],
        "The Marketplace's Deployment still says how many pods it wants: every `kubectl apply` would undo "
        "what the autoscaler did. Take spec.replicas out.",
    )
    share = scaler["spec"]["metrics"][0]["resource"]["target"].get("averageUtilization")
    expect(isinstance(share, int) and share > 0, "averageUtilization is a percentage, e.g. 50.")
    pods = math.ceil(2 * 140 / share)
    expect(
        pods == 4,
        f"Two pods that use 140 % of what they requested should become 4; with your target they become "
        f"{pods}. The new number is pods × use ÷ target, rounded up.",
    )


@dataclass(eq=False)
class _Pod:
    template: str
    ready: bool


@check(
    "09-4",
    first_nudge="Start with the two bounds: both are counted from replicas, one upwards and one downwards.",
    can_now="You can say, from two numbers in a manifest, how a roll will go, and where it will stop.",
)
def rolling(answer: Answer) -> None:
    for surge, unavailable in ((1, 0), (0, 1), (2, 0), (1, 1)):
        pods = [_Pod("old", True) for _ in range(3)]
        create, _ = _turn(answer, pods, surge, unavailable)
        expect(
            create == surge,
            f"With maxSurge {surge} and 3 old pods, {surge} may be started at once; you start {create}.",
        )
        for _ in range(20):
            _get_ready(pods)
            _turn(answer, pods, surge, unavailable)
        old = sum(pod.template == "old" for pod in pods)
        expect(
            (old, len(pods)) == (0, 3),
            f"With maxSurge {surge} and maxUnavailable {unavailable}, the roll never ended: after 20 turns "
            f"there are {old} old pods and {len(pods) - old} new ones. What holds it up?",
        )
    useless = _Pod("old", False)
    pods = [_Pod("old", True), useless, _Pod("old", True)]
    _turn(answer, pods, 1, 0)
    expect(
        useless not in pods, "An old pod that is not ready was kept. Nobody would miss it, and it takes room."
    )
    pods = [_Pod("old", True) for _ in range(3)]
    for _ in range(20):
        _turn(answer, pods, 1, 1)
    expect(
        sum(pod.ready for pod in pods) == 2,
        "A release that never gets ready should stop the roll with 2 of 3 old pods left (maxUnavailable 1); "
        f"there are {sum(pod.ready for pod in pods)}.",
    )


def _expect_passes(name: str, probe: dict[str, Any], port: int) -> None:
    """Run a gRPC probe against a healthy pod, and nudge where it fails."""
    said = _asked(probe, port)
    expect(
        said != grpc.StatusCode.UNAVAILABLE,
        f"The {name} of a healthy pod failed: nothing listens on port {probe['port']}. "
        "Look at the container's ports.",
    )
    expect(
        said != grpc.StatusCode.NOT_FOUND,
        f"The {name} of a healthy pod failed with NOT_FOUND: its health service knows no "
        f"“{probe.get('service')}”. The name is the one after `service` in recommendations.proto; "
        "capitals count.",
    )


def _asked(probe: dict[str, Any], port: int) -> Any:
    """What a probe hears: a serving status, or the code of the error."""
    if probe["port"] != LISTENS_ON:
        return grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=probe.get("service") or "")
        try:
            return health_pb2_grpc.HealthStub(channel).Check(request, timeout=5, wait_for_ready=True).status
        except grpc.RpcError as error:
            return error.code()


@contextmanager
def _server() -> Iterator[tuple[int, health.HealthServicer]]:
    """A server that has nothing but the health of Recommendations; its port, and its state."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    state = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    state.set("Recommendations", SERVING)
    state.set("", SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, state
    finally:
        server.stop(grace=1).wait()


def _patience(probe: dict[str, Any]) -> int:
    """How many seconds of silence a probe allows; the defaults are those of the schema's words."""
    return probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)


def _objects() -> dict[str, Manifest]:
    return {manifest.name: manifest for manifest in manifests.load(ROOT / "kubernetes" / "base")}


def _parsed(text: Any) -> list[Manifest]:
    expect(isinstance(text, str), f"Return the YAML as a text; this returned {type(text).__name__}.")
    try:
        return manifests.parse(text, "your YAML")
    except manifests.InvalidYaml as error:
        raise NotYet(str(error)) from None


def _mapping(text: Any) -> Manifest:
    found = _parsed(text)
    expect(len(found) == 1, "Return both probes in one text, without `---` between them.")
    return found[0]


def _one(text: Any, kind: str) -> Manifest:
    found = [manifest for manifest in _parsed(text) if manifest.get("kind") == kind]
    expect(len(found) == 1, f"Return the YAML of one {kind}; there are {len(found)} in what you returned.")
    return found[0]


def _again(manifest: Manifest) -> list[Manifest]:
    """The manifest as it would be read from a file now."""
    return manifests.parse(yaml.safe_dump(dict(manifest), sort_keys=False), "your YAML")


def _expect_valid(objects: list[Manifest]) -> None:
    for problem in manifests.validate(objects).problems:
        raise NotYet(f"The schema refuses {problem.path or problem.object}. {problem.what}")


def _expect_fits(world: list[Manifest], own: Manifest) -> None:
    """Nudge with what is wrong about the answer's own object, if anything."""
    for problem in manifests.lint(world):
        if problem.object == own.name:
            raise NotYet(f"{problem.path}: {problem.what}")


def _turn(answer: Answer, pods: list[_Pod], surge: int, unavailable: int) -> tuple[int, int]:
    """Let an answer decide once for 3 replicas, hold it to the bounds, and do what it says."""
    ready = sum(pod.ready for pod in pods)
    create, remove = answer(list(pods), "new", 3, surge, unavailable)
    expect(
        len(pods) + create <= 3 + surge,
        f"There were {len(pods)} pods and you start {create}: with 3 replicas and maxSurge {surge}, "
        f"there may be {3 + surge} at the most.",
    )
    for pod in remove:
        pods.remove(pod)
    left = sum(pod.ready for pod in pods)
    expect(
        left == ready or left >= 3 - unavailable,
        f"{ready} pods were ready, and you left {left}: with 3 replicas and maxUnavailable {unavailable}, "
        f"there have to be {3 - unavailable} at the least.",
    )
    pods += [_Pod("new", False) for _ in range(create)]
    return create, len(remove)


def _get_ready(pods: list[_Pod]) -> None:
    for pod in pods:
        pod.ready = True
