"""A rollout is followed to its end, through broken connections, and given up where waiting is in vain."""

from collections.abc import Callable

import pytest
from double import Cluster as Server
from double import Object, Refusal
from playing import NAMESPACE, READY, Controllers, beside, deployment, namespace, play

from workshop.cluster import Cluster, ServerGone, explaining, pulling, refusals, rollout, scheduling, watching
from workshop.cluster.rollout import Interrupted, NotRolledOut, Target
from workshop.patience import until

ALL_WATCHED = 4  # Deployments, ReplicaSets, pods, events.


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds in a lesson takes none here."""
    monkeypatch.setattr(rollout, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0.05)


def meanwhile(server: Server, *steps: Callable[[], object]) -> None:
    """Do something once all is watched, one step after another."""

    def work() -> None:
        until(lambda: server.double.watches >= ALL_WATCHED, "everything is watched")
        for step in steps:
            step()

    beside(work)


STATUSES = {
    # updated, total, available, observed: whether it is over, and what is said; for two pods and
    # generation 3.
    "not seen": ((2, 2, 2, 2), False, "has not looked at it yet"),
    "being made": ((1, 3, 3, 3), False, "1 of 2 new pods is made"),
    "old are left": ((2, 3, 3, 3), False, "1 old pod is still to end"),
    "not available": ((2, 2, 1, 3), False, "1 of 2 new pods is available"),
    "over": ((2, 2, 2, 3), True, "rolled out"),
    "seen since": ((2, 2, 2, 4), True, "rolled out"),
}


@pytest.mark.parametrize("numbers, over, words", STATUSES.values(), ids=STATUSES.keys())
def test_a_rollout_is_over_when_kubectl_says_so(numbers: tuple[int, ...], over: bool, words: str) -> None:
    updated, total, available, seen = numbers
    found = deployment()
    found["metadata"]["generation"] = 3
    found["status"] = {
        "observedGeneration": seen,
        "replicas": total,
        "updatedReplicas": updated,
        "availableReplicas": available,
    }
    situation = explaining.Situation([found], [], [], [])

    told = rollout.progress(situation, Target(NAMESPACE, "marketplace"))

    assert told.done is over
    assert words in told.words


@pytest.mark.parametrize(
    ("pods", "over"),
    [
        pytest.param(["ready", "ready"], True, id="nobody goes"),
        pytest.param(["ready", "going"], False, id="one goes, and the controller has not noticed"),
        pytest.param(["ready", "going", "starting"], False, id="another one starts"),
        pytest.param(["ready", "going", "ready"], True, id="another one is ready"),
    ],
)
def test_a_pod_that_has_just_been_removed_is_waited_for(pods: list[str], over: bool) -> None:
    """In that moment the Deployment's status still counts it."""
    found = deployment()
    found["metadata"] |= {"generation": 1, "uid": "d"}
    found["status"] = {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
    }
    replica_set = {
        "metadata": {"name": "rs", "namespace": NAMESPACE, "uid": "rs", "ownerReferences": [owner("d")]},
        "spec": {"template": found["spec"]["template"]},
    }
    situation = explaining.Situation(
        [found], [replica_set], [pod(str(number), state) for number, state in enumerate(pods)], []
    )
    assert rollout.progress(situation, Target(NAMESPACE, "marketplace")).done is over


def owner(uid: str) -> Object:
    return {"kind": "any", "name": "any", "uid": uid, "controller": True}


def pod(name: str, state: str) -> Object:
    metadata: Object = {"name": name, "namespace": NAMESPACE, "uid": name, "ownerReferences": [owner("rs")]}
    if state == "going":
        metadata["deletionTimestamp"] = "2026-11-25T00:00:00Z"
    condition = {"type": "Ready", "status": str(state != "starting")}
    return {"metadata": metadata, "spec": {"containers": []}, "status": {"conditions": [condition]}}


