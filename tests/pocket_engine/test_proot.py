"""Programs under PRoot: what they see, who they are, and that nothing of them is left."""

import os
import platform
import pty
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.runners import CannotStart, Mount, Program, Streams
from pocket_engine.runners.proot import finding, starter
from pocket_engine.runners.proot.runner import ProotRunner
from tests.pocket_engine import small_root
from tests.pocket_engine.boxes import Box, eventually

NewBox = Callable[..., Box]

# One of them does not want to end.
FAMILY_OF_FOUR = "sleep 60 & (trap '' HUP INT QUIT TERM; sleep 60; true) & wait"


def state(pid: int) -> str:
    """A process' state as the kernel writes it: T is stopped, Z a zombie; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(pid: int) -> bool:
    """Whether a process is more than a zombie that process 1 has not reaped yet."""
    return state(pid) not in ("", "Z")


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_root.make(tmp_path_factory.mktemp("layers") / "small")


@pytest.fixture
def new_box(layer: Path, tmp_path: Path) -> Iterator[NewBox]:
    """Make containers."""
    try:
        runner = ProotRunner(DataRoot(tmp_path / "data"))
    except CannotStart as error:
        pytest.skip(f"there is no PRoot here: {error}")

    def new_box(**options) -> Box:
        return Box.new(runner, (layer,), tmp_path / f"root{len(os.listdir(tmp_path))}", **options)

    yield new_box
    remove_tree(tmp_path)


@pytest.fixture
def box(new_box: NewBox) -> Box:
    return new_box()


def test_it_has_files_of_its_own(box: Box):
    assert box.sh("cat /etc/passwd") == small_root.PASSWD
    box.sh("echo mine > /etc/mine")
    assert (box.root.folder / "copy/etc/mine").read_text() == "mine\n"
    assert not Path("/etc/mine").exists()


def test_newer_system_calls_do_not_reach_the_machine(box: Box, tmp_path: Path):
    (tmp_path / "outside").touch()
    # GNU's programs ask by statx(), which PRoot 5.1 does not know.
    assert box.run("ls", "-l", str(tmp_path / "outside"))[0] == 2
    assert box.sh("stat -c %s /etc/passwd") == f"{len(small_root.PASSWD)}\n"


def test_devices(box: Box):
    assert box.sh("echo out > /dev/stdout; echo err > /dev/stderr; echo gone > /dev/null") == "out\nerr\n"
    assert box.sh("head -c 3 /dev/zero | wc -c; touch /dev/shm/x; ls /dev/shm") == "3\nx\n"


def test_its_environment_is_what_it_was_given(box: Box):
    names = {line.split("=")[0] for line in box.sh("env", environment=("A=1", "EMPTY=")).splitlines()}
    assert {"A", "EMPTY", "HOME", "PATH"} <= names
    assert not {name for name in names if name.startswith(("PROOT", "LD_"))}


@pytest.mark.parametrize(
    ("user", "said"),
    [("", "0 0"), ("app", "10001 10001"), ("10001:50", "10001 50"), ("77", "77 0")],
)
def test_users(box: Box, user: str, said: str):
    assert box.sh("echo $(id -u) $(id -g)", user=user).strip() == said


def test_working_folder(box: Box):
    assert box.sh("pwd", folder="/made/for/it") == "/made/for/it\n"
    with pytest.raises(CannotStart, match=r'chdir to cwd \("/etc/passwd/x"\).*not a directory'):
        box.start("true", folder="/etc/passwd/x")


@pytest.mark.parametrize(
    ("program", "message", "code"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH', 127),
        ("/bin/nosuch", 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory', 127),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied', 126),
        ("/etc", 'exec: "/etc": is a directory', 126),
    ],
)
def test_programs_that_cannot_be_started(box: Box, program: str, message: str, code: int):
    with pytest.raises(CannotStart) as raised:
        box.start(program)
    assert (raised.value.message, raised.value.exit_code) == (message, code)


def test_users_that_are_none(box: Box):
    with pytest.raises(CannotStart, match="unable to find user nobody: no matching entries in passwd file"):
        box.start("true", user="nobody")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
        ("sleep 60 & exit 3", 3),
        ("(sleep 0.1; exit 3) & exec sleep 0.3", 0),
    ],
)
def test_exit_codes(box: Box, script: str, code: int):
    assert box.run("sh", "-c", script)[0] == code


def test_limits(box: Box):
    assert box.sh("ulimit -n", rlimits={"nofile": (100, 200)}) == "100\n"
    with pytest.raises(CannotStart, match="invalid rlimit type: nosuch"):
        box.start("true", rlimits={"nosuch": (1, 1)})


def test_mounts(new_box: NewBox, tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "file").write_text("from outside")
    box = new_box(
        mounts=(
            Mount(tmp_path / "shared", "/shared"),
            Mount(tmp_path / "file", "/shared/file", read_only=True),
            Mount(None, "/memory", mode=0o700),
        )
    )
    assert box.sh("cat /shared/file; echo 1 > /shared/x; echo 2 > /memory/y") == "from outside"
    assert (tmp_path / "shared/x").read_text() == "1\n"
    assert box.sh("ls /memory; stat -c %a /memory") == "700\n"  # Another start, another memory.


def test_a_folder_is_not_mounted_on_a_file(new_box: NewBox, tmp_path: Path):
    with pytest.raises(CannotStart, match="Are you trying to mount a directory onto a file"):
        new_box(mounts=(Mount(tmp_path, "/etc/passwd"),)).start("true")


def test_the_library_is_told_what_the_kernel_does_not_know(new_box: NewBox):
    box = new_box(read_only=True, mounts=(Mount(None, "/memory"),))
    told = dict(line.split("=", 1) for line in box.sh("env", user="app").splitlines())
    assert told["POCKET_HOSTNAME"] == "box"
    assert told["POCKET_IDENTITY"] == "10001:10001:50"
    assert told["POCKET_READ_ONLY"] == "/"
    assert told["POCKET_WRITABLE"].split(":") == ["/dev", "/proc", "/memory"]
    assert int(told["POCKET_CAPABILITIES"], 16) & 0b1011 == 0b1011  # CHOWN, DAC_OVERRIDE, FOWNER


def test_signals_and_destruction(box: Box):
    first, _ = box.start(
        "sh", "-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    )
    eventually(lambda: len(first.pids()) > 1)
    first.kill(signal.SIGTERM)
    assert first.wait() == 5
    stubborn, _ = box.start("sh", "-c", "trap '' TERM; sleep 60 & sleep 60")
    eventually(lambda: len(stubborn.pids()) == 3)
    pids = stubborn.pids()
    assert pids[0] == stubborn.pid
    os.kill(stubborn._proot, signal.SIGSTOP)
    started = time.monotonic()
    stubborn.destroy()
    assert time.monotonic() - started < 0.9
    assert stubborn.wait() == 137
    assert not any(lives(pid) for pid in pids)
    assert stubborn.pids() == []
    stubborn.kill(signal.SIGTERM)


def test_stopped_it_gets_no_further_until_it_may(box: Box):
    first, _ = box.start("sh", "-c", "while :; do echo more >> /tmp/log; sleep 0.01; done")
    written = box.sandbox.root.folder / "copy/tmp/log"
    length = lambda: written.stat().st_size if written.exists() else 0  # noqa: E731
    eventually(lambda: length() > 0)
    first.kill(signal.SIGSTOP)
    eventually(lambda: state(first._proot) == "T")
    assert box.run("sleep", "0.1", beside=first)[0] == 0  # For the system call that it was in.
    then = length()
    assert box.run("sleep", "0.2", beside=first)[0] == 0
    assert length() == then
    first.kill(signal.SIGCONT)
    eventually(lambda: length() > then)
    first.kill(signal.SIGSTOP)
    first.kill(signal.SIGKILL)
    assert first.wait() == 137


def test_programs_beside_the_first(box: Box):
    first, _ = box.start("sleep", "60")
    assert box.run("sh", "-c", "echo beside > /tmp/x; exit 4", beside=first)[0] == 4
    other, _ = box.start("sleep", "60", beside=first)
    assert sorted(first.pids()) == sorted((first.pid, other.pid))
    other.destroy()
    assert first.pids() == [first.pid]
    detached, _ = box.start("sh", "-c", "sleep 60 & exit 0", beside=first)
    assert detached.wait() == 0
    assert len(first.pids()) == 2
    left = first.pids()
    first.destroy()
    assert not any(lives(pid) for pid in left)
    with pytest.raises(CannotStart, match="is not running"):
        box.start("true", beside=first)


def test_a_terminal(box: Box):
    ours, theirs = pty.openpty()
    program = Program(("sh", "-c", "tty; read line; echo got $line; sleep 60"), ("PATH=/bin",), terminal=True)
    running = box.runner.start(box.sandbox, program, Streams(theirs, theirs, theirs))
    os.close(theirs)
    shown = b""
    os.write(ours, b"a line\n")
    while b"got a line" not in shown:
        shown += os.read(ours, 1000)
    assert b"/dev/pts/" in shown
    # Until then the shell might take the interrupt for itself.
    eventually(lambda: Path(f"/proc/{running.pids()[-1]}/cmdline").read_bytes() == b"sleep\x0060\x00")
    os.write(ours, b"\x03")
    assert running.wait() == 130
    os.close(ours)


@pytest.mark.parametrize(("victim", "paused"), [("monitor", False), ("monitor", True), ("proot", False)])
def test_nothing_is_left_when_a_helper_is_killed(box: Box, victim: str, paused: bool):
    running, _ = box.start("sh", "-c", FAMILY_OF_FOUR)
    eventually(lambda: len(running.pids()) == 4)
    pids = running.pids()
    if paused:
        os.kill(running._proot, signal.SIGSTOP)
        eventually(lambda: state(running._proot) == "T")
    os.kill(running._monitor.pid if victim == "monitor" else running._proot, signal.SIGKILL)
    assert running.wait() == 137
    eventually(lambda: not any(lives(pid) for pid in pids))


def test_nothing_is_left_when_the_engine_is_killed(layer: Path, box: Box, tmp_path: Path):
    script = """
        import os, sys
        from pathlib import Path
        from pocket_engine.data_root import DataRoot
        from pocket_engine.runners.proot.runner import ProotRunner
        from tests.pocket_engine.boxes import Box, eventually
        from tests.pocket_engine.test_proot import FAMILY_OF_FOUR

        box = Box.new(ProotRunner(DataRoot(Path(sys.argv[1]))), (Path(sys.argv[2]),), Path(sys.argv[3]))
        running, _ = box.start("sh", "-c", FAMILY_OF_FOUR)
        beside, _ = box.start("sh", "-c", "sleep 60 & exit", beside=running)
        beside.wait()
        eventually(lambda: len(running.pids()) == 5)
        print(*running.pids(), flush=True)
        os.kill(os.getpid(), 9)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "data", layer, tmp_path / "killed"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
    pids = [int(pid) for pid in said.split()]
    assert len(pids) == 5
    eventually(lambda: not any(lives(pid) for pid in pids))


def test_changes_and_files(box: Box):
    box.sh("echo x > /tmp/x; rm /etc/group")
    assert list(box.runner.changes(box.root)) == [("/etc", 0), ("/etc/group", 2), ("/tmp", 0), ("/tmp/x", 1)]
    assert box.runner.files(box.sandbox, None).stat("/tmp/x")["size"] == 2


def test_the_starter_is_a_program(tmp_path: Path):
    starter.write(tmp_path / "starter", platform.machine())
    arguments = starter.arguments("/bin/sh", {"A": "1"}, ("named", "-c", 'echo "$A $0 $1."', "named", ""))
    said = subprocess.run([tmp_path / "starter", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout == "1 named .\n"


def test_without_proot_the_reasons_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="proot is not installed; the packages proot and libtalloc2 cannot"):
        finding.find(DataRoot(tmp_path / "data"))
    assert os.listdir(tmp_path / "data/tmp") == []
