"""Containers from create to remove."""

import threading
import time

import docker
import pytest

from tests.pocket_engine.containers import Run, becomes, image, run, says, state

__all__ = ["image", "run"]

DEAF = "trap '' TERM; echo ready; while true; do sleep 0.1; done"
POLITE = "trap 'exit 7' TERM; echo ready; while true; do sleep 0.05; done"


def test_it_is_created_runs_and_ends(run: Run) -> None:
    container = run("sh", "-c", "echo hello; exit 3", start=False)
    assert state(container)["Status"] == "created"
    container.start()
    assert container.wait() == {"Error": None, "StatusCode": 3}
    assert state(container)["Status"] == "exited"
    assert state(container)["ExitCode"] == 3
    assert state(container)["FinishedAt"] > state(container)["StartedAt"]
    assert container.logs() == b"hello\n"


def test_the_same_container_keeps_its_files_from_run_to_run(run: Run) -> None:
    container = run("sh", "-c", "echo x >> /file; wc -l < /file")
    container.wait()
    container.start()
    container.wait()
    assert container.logs().split() == [b"1", b"2"]


def test_what_runs_is_not_started_again(client: docker.DockerClient, run: Run) -> None:
    container = run("sleep", "100")
    before = state(container)["StartedAt"]
    container.start()
    assert state(container)["StartedAt"] == before


def test_stop_asks_first_and_answers_as_soon_as_it_has_ended(run: Run) -> None:
    container = run("sh", "-c", POLITE)
    says(container, b"ready")
    began = time.monotonic()
    container.stop(timeout=10)
    assert time.monotonic() - began < 2
    assert state(container)["ExitCode"] == 7


def test_stop_makes_an_end_when_its_time_is_up(run: Run) -> None:
    container = run("sh", "-c", DEAF)
    says(container, b"ready")
    began = time.monotonic()
    container.stop(timeout=1)
    assert 1 <= time.monotonic() - began < 3
    assert state(container)["ExitCode"] == 137


def test_stop_uses_the_signal_of_the_config(run: Run) -> None:
    container = run(
        "sh", "-c", "trap 'exit 9' USR1; echo ready; while true; do sleep 0.05; done", stop_signal="SIGUSR1"
    )
    says(container, b"ready")
    container.stop(timeout=5)
    assert state(container)["ExitCode"] == 9


def test_stop_of_what_does_not_run_changes_nothing(run: Run) -> None:
    container = run("true")
    container.wait()
    container.stop()
    assert state(container)["ExitCode"] == 0


@pytest.mark.parametrize("signal", ["USR1", "SIGUSR1", "10"])
def test_kill_sends_any_signal(run: Run, signal: str) -> None:
    container = run("sh", "-c", "trap 'echo got it' USR1; echo ready; while true; do sleep 0.05; done")
    says(container, b"ready")
    container.kill(signal)
    says(container, b"got it")
    assert state(container)["Running"]


def test_kill_without_a_signal_kills(run: Run) -> None:
    container = run("sleep", "100")
    container.kill()
    assert state(container)["Status"] == "exited"
    assert state(container)["ExitCode"] == 137


def test_kill_refuses_what_is_no_signal_and_what_does_not_run(run: Run) -> None:
    container = run("sleep", "100")
    with pytest.raises(docker.errors.APIError, match="Invalid signal: NOSUCH") as refused:
        container.kill("NOSUCH")
    assert refused.value.status_code == 400
    container.kill()
    with pytest.raises(docker.errors.APIError, match=f"Container {container.id} is not running") as refused:
        container.kill()
    assert refused.value.status_code == 409


def test_pause_stops_it_where_it_is(run: Run) -> None:
    container = run("sh", "-c", "while true; do echo tick; sleep 0.05; done")
    says(container, b"tick")
    container.pause()
    assert state(container)["Status"] == "paused"
    assert state(container)["Running"]
    time.sleep(0.2)
    before = container.logs()
    time.sleep(0.3)
    assert container.logs() == before
    with pytest.raises(docker.errors.APIError, match="is paused, unpause the container before exec"):
        container.exec_run("true")
    container.unpause()
    says(container, before + b"tick")


def test_a_paused_container_can_be_stopped(run: Run) -> None:
    container = run("sleep", "100")
    container.pause()
    container.stop(timeout=1)
    assert state(container)["Status"] == "exited"


def test_restart_is_an_end_and_a_start(run: Run) -> None:
    container = run("sleep", "100")
    before = state(container)["StartedAt"]
    container.restart(timeout=0)
    assert state(container)["Running"]
    assert state(container)["StartedAt"] > before


def test_restart_keeps_a_container_that_removes_itself(run: Run) -> None:
    container = run("sleep", "100", auto_remove=True)
    container.restart(timeout=0)
    assert state(container)["Running"]


