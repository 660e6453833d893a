"""Programs in user namespaces: what they see, who they are, what limits them, and how they end."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.filesystems import overlay
from pocket_engine.filesystems.copies import Copies
from pocket_engine.runners import CannotStart, Mount, Program, Streams
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from tests.pocket_engine import small_root
from tests.pocket_engine.boxes import Box, eventually, lives

NewBox = Callable[..., Box]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_root.make(tmp_path_factory.mktemp("layers") / "small")


@pytest.fixture(params=["overlay", "copies"])
def new_box(request: pytest.FixtureRequest, layer: Path, tmp_path: Path) -> Iterator[NewBox]:
    """Make containers, with each way to put a file system together."""
    data_root = DataRoot(tmp_path / "data")
    filesystem = overlay if request.param == "overlay" else Copies(data_root)
    runner = NamespacesRunner(filesystem)

    def new_box(**options) -> Box:
        return Box.new(runner, (layer,), tmp_path / f"root{len(os.listdir(tmp_path))}", **options)

    try:
        new_box().sh("true")
    except CannotStart as error:
        pytest.skip(f"this machine allows no namespaces with {request.param}: {error}")
    yield new_box
    remove_tree(tmp_path)


@pytest.fixture
def box(new_box: NewBox) -> Box:
    return new_box()


# What it sees.


def test_it_is_process_one_among_its_own(box: Box):
    processes = box.sh("echo $$; ps -o pid=,args= -A").splitlines()
    assert processes[0] == "1"
    assert [line.split()[0] for line in processes[1:]] == ["1", "2"]


def test_it_has_a_hostname_and_devices(box: Box):
    assert box.sh("hostname") == "box\n"
    assert box.sh("echo gone > /dev/null; head -c 3 /dev/zero | wc -c; cat /dev/stdin") == "3\n"
    assert set(box.sh("ls /dev").split()) >= {"fd", "full", "null", "ptmx", "pts", "shm", "stdin", "tty"}
    assert "cannot" in box.run("sh", "-c", "echo 1 > /proc/sys/kernel/panic")[1]


def test_it_starts_in_its_folder_with_its_environment_only(box: Box):
    written = box.sh("pwd; env", folder="/made/for/it", environment=("A=1", "B=x=y"))
    assert written.startswith("/made/for/it\n")
    variables = dict(line.split("=", 1) for line in written.splitlines()[1:])
    assert variables.pop("PWD") == "/made/for/it"
    variables.pop("_", None)
    assert variables == {"PATH": "/usr/bin:/bin", "HOME": "/root", "A": "1", "B": "x=y"}


def test_nothing_of_the_engine_is_inherited(box: Box):
    assert box.sh("umask; ls /proc/self/fd").split() == [
        "0022",
        "0",
        "1",
        "2",
        "3",
    ]  # 3 is the folder that ls reads.
    status = box.sh("cat /proc/self/status")
    for name in ("SigIgn", "SigBlk"):
        assert int(_field(status, name), 16) == 0


def test_what_it_writes_stays_and_leaves_the_layers_alone(box: Box, layer: Path):
    box.sh("echo kept > /kept; rm /etc/group; echo more >> /etc/passwd")
    assert box.sh("cat /kept; ls /etc/group 2>/dev/null || tail -n 1 /etc/passwd") == "kept\nmore\n"
    assert (layer / "etc/passwd").read_text() == small_root.PASSWD
    assert (layer / "etc/group").exists()
    assert list(box.runner.changes(box.root)) == [
        ("/etc", 0), ("/etc/group", 2), ("/etc/passwd", 0), ("/kept", 1),
    ]  # fmt: skip


def test_mounts(new_box: NewBox, tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("from outside\n")
    (tmp_path / "link").symlink_to("shared")
    box = new_box(
        mounts=(
            Mount(tmp_path / "link", "/deep/shared"),
            Mount(tmp_path / "shared", "/look", read_only=True),
            Mount(tmp_path / "shared/file", "/etc/hosts", read_only=True),
            Mount(None, "/memory", size=1 << 16, mode=0o700),
        )
    )
    assert box.sh("cat /deep/shared/file /etc/hosts; echo written > /deep/shared/new") == "from outside\n" * 2
    assert (tmp_path / "shared/new").read_text() == "written\n"
    for refused in ("touch /look/x", "touch /etc/hosts", "head -c 100000 /dev/zero > /memory/x"):
        assert box.run("sh", "-c", refused)[0] != 0
    assert box.sh("stat -c %a /memory") == "700\n"


def test_a_mount_that_cannot_be(new_box: NewBox, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    box = new_box(mounts=(Mount(tmp_path / "folder", "/etc/passwd"),))
    with pytest.raises(
        CannotStart, match=r'^error mounting ".*/folder" to rootfs at "/etc/passwd": .*vice-versa'
    ):
        box.start("true")


def test_a_link_in_the_image_does_not_lead_a_mount_out_of_it(new_box: NewBox, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    box = new_box()
    box.sh(f"ln -s {tmp_path}/outside /link")
    box.options["mounts"] = (Mount(None, "/link/inner"),)
    box.sh("true")
    assert not any((tmp_path / "outside").iterdir())


def test_read_only(new_box: NewBox):
    box = new_box(read_only=True)
    code, written = box.run("touch", "/x")
    assert (code, "Read-only file system" in written) == (1, True)
    box.sh("touch /dev/shm/x")


def test_a_terminal(box: Box):
    ours, theirs = pty.openpty()
    program = Program(("sh", "-c", "tty; ls /dev/tty; echo done"), ("PATH=/bin",), terminal=True)
    running = box.runner.start(box.sandbox, program, Streams(theirs, theirs, theirs))
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # EIO is a terminal's end of file.
        while chunk := os.read(ours, 1024):
            written += chunk
    os.close(ours)
    assert (running.wait(), written) == (0, b"/dev/console\r\n/dev/tty\r\ndone\r\n")


def test_where_no_proc_can_be_mounted_the_machines_is_shown_and_that_is_said(box: Box):
    """As in a container of Docker's: what covers parts of its /proc may not be uncovered by a new one."""
    code = COVERED.format(layer=str(box.root.layers[0]), folder=str(box.root.folder.parent / "covered"))
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == ["False", "0", "True"]


