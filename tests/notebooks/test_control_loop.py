"""The control loop that lesson 09 writes really holds, on whatever engine is there."""

import ast
import json
import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import docker
import pytest
from docker.models.containers import Container

from workshop import cleanup, runner
from workshop.load import Load, Visit
from workshop.patience import until
from workshop.repository import NOTEBOOKS

LESSON = NOTEBOOKS / "09-kubernetes-manifests.ipynb"

# The cells that define things; then those that set the loop going, and the Service in front of it.
DEFINING = [
    *(
        "load",
        "kubelet",
        "pass-bytes-on",
        "loop-engine",
        "loop-images",
        "desired",
        "from-manifests",
        "create",
    ),
    *("ready", "pod", "look", "decisions", "back-off", "try-back-off", "start-again", "let-go", "reconcile"),
    *("state-of", "table", "settled", "run", "watch", "loop", "settle", "kill", "set-env", "shop-service"),
]
STARTING = ["start-loop", "start-shop-service"]
NAMES = ("recommendations", "marketplace")

MINUTE = 60.0
VISITORS_PER_SECOND = 40


def cells() -> dict[str, str]:
    """The source of the lesson's cells, by their ids."""
    return {cell.id: cell.source for cell in runner.read(LESSON).cells}


def run(lesson: SimpleNamespace, *ids: str) -> None:
    """Run cells of the lesson, as its kernel would."""
    sources = cells()
    for id in ids:
        exec(compile(sources[id], f"cell {id}", "exec"), vars(lesson))