def test_wait_for_the_next_exit_begins_before_the_start(run: Run) -> None:
    container = run("true", start=False)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(container.wait(condition="next-exit")))
    waiting.start()
    time.sleep(0.3)
    assert not answers
    container.start()
    waiting.join(10)
    assert answers == [{"Error": None, "StatusCode": 0}]


def test_wait_until_it_has_removed_itself(client: docker.DockerClient, run: Run) -> None:
    container = run("sh", "-c", "sleep 0.3; exit 4", auto_remove=True)
    assert container.wait(condition="removed")["StatusCode"] == 4
    with pytest.raises(docker.errors.NotFound, match=f"No such container: {container.id}"):
        client.containers.get(container.id)


def test_what_runs_is_removed_by_force_only(client: docker.DockerClient, run: Run) -> None:
    container = run("sleep", "100")
    with pytest.raises(docker.errors.APIError, match="You cannot remove a running container") as refused:
        container.remove()
    assert refused.value.status_code == 409
    container.remove(force=True)
    assert container.id not in [other.id for other in client.containers.list(all=True)]


def test_a_name_belongs_to_one(client: docker.DockerClient, run: Run) -> None:
    first, second = run("true", name="first-name"), run("true", start=False)
    with pytest.raises(docker.errors.APIError, match=r'The container name "/first-name" is already in use'):
        run("true", name="first-name")
    with pytest.raises(docker.errors.APIError, match="already in use") as refused:
        second.rename("first-name")
    assert refused.value.status_code == 409
    first.rename("another-name")
    second.rename("first-name")
    assert client.containers.get("first-name").id == second.id
    assert client.containers.get("another-name").id == first.id
    assert client.containers.get(first.id[:12]).id == first.id


def test_a_program_that_is_not_there(run: Run) -> None:
    container = run("nosuch", start=False)
    with pytest.raises(
        docker.errors.APIError, match='exec: "nosuch": executable file not found in '
    ) as refused:
        container.start()
    assert refused.value.status_code == 400
    assert state(container)["Status"] == "created"
    assert state(container)["ExitCode"] == 127


def test_no_such_image(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.ImageNotFound, match="No such image: nosuch:latest"):
        client.containers.create("nosuch", ["true"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": "no!"}, r"Invalid container name \(no!\)"),
        ({"working_dir": "here"}, "the working directory 'here' is invalid"),
        ({"mem_limit": "1m"}, "Minimum memory limit allowed is 6MB"),
        ({"cap_add": ["FLY"]}, 'invalid CapAdd: unknown capability: "CAP_FLY"'),
        ({"restart_policy": {"Name": "always"}, "auto_remove": True}, "can't create 'AutoRemove' container"),
        ({"volumes": ["/tmp:relative"]}, "mount path must be absolute"),
        ({"volumes": ["re/lative:/x"]}, "includes invalid characters for a local volume name"),
        (
            {"mounts": [docker.types.Mount("/x", "/nosuch", "bind")]},
            "bind source path does not exist: /nosuch",
        ),
        ({"devices": ["/dev/fuse"]}, "devices of the machine cannot be given"),
        ({"log_config": docker.types.LogConfig(type="nosuch")}, "no log driver named 'nosuch' is registered"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, options: dict, complaint: str) -> None:
    with pytest.raises(docker.errors.APIError, match=complaint):
        run("true", **options)


def test_what_cannot_be_done_is_warned_of(client: docker.DockerClient, image: str) -> None:
    limits = client.api.create_host_config(cpu_shares=512)
    made = client.api.create_container(image, ["true"], host_config=limits)
    client.api.remove_container(made)
    assert made["Warnings"] == [
        "CpuShares needs control groups, which ordinary users do not have: it is ignored."
    ]


def test_too_much_memory_ends_it(run: Run) -> None:
    # tail keeps what it reads: the zeros have no line feeds.
    container = run("sh", "-c", "tail < /dev/zero", mem_limit="30m")
    assert container.wait()["StatusCode"] == 137
    assert state(container)["OOMKilled"]


def test_its_events(client: docker.DockerClient, run: Run) -> None:
    since = int(time.time()) - 1
    container = run("sh", "-c", "exit 5", labels={"tier": "test"})
    container.wait()
    becomes(container, "exited")
    container.remove()
    filters = {"container": container.id, "type": "container"}
    events = list(client.events(since=since, until=time.time() + 0.1, decode=True, filters=filters))
    assert [event["Action"] for event in events] == ["create", "start", "die", "destroy"]
    attributes = events[2]["Actor"]["Attributes"]
    assert attributes["exitCode"] == "5"
    assert attributes["name"] == container.name
    assert attributes["image"] == "small:latest"
    assert attributes["tier"] == "test"


def test_prune_removes_those_that_do_not_run(client: docker.DockerClient, run: Run) -> None:
    running, ended = run("sleep", "100", labels={"prune": "1"}), run("true", labels={"prune": "1"})
    ended.wait()
    answer = client.containers.prune({"label": "prune=1"})
    assert answer["ContainersDeleted"] == [ended.id]
    assert state(running)["Running"]