COVERED = """
import subprocess
from pathlib import Path
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from tests.pocket_engine.boxes import Box
subprocess.run(["mount", "-t", "tmpfs", "cover", "/proc/fs"], check=True)
runner = NamespacesRunner()
says = lambda: any("see the machine's processes" in note for note in runner.notes)
print(says())
print(Box.new(runner, (Path({layer!r}),), Path({folder!r})).run("ls", "/proc/self/fd")[0])
print(says())
"""


# Who it is.


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "0:0 /root"),
        ("0", "0:0 /root"),
        ("app", "10001:10001 /home/app"),
        ("10001", "10001:10001 /home/app"),
        ("app:staff", "10001:50 /home/app"),
        ("1234:77", "1234:77 /"),
        ("0:50", "0:50 /root"),
    ],
)
def test_its_user(box: Box, user: str, said: str):
    assert box.sh("echo $(id -u):$(id -g) $HOME", user=user) == f"{said}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "nobody"}, "unable to find user nobody: no matching entries in passwd file"),
        ({"user": "0:nobody"}, "unable to find group nobody: no matching entries in group file"),
        ({"user": "4294967296"}, "uids and gids must be in range 0-2147483647"),
        ({"groups": ("nobody",)}, "Unable to find group nobody"),
        (
            {"folder": "/etc/passwd"},
            'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory',
        ),
        ({"rlimits": {"nofile": (1 << 40, 1 << 40)}}, "error setting rlimit type 7: operation not permitted"),
    ],
)
def test_what_cannot_be_started(box: Box, options: dict, message: str):
    with pytest.raises(CannotStart) as caught:
        box.start("true", **options)
    assert (caught.value.message, caught.value.exit_code) == (message, 128)


@pytest.mark.parametrize(
    ("program", "message", "exit_code"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH', 127),
        ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory', 127),
        ("/etc", 'exec: "/etc": is a directory', 126),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied', 126),
    ],
)
def test_programs_that_are_none(box: Box, program: str, message: str, exit_code: int):
    for beside in (None, box.start("sleep", "60")[0]):
        with pytest.raises(CannotStart) as caught:
            box.start(program, beside=beside)
        assert (caught.value.message, caught.value.exit_code) == (message, exit_code)
        if beside:
            beside.destroy()


def test_a_program_that_the_kernel_refuses(box: Box):
    box.sh("echo garbage > /bad; chmod 755 /bad")
    assert box.run("/bad") == (255, "exec /bad: exec format error\n")


# What limits it.