@pytest.fixture
def lesson(clean_machine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The lesson's names, as they are when all is defined and nothing was done yet."""
    monkeypatch.chdir(NOTEBOOKS)
    before = set(threading.enumerate())
    lesson = SimpleNamespace(__name__="lesson")
    run(lesson, *DEFINING)
    yield lesson
    cleanup.start_over(lesson.client)
    lesson.client.close()
    until(lambda: set(threading.enumerate()) <= before, "all threads of the lesson have ended")


@pytest.fixture
def shop(lesson: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The lesson with its loop running, all pods ready, and the Service in front of the Marketplace."""
    run(lesson, *STARTING)
    yield lesson
    run(lesson, "loop-clean-up")


def containers(shop: SimpleNamespace, name: str) -> list[Container]:
    """The engine's own view: what carries the Deployment's label."""
    labels = [f"app.kubernetes.io/name={name}", f"{cleanup.LABEL}={cleanup.LABELS[cleanup.LABEL]}"]
    return shop.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)


def ids(shop: SimpleNamespace, name: str) -> set[str]:
    return {container.id for container in containers(shop, name)}


def books(shop: SimpleNamespace) -> int:
    with suppress(OSError, HTTPException), urlopen(shop.page, timeout=5) as reply:
        return reply.read().count(b"data-book-id")
    return 0


def test_its_heart_has_some_forty_lines():
    """What decides and acts; how a pod is made, looked at and shown are other matters."""
    sources = cells()
    heart = ("decisions", "reconcile", "run", "watch")
    lines = sum(code_lines(sources[id]) for id in heart)
    assert 30 <= lines <= 60, lines


def code_lines(source: str) -> int:
    """How many lines of the functions in a source are code: no docstring, no comment, no empty line."""
    return sum(
        len(ast.unparse(function).splitlines()) - (ast.get_docstring(function) is not None)
        for function in ast.parse(source).body
        if isinstance(function, ast.FunctionDef)
    )


def test_what_is_as_it_should_be_stays_untouched(lesson: SimpleNamespace):
    first = [lesson.reconcile(name) for name in NAMES]
    assert [len(done) for done in first] == [2, 2]
    assert [lesson.reconcile(name) for name in NAMES] == [[], []], "started is not missing"
    until(lambda: all(map(lesson.settled, NAMES)), "all pods are ready", 60)
    before = {name: ids(lesson, name) for name in NAMES}
    assert [lesson.reconcile(name) for name in NAMES] == [[], []]
    assert {name: ids(lesson, name) for name in NAMES} == before


def test_a_pod_is_what_the_manifest_says(shop: SimpleNamespace):
    pod = containers(shop, "marketplace")[0]
    config, host = pod.attrs["Config"], pod.attrs["HostConfig"]
    assert config["Image"] == "marketplace:1.0.0"
    assert {"PORT=5000", "RECOMMENDATIONS_HOST=recommendations"} <= set(config["Env"])
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert pod.ports["5000/tcp"][0]["HostIp"] == "127.0.0.1"
    assert "marketplace" in pod.attrs["NetworkSettings"]["Networks"]["microservices"]["Aliases"]
    assert books(shop) == 3, "both components find each other by the Service's name"


@pytest.mark.timeout(300)
def test_it_holds_for_a_minute_of_random_kills_under_load(shop: SimpleNamespace, record_property):
    """No visitor is turned away. What a Marketplace was answering when it was killed is lost, and no more."""
    shop.dice = random.Random(9)
    with Load(shop.page, VISITORS_PER_SECOND) as load:
        shop.history.begin()
        began = load.seconds  # The history's clock starts here, the load's a moment earlier.
        while load.seconds < MINUTE:
            load.wait(shop.dice.uniform(1, 3))
            shop.kill(NAMES)
        shop.settle()
        load.wait(1)
    kills = {name: [at + began for at, _ in shop.history.marks.get(name, [])] for name in NAMES}
    answered = [visit for visit in load.visits if not visit.failed]
    figures = {
        "kills": {name: len(moments) for name, moments in kills.items()},
        "pages": len(load.visits),
        "answered": f"{len(answered) / len(load.visits):.2%}",
        "lost": load.failed,
        "without books": load.empty,
        "longest gap": f"{longest_gap(answered):.2f} s",
        "slowest": f"{max(visit.seconds for visit in answered):.2f} s",
    }
    record_property("a minute of kills", json.dumps(figures))
    print(figures)

    assert sum(map(len, kills.values())) >= 20
    assert all(len(moments) >= 3 for moments in kills.values()), "chance has met both"
    assert [visit for visit in load.visits if visit.failed and turned_away(visit)] == []
    unexplained = [v for v in load.visits if v.failed and not in_flight(v, kills["marketplace"])]
    assert unexplained == []
    assert len(answered) >= 0.98 * len(load.visits)
    assert longest_gap(answered) < 5
    assert all(shop.settled(name) for name in NAMES)
    assert [len(containers(shop, name)) for name in NAMES] == [2, 2]
    assert books(shop) == 3


def longest_gap(answered: list[Visit]) -> float:
    """The longest time in which nobody got a page."""
    moments = sorted(visit.at + visit.seconds for visit in answered)
    return max(later - earlier for earlier, later in zip(moments, moments[1:], strict=False))


def turned_away(visit: Visit) -> bool:
    """Refused, left to wait in vain, or told that nobody is there; not: cut off in the middle."""
    return bool(visit.status) or "refused" in visit.error or "timed out" in visit.error


def in_flight(visit: Visit, kills: list[float]) -> bool:
    """Whether a Marketplace was killed while this visitor was with it.

    The engine takes a moment until the published port of a process that is gone is closed.
    """
    return any(visit.at - 1.5 <= kill <= visit.at + visit.seconds + 0.1 for kill in kills)


def test_a_release_that_cannot_start_backs_off_and_harms_nobody(shop: SimpleNamespace):
    before = ids(shop, "recommendations")
    with Load(shop.page, 20) as load:
        shop.set_env("recommendations", PORT="fifty")
        shop.loop.wake.set()
        until(lambda: ids(shop, "recommendations") > before, "the new pod was made")
        [broken] = [it for it in containers(shop, "recommendations") if it.id not in before]
        until(lambda: len(starts(broken)) >= 5, "it was started five times", 60)
        until(lambda: "CrashLoopBackOff" in map(shop.state_of, shop.look("recommendations")), "it waits")
        patient = starts(broken)
        assert ids(shop, "recommendations") == before | {broken.id}, "no third, and both old ones"

        del shop.desired["recommendations"]["template"]["spec"]["containers"][0]["env"]
        shop.settle()
        assert ids(shop, "recommendations") == before, "taken back, with nobody replaced"
    pauses = [later - earlier for earlier, later in zip(patient, patient[1:], strict=False)]
    # The first try is at once; from then on 1, 2 and 4 seconds after the last one. What a log's time says
    # of a start is late by how long the process took to load, which varies.
    assert pauses[1] > 0.6
    assert pauses[2] > 1.4
    assert pauses[3] > 3.0
    assert (load.failed, load.empty) == (0, 0)


def test_without_back_off_it_would_start_again_and_again(shop: SimpleNamespace):
    """What the lesson shows first; and the proof that the test above can fail."""
    before = ids(shop, "recommendations")
    shop.BackOff.longest = 0
    shop.set_env("recommendations", PORT="fifty")
    shop.loop.wake.set()
    until(lambda: ids(shop, "recommendations") > before, "the new pod was made")
    [broken] = [it for it in containers(shop, "recommendations") if it.id not in before]
    until(lambda: len(starts(broken)) >= 5, "it was started five times", 60)
    pauses = [later - earlier for earlier, later in zip(starts(broken), starts(broken)[1:], strict=False)]
    assert max(pauses[:4]) < 3.0


def starts(broken: Container) -> list[float]:
    """When the process of a container with a wrong port has begun, each time: it logs why it ends."""
    lines = [line for line in broken.logs().decode().splitlines() if "which is no port" in line]
    return [datetime.fromisoformat(json.loads(line)["time"]).timestamp() for line in lines]


def test_who_ran_well_is_forgiven(shop: SimpleNamespace):
    shop.WELL_SECONDS = 1
    victim = containers(shop, "recommendations")[0]
    for _ in range(3):
        until(lambda: ran_for(victim) > 1.5, "it has run for a while")
        victim.kill()
        until(lambda: shop.loop.diary and ran_for(victim) < 1.5, "it was started again")
        shop.settle()
        assert shop.back_off.tries[victim.id] == 1


def ran_for(container: Container) -> float:
    """Seconds since its process started; the machine's clock is the engine's."""
    container.reload()
    if container.status != "running":
        return 0.0
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"])
    return time.time() - started.timestamp()


def test_scaling_is_a_number(shop: SimpleNamespace):
    before = ids(shop, "recommendations")
    for replicas in (4, 1, 0, 2):
        shop.desired["recommendations"]["replicas"] = replicas
        shop.settle()
        assert len(containers(shop, "recommendations")) == replicas
        if replicas == 4:
            assert before < ids(shop, "recommendations"), "nobody was replaced"
    until(lambda: books(shop) == 3, "the Marketplace has found the new ones")


def test_a_roll_under_load_loses_no_request(shop: SimpleNamespace):
    before = {name: ids(shop, name) for name in NAMES}
    shop.history.begin()
    with Load(shop.page, VISITORS_PER_SECOND) as load:
        for name in NAMES:
            shop.set_env(name, RELEASE="2")
            shop.settle()
        load.wait(1)
    assert (load.failed, load.empty) == (0, 0), [visit for visit in load.visits if visit.failed]
    for name in NAMES:
        assert not before[name] & ids(shop, name), "all were replaced"
        assert all("RELEASE=2" in it.attrs["Config"]["Env"] for it in containers(shop, name))
        counts = shop.history.counts[name]
        assert min(count.ready for count in counts) == 2, "none unavailable"
        assert max(count.there for count in counts) == 3, "one more at most"


BY_HAND = {
    "docker rm -f": lambda pod: pod.remove(force=True),
    "docker stop": lambda pod: pod.stop(timeout=5),
    "docker kill": lambda pod: pod.kill(),
}


@pytest.mark.parametrize("by_hand", BY_HAND.values(), ids=BY_HAND.keys())
@pytest.mark.parametrize("name", NAMES)
def test_what_is_changed_by_hand_is_put_right(shop: SimpleNamespace, name: str, by_hand):
    shop.loop.diary.clear()
    by_hand(containers(shop, name)[0])
    until(lambda: shop.loop.diary, "the loop has acted")
    shop.settle()
    assert len(containers(shop, name)) == 2
    assert len(shop.loop.diary) == 1, "one thing was wrong, and one thing was done"


def test_it_is_the_engines_event_that_wakes_it(shop: SimpleNamespace):
    """No timer: what the loop does here, it does because the engine told it to look."""
    timer, shop.patience = shop.patience, lambda: 3600.0
    turns = shop.loop.diary
    shop.loop.wake.set()
    until(lambda: not shop.loop.wake.is_set(), "it sleeps without a timer")
    victim = containers(shop, "marketplace")[0]
    victim.kill()
    until(lambda: any(victim.name in line for line in turns), "it has started the pod again")
    shop.patience = timer
    shop.settle()


def test_one_too_many_with_our_labels_has_to_go(shop: SimpleNamespace):
    before = ids(shop, "marketplace")
    labels = cleanup.LABELS | {"app.kubernetes.io/name": "marketplace"}
    # Where a process has just begun it may not hear SIGTERM yet; let the test not wait for that.
    extra = shop.client.containers.run("marketplace:1.0.0", detach=True, labels=labels, stop_signal="SIGKILL")
    until(lambda: extra.id not in ids(shop, "marketplace"), "the extra one has gone")
    shop.settle()
    assert ids(shop, "marketplace") == before


def test_a_container_that_is_not_the_workshops_is_left_alone(shop: SimpleNamespace):
    """It has the Deployment's label, but not the workshop's own."""
    labels = {"app.kubernetes.io/name": "marketplace", cleanup.LABEL: "a learner's own"}
    stranger = shop.client.containers.run("marketplace:1.0.0", detach=True, labels=labels)
    try:
        shop.desired["marketplace"]["replicas"] = 3
        shop.settle()
        shop.desired["marketplace"]["replicas"] = 2
        shop.settle()
        stranger.reload()
        assert stranger.status == "running"
    finally:
        stranger.remove(force=True)


def test_one_that_hangs_gets_no_visitors_until_it_answers(shop: SimpleNamespace):
    hung = containers(shop, "marketplace")[0]
    hung.kill("SIGSTOP")
    until(lambda: len(shop.endpoints["marketplace"]) == 1, "its probe has failed", 30)
    assert [books(shop) for _ in range(4)] == [3] * 4
    hung.kill("SIGCONT")
    until(lambda: len(shop.endpoints["marketplace"]) == 2, "it is ready again", 30)


def test_an_image_that_does_not_exist_is_reported_and_stops_nothing_else(shop: SimpleNamespace):
    before = ids(shop, "recommendations")
    good = json.loads(json.dumps(shop.desired["recommendations"]))
    shop.only_container(shop.desired["recommendations"])["image"] = "recommendations:no-such-tag"
    shop.loop.wake.set()
    until(lambda: "no-such-tag" in shop.troubles.get("recommendations", ""), "it was reported")
    assert "no-such-tag" in shop.table().data

    shop.loop.diary.clear()
    victim = containers(shop, "recommendations")[0]
    victim.kill()
    until(lambda: any(victim.name in line for line in shop.loop.diary), "the loop goes on with the others")

    shop.desired["recommendations"] = good
    shop.settle()
    assert shop.troubles == {}
    assert len(ids(shop, "recommendations")) == 2
    assert before & ids(shop, "recommendations")


def test_a_mistake_in_the_learners_code_is_raised_where_they_wait(shop: SimpleNamespace):
    def to_remove(pods, template, replicas):
        raise ZeroDivisionError("a slip")

    shop.to_remove = to_remove
    with pytest.raises(ZeroDivisionError, match="a slip"):
        shop.settle()


class Switchboard(socketserver.ThreadingUnixStreamServer):
    """A way to the engine that can be cut: to whoever uses it, as if the engine had gone.

    Args:
        path: the socket to listen on.
        engine: the engine's own.
    """

    daemon_threads = True

    def __init__(self, path: str, engine: str) -> None:
        self.engine, self.is_cut, self.calls = engine, False, []
        super().__init__(path, Call)

    def cut(self) -> None:
        """Hang up on everybody, and on all who try until `mend`."""
        self.is_cut = True
        for call in self.calls:
            with suppress(OSError):
                call.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False


class Call(socketserver.BaseRequestHandler):
    server: Switchboard

    def handle(self) -> None:
        if self.server.is_cut:
            return
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            self.server.calls += [self.request, engine]
            back = threading.Thread(target=pass_on, args=(engine, self.request), daemon=True)
            back.start()
            pass_on(self.request, engine)
            back.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def switchboard(
    client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Switchboard]:
    """The lesson finds the engine through it; `client` has its own way."""
    adapter = client.api.get_adapter(client.api.base_url)
    if not hasattr(adapter, "socket_path"):
        pytest.skip("this engine is not reached through a socket of this machine")
    path = str(tmp_path / "engine.sock")
    with Switchboard(path, adapter.socket_path) as board:
        threading.Thread(target=board.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield board
        board.cut()
        board.shutdown()


def test_what_happens_while_the_engine_is_out_of_reach_is_found_afterwards(
    switchboard: Switchboard, shop: SimpleNamespace, clean_machine: docker.DockerClient
):
    """As when the engine starts anew: the stream of events is broken, and no event told what is down."""
    switchboard.cut()
    for name in NAMES:
        killed, removed = containers(SimpleNamespace(client=clean_machine), name)
        killed.kill()
        removed.remove(force=True)
    until(lambda: shop.troubles.keys() >= set(NAMES), "the loop has noticed, and goes on trying")
    switchboard.mend()
    until(
        lambda: all(len(shop.endpoints[name]) == 2 for name in NAMES) and not shop.troubles, "all is well", 60
    )
    shop.settle()
    assert [len(containers(shop, name)) for name in NAMES] == [2, 2]
    assert books(shop) == 3

    heard = shop.loop.heard.copy()
    containers(shop, "recommendations")[0].kill()
    until(
        lambda: shop.loop.heard["die"] + shop.loop.heard["died"] > heard["die"] + heard["died"], "it listens"
    )
    shop.settle()