def test_it_waits_until_all_pods_are_new_and_available(
    shop: Cluster, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    said: list[str] = []

    def seen(words: str) -> Callable[[], object]:
        return lambda: until(lambda: said.append(capsys.readouterr().out) or words in "".join(said), words)

    meanwhile(
        server,
        controllers.start,
        lambda: controllers.status(updated=1, available=0, old=2),
        seen("1 of 2 new pods is made"),
        lambda: controllers.status(updated=2, available=1, old=1),
        seen("1 old pod is still to end"),
        lambda: controllers.status(updated=2, available=2),
    )
    shop.wait(20)

    assert "marketplace: rolled out, 2 pods are available" in capsys.readouterr().out


@pytest.mark.parametrize("trouble", ["drop_watches", "forget"])
def test_a_watch_that_ends_begins_again(shop: Cluster, server: Server, trouble: str) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    meanwhile(
        server,
        getattr(server, trouble),
        lambda: until(lambda: server.double.watches >= 2 * ALL_WATCHED, "everything is watched again"),
        lambda: controllers.status(updated=2, available=2),
    )

    shop.wait(20)


def test_who_may_list_but_not_watch_can_wait_all_the_same(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    tries: list[str] = []

    def refuse(verb: str, path: str, body: Object | None) -> Refusal | None:
        if verb != "watch":
            return None
        tries.append(path)
        return Refusal(403, "Forbidden", 'User "ada" cannot watch resource "deployments"')

    server.double.refuse = refuse
    controllers = Controllers(server)

    def finish() -> None:
        until(lambda: len(tries) >= ALL_WATCHED, "watching was tried")
        controllers.status(updated=2, available=2)

    beside(finish)
    shop.wait(20)


def test_who_may_not_read_events_can_wait_all_the_same(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    Controllers(server).status(updated=2, available=2)
    server.double.refuse = lambda verb, path, body: (
        Refusal(403, "Forbidden", "no") if "/events" in path else None
    )

    shop.wait(20)


CERTAIN = {
    "image-name": "is no name of an image",
    "crash-loop": "ends again and again",
    "out-of-memory": "It used more memory than its limit",
    "command-not-found": "There is no “serve-books” in the image",
}


@pytest.mark.parametrize("name, words", CERTAIN.items(), ids=CERTAIN.keys())
def test_what_is_certain_ends_the_waiting_at_once(
    shop: Cluster, server: Server, name: str, words: str
) -> None:
    play(server, name)

    with pytest.raises(NotRolledOut, match="waiting longer is in vain") as caught:
        shop.wait(20)

    assert words in str(caught.value)
    assert caught.value.reasons[0].next in str(caught.value)
    assert "Word for word" in str(caught.value)


LASTING = {
    "pull-local": (pulling, "PULL_PATIENCE"),
    "quota": (explaining, "REFUSED_PATIENCE"),
    "no-room": (scheduling, "UNSCHEDULABLE_PATIENCE"),
}


@pytest.mark.parametrize("name, patience", LASTING.items(), ids=LASTING.keys())
def test_what_may_pass_ends_the_waiting_when_it_has_lasted(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, name: str, patience: tuple[object, str]
) -> None:
    play(server, name)
    with pytest.raises(NotRolledOut) as early:
        shop.wait(0.3)
    assert "in vain" not in str(early.value)  # Its own deadline was shorter than the patience.

    monkeypatch.setattr(*patience, 0.2)
    with pytest.raises(NotRolledOut, match="waiting longer is in vain"):
        shop.wait(20)


def test_a_reason_that_passes_does_not_end_it(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PULL_PATIENCE", 30.0)
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    status = {"name": "marketplace", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
    controllers.pod(1, {"phase": "Pending", "containerStatuses": [status]})
    controllers.status(updated=2, available=1)
    meanwhile(
        server,
        lambda: controllers.pod(1, READY),
        lambda: controllers.status(updated=2, available=2),
    )

    shop.wait(20)


def test_an_autoscaler_that_adds_a_node_is_waited_for() -> None:
    said = "0/1 nodes are available: 1 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    pod = {
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"containers": []},
        "status": {"conditions": [condition]},
    }
    grows = {
        "reason": "TriggeredScaleUp",
        "message": "pod triggered scale-up",
        "involvedObject": {"uid": "u"},
    }
    situation = explaining.Situation([], [], [pod], [grows])

    told = scheduling.explain(explaining.PodCase(pod, situation))

    assert told is not None
    assert told.patience is None
    assert "adding a node" in told.why


def test_without_any_reason_the_deadline_ends_it(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    controllers.status(updated=2, available=1)

    with pytest.raises(
        NotRolledOut, match=r"marketplace is not rolled out after 0 s .*1 of 2 new pods is available"
    ):
        shop.wait(0.2)


def test_a_deployment_that_somebody_removes_ends_it(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    found = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    meanwhile(server, lambda: shop._api.delete(found))

    with pytest.raises(NotRolledOut, match="has no Deployment “marketplace”"):
        shop.wait(20)


def test_a_server_that_goes_meanwhile_is_told(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GONE_SECONDS", 0.3)
    shop.apply([namespace(), deployment()])
    meanwhile(server, server.__exit__)

    with pytest.raises(ServerGone, match=r"has not answered for 0\.3 s"):
        shop.wait(20)


def test_an_interrupt_says_that_the_cluster_goes_on(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.apply([namespace(), deployment()])

    def interrupted(self: object, seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.Live, "wait", interrupted)

    with pytest.raises(Interrupted, match="the cluster goes on"):
        shop.wait(20)


def test_in_a_new_notebook_all_deployments_are_meant(server: Server, shop: Cluster) -> None:
    for name in ("marketplace", "recommendations"):
        shop.apply([namespace(), deployment(name)])
        Controllers(server, name).status(updated=2, available=2)
    Cluster(shop.found).wait(20)

    names = [target.name for target in Cluster(shop.found)._all()]
    assert sorted(names) == ["marketplace", "recommendations"]


def test_a_quota_is_waited_for_as_long_as_pods_are_ending() -> None:
    refusal = refusals.Refusal("quota", "", "")
    ending = {"metadata": {"name": "old", "deletionTimestamp": "2026-11-25T05:00:00Z"}}

    assert explaining._patience(explaining.Situation([], [], [], []), refusal) is not None
    assert explaining._patience(explaining.Situation([], [], [ending], []), refusal) is None
