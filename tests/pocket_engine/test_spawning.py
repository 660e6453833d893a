"""Children that never outlive the engine, and are not killed before it ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pocket_engine.runners.processes import ChildProcess, tree
from pocket_engine.runners.spawning import spawn
from tests.pocket_engine.boxes import eventually, lives

REPOSITORY = Path(__file__).parents[2]


def test_a_child_outlives_the_thread_that_asked_for_it():
    children: list[subprocess.Popen] = []
    thread = threading.Thread(target=lambda: children.append(spawn(["sleep", "60"])))
    thread.start()
    thread.join()
    with pytest.raises(subprocess.TimeoutExpired):
        children[0].wait(0.1)
    children[0].kill()
    children[0].wait()


def test_a_child_dies_with_the_engine():
    code = "from pocket_engine.runners.spawning import spawn; print(spawn(['cat']).pid, flush=True); input()"
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, cwd=REPOSITORY, **pipe) as engine:
        assert engine.stdout
        pid = int(engine.stdout.readline())
        engine.kill()
    eventually(lambda: not lives(pid))


def test_what_cannot_be_started():
    with pytest.raises(FileNotFoundError):
        spawn(["/nosuch"])


def test_a_child_process_is_reaped_and_many_may_wait():
    child = ChildProcess(os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 0.1; exit 3"], os.environ))
    codes: list[int] = []
    waiting = [threading.Thread(target=lambda: codes.append(child.wait())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert codes == [3, 3, 3] and tree(child.pid) == []
    child.kill(signal.SIGKILL)  # Nothing happens, also when another process has its id by now.


def test_a_tree_of_processes():
    child = ChildProcess(os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 60 & sleep 61 & wait"], os.environ))
    pids = eventually(lambda: len(found := tree(child.pid)) == 3 and found)
    assert pids[0] == child.pid
    for pid in pids[1:]:
        os.kill(pid, signal.SIGKILL)
    assert child.wait() == 0