def test_capabilities(new_box: NewBox):
    for capabilities, root_has in ((frozenset({"CAP_CHOWN", "CAP_KILL"}), 1 << 0 | 1 << 5), (frozenset(), 0)):
        box = new_box(capabilities=capabilities)
        for user, has in (("", root_has), ("app", 0)):
            status = box.sh("cat /proc/self/status", user=user)
            assert int(_field(status, "CapBnd"), 16) == root_has
            assert int(_field(status, "CapEff"), 16) == int(_field(status, "CapPrm"), 16) == has


def test_no_new_privileges(new_box: NewBox):
    for wanted in (False, True):
        status = new_box(no_new_privileges=wanted).sh("cat /proc/self/status")
        assert _field(status, "NoNewPrivs") == str(int(wanted))


def test_a_privileged_exec_has_all_capabilities(new_box: NewBox):
    box = new_box(capabilities=frozenset())
    first, _ = box.start("sleep", "60")
    for privileged in (False, True):
        status = box.sh("cat /proc/self/status", beside=first, privileged=privileged)
        assert bool(int(_field(status, "CapEff"), 16)) is privileged
    first.destroy()


def test_limits(box: Box):
    assert box.sh("ulimit -n; ulimit -Hn", rlimits={"nofile": (100, 200)}) == "100\n200\n"


@pytest.mark.skipif(
    os.geteuid() == 0, reason="the kernel limits the processes of no container that root runs"
)
@pytest.mark.parametrize("user", ["", "app", "77"])
def test_limit_of_processes(new_box: NewBox, user: str):
    box = new_box(pids_limit=8)
    first, _ = box.start("sleep", "60", user="app")
    many = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"
    assert "annot fork" in box.run("sh", "-c", many, beside=first, user=user)[1]
    new_box(pids_limit=8).sh("sleep 0 & wait")  # Each container is counted apart.
    first.destroy()


# Programs beside the first one.


def test_beside(box: Box):
    first, _ = box.start("sleep", "60", user="app")
    assert box.sh("id -u; hostname; cat /proc/1/comm", beside=first, user="0") == "0\nbox\nsleep\n"
    # Its own /proc entries, and the right to signal, say that it is the same user to the kernel.
    assert box.sh("readlink /proc/1/exe; kill -0 1; id -u", beside=first, user="app") == "/bin/sleep\n10001\n"
    assert box.sh("id -u", beside=first, user="77") == "77\n"
    with pytest.raises(
        CannotStart, match=r'^chdir to cwd \("/nosuch"\) set in config.json failed: no such file'
    ):
        box.start("true", beside=first, folder="/nosuch")
    first.destroy()
    with pytest.raises(CannotStart, match="is not running"):
        box.start("true", beside=first)


def test_all_end_with_the_first(box: Box):
    first, _ = box.start("sh", "-c", "sleep 60 & sleep 61")
    other, _ = box.start("sh", "-c", "sleep 62 & sleep 63", beside=first)
    eventually(lambda: len(first.pids()) == 6)
    pids = first.pids()
    assert set(other.pids()) < set(pids)
    first.destroy()
    assert (first.wait(), other.wait(), first.pids(), other.pids()) == (137, 137, [], [])
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_process_one_hears_only_what_it_listens_to(box: Box):
    deaf, _ = box.start("sleep", "60")
    deaf.kill(signal.SIGTERM)
    listening, reading = box.start("sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")
    with open(reading) as pipe:
        pipe.readline()
        listening.kill(signal.SIGTERM)
        assert listening.wait() == 3
    deaf.kill(signal.SIGKILL)
    assert deaf.wait() == 137
    deaf.kill(signal.SIGKILL)  # Nothing happens.


ENGINE = """
import sys, time
from pathlib import Path
from pocket_engine.runners.namespaces.runner import NamespacesRunner
from tests.pocket_engine.boxes import Box
layer, folder = map(Path, sys.argv[1:])
box = Box.new(NamespacesRunner(), (layer,), folder / "box")
first, _ = box.start("sh", "-c", "sleep 60 & sleep 61")
box.start("sleep", "62", beside=first, user="app")
while len(first.pids()) < 4: time.sleep(0.01)
print(*first.pids(), flush=True)
time.sleep(60)
"""


def test_a_killed_engine_leaves_no_orphan(box: Box, layer: Path, tmp_path: Path):
    folder = tmp_path / "other"
    folder.mkdir()
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(layer), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert engine.stdout
    pids = engine.stdout.readline().split()
    engine.stdout.close()
    engine.kill()
    engine.wait()
    assert len(pids) == 4
    eventually(lambda: not any(lives(pid) for pid in pids))


def _field(status: str, name: str) -> str:
    return next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:"))
