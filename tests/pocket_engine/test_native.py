"""The preloaded library, without a container around it: two tables on one machine are two containers."""

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.native import CannotBuild, building
from pocket_engine.networks import files, real_addresses

SECONDS = 30
ROOT = {"POCKET_IDENTITY": "0:0", "POCKET_CAPABILITIES": "ffffffffff"}


@dataclass
class Box:
    """What a program sees of its container: a library with a table of its own."""

    library: Path
    folder: Path
    table: Path = Path()

    def start(
        self, script: str, *arguments: str, stdin: int | None = None, **variables: str
    ) -> subprocess.Popen:
        """Start a Python script; its first line of output says that it is ready."""
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            env={**os.environ, "LD_PRELOAD": str(self.library), **variables},
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, *arguments: str, **variables: str) -> str:
        """Run a Python script to its end; what it printed."""
        process = self.start(script, *arguments, **variables)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, output
        return output.strip()

    def shell(self, script: str, **variables: str) -> str:
        """Run a shell script; all that it printed."""
        return subprocess.run(
            ["sh", "-c", script],
            env={**os.environ, "LC_ALL": "C", "LD_PRELOAD": str(self.library), **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        ).stdout.strip()


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, Box]]:
    """Two containers on one network: 172.18.0.2 and 172.18.0.3."""
    folder = tmp_path_factory.mktemp("native")
    addresses = real_addresses.RealAddresses(folder)
    claims = [addresses.claim() for _ in range(2)]
    virtual = [f"172.18.0.{number}" for number in (2, 3)]
    pairs = [(seen, claim.text) for seen, claim in zip(virtual, claims, strict=True)]
    made = []
    for number, claim in enumerate(claims):
        table = folder / f"table-{number}"
        lines = [pairs[number], *pairs, ("172.18.0.1", "127.0.0.1"), ("172.18.0.0/16", "-")]
        table.write_bytes(files.table(claim.text, lines))
        made.append(Box(build(folder / f"box-{number}", f'-DTABLE="{table}"'), folder, table))
    yield made[0], made[1]
    for claim in claims:
        claim.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as it is shipped."""
    return build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def box(alone: Path, tmp_path: Path) -> Box:
    """A program with files, but no network of its own."""
    os.chmod(tmp_path, 0o777)
    return Box(alone, tmp_path)


def build(folder: Path, *options: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "OPTIONS", (*building.OPTIONS, "-Wall", "-Wextra", "-Werror", *options))
        return building.library(DataRoot(folder))


SERVER = """
    import socket, sys
    family, address, port = sys.argv[1:4]
    server = socket.socket(getattr(socket, family))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == "AF_INET6":
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[5]))
    server.bind((address, int(port)))
    server.listen()
    print(*server.getsockname()[:2], flush=True)
    while True:
        client, caller = server.accept()
        client.sendall(f"{sys.argv[4]} {caller[0]} {client.getsockname()[0]}".encode())
        client.close()
"""
CLIENT = """
    import socket, sys
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as client:
            print(client.recv(99).decode(), client.getpeername()[0], client.getsockname()[0])
    except OSError as error:
        print(error.strerror)
"""

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server in a box; where it says that it listens."""
    started = []

    def serve(box: Box, family: str, address: str, port: int, name: str, six_only: bool = False) -> str:
        started.append(box.start(SERVER, family, address, str(port), name, str(int(six_only))))
        assert started[-1].stdout
        return started[-1].stdout.readline().strip()

    yield serve
    for process in started:
        process.kill()
        process.communicate()


TALKER = """
    import os, select, socket, sys
    role, address, port, call = sys.argv[1:]
    if role == "server":
        server = socket.create_server((address, int(port)))
        print("ready", flush=True)
        connection, _ = server.accept()
    else:
        connection = socket.create_connection((address, int(port)))
        print("ready", flush=True)
        sys.stdin.readline()
    def poll():
        with select.epoll() as waiting:
            waiting.register(connection, select.EPOLLIN | select.EPOLLET)
            waiting.poll(20)
        return connection.recv(9)
    calls = {
        "poll": poll,
        "recv": lambda: connection.recv(9),
        "send": lambda: connection.send(b"x"),
        "sendmsg": lambda: connection.sendmsg([b"x"]),
        "write": lambda: os.write(connection.fileno(), b"x"),
        "writev": lambda: os.writev(connection.fileno(), [b"x"]),
    }
    try:
        print(calls[call]())
    except OSError as error:
        print(error.strerror)
"""


@pytest.mark.parametrize("call", ["send", "sendmsg", "write", "writev"])
@pytest.mark.parametrize("waiting", ["poll", "recv"])
@pytest.mark.parametrize("stays", [False, True])
def test_a_connection_ends_when_its_peer_leaves_the_network(
    boxes: tuple[Box, Box], call: str, waiting: str, stays: bool
):
    server = boxes[0].start(TALKER, "server", "172.18.0.2", "7100", waiting)
    assert server.stdout.readline() == "ready\n"
    client = boxes[1].start(TALKER, "client", "172.18.0.2", "7100", call, stdin=subprocess.PIPE)
    assert client.stdout.readline() == "ready\n"
    with without(boxes[1], "172.18.0.1" if stays else "172.18.0.2"):
        said, _ = client.communicate("\n", timeout=SECONDS)
        heard, _ = server.communicate(timeout=SECONDS)
    reset = "Connection reset by peer\n"
    assert (said, heard) == (("1\n", "b'x'\n") if stays else (reset, reset))


@contextlib.contextmanager
def without(box: Box, address: str) -> Iterator[None]:
    """For a while a container's table does not have an address."""
    before = box.table.read_bytes()
    own, *lines = before[: before.index(b"\0")].decode().splitlines()
    pairs = [(seen, real) for seen, real in map(str.split, lines) if seen != address]
    files.write_table(box.table, files.table(own, pairs))
    yield
    files.write_table(box.table, before)


def test_two_containers_have_the_same_port(boxes: tuple[Box, Box], serve: Serve):
    one, two = boxes
    assert serve(one, "AF_INET", "0.0.0.0", 50051, "one") == "0.0.0.0 50051"
    assert serve(two, "AF_INET6", "::", 50051, "two") == ":: 50051"
    assert one.run(CLIENT, "127.0.0.1", "50051") == "one 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1"
    assert two.run(CLIENT, "::1", "50051") == "two ::1 ::1 ::1 ::1"
    assert one.run(CLIENT, "172.18.0.3", "50051") == (
        "two ::ffff:172.18.0.2 ::ffff:172.18.0.3 172.18.0.3 172.18.0.2"
    )
    assert two.run(CLIENT, "172.18.0.2", "50051") == "one 172.18.0.3 172.18.0.2 172.18.0.2 172.18.0.3"
    assert two.run(CLIENT, "::ffff:172.18.0.2", "50051").startswith("one 172.18.0.3")


def test_what_listens_on_localhost_is_not_reached_from_elsewhere(boxes: tuple[Box, Box], serve: Serve):
    one, two = boxes
    assert serve(one, "AF_INET", "127.0.0.1", 5000, "own") == "127.0.0.1 5000"
    assert one.run(CLIENT, "localhost", "5000").startswith("own 127.0.0.1")
    assert one.run(CLIENT, "172.18.0.2", "5000") == "Connection refused"
    assert two.run(CLIENT, "172.18.0.2", "5000") == "Connection refused"
    assert two.run(CLIENT, "127.0.0.1", "5000") == "Connection refused"


def test_a_server_may_bind_both_families_on_its_own(boxes: tuple[Box, Box], serve: Serve):
    one, two = boxes
    assert serve(one, "AF_INET6", "::", 80, "six", six_only=True) == ":: 80"
    assert serve(one, "AF_INET", "0.0.0.0", 80, "four") == "0.0.0.0 80"
    assert one.run(CLIENT, "::1", "80").startswith("six ::1")
    assert one.run(CLIENT, "127.0.0.1", "80").startswith("four 127.0.0.1")
    assert two.run(CLIENT, "172.18.0.2", "80").startswith("four 172.18.0.3")


def test_a_taken_port_is_taken(boxes: tuple[Box, Box], serve: Serve):
    one, _ = boxes
    serve(one, "AF_INET", "0.0.0.0", 7000, "first")
    assert "Address already in use" in serve_again(one)


def serve_again(box: Box) -> str:
    process = box.start(SERVER, "AF_INET", "0.0.0.0", "7000", "second", "0")
    return process.communicate(timeout=SECONDS)[0]


def test_port_0_is_found_by_others(boxes: tuple[Box, Box], serve: Serve):
    one, two = boxes
    address, port = serve(one, "AF_INET", "0.0.0.0", 0, "any").split()
    assert address == "0.0.0.0" and int(port) >= 1024
    assert two.run(CLIENT, "172.18.0.2", port).startswith("any 172.18.0.3")


def test_addresses_that_nobody_has(boxes: tuple[Box, Box]):
    one, _ = boxes
    assert one.run(CLIENT, "172.18.0.77", "80") == "No route to host"
    assert "Cannot assign" in one.run(
        """
        import socket
        try:
            socket.socket().bind(("172.18.0.3", 80))
        except OSError as error:
            print(error.strerror)
        """
    )


def test_a_gateway_is_the_machine(boxes: tuple[Box, Box], serve: Serve, alone: Path, tmp_path: Path):
    machine = Box(alone, tmp_path)
    _, port = serve(machine, "AF_INET", "127.0.0.1", 0, "machine").split()
    assert boxes[0].run(CLIENT, "172.18.0.1", port).startswith("machine ")
    assert boxes[0].run(CLIENT, "127.0.0.1", port) == "Connection refused"


def test_the_table_may_change_while_a_program_runs(boxes: tuple[Box, Box], serve: Serve):
    one, two = boxes
    serve(two, "AF_INET", "0.0.0.0", 6000, "two")
    table = one.folder / "table-0"
    before = table.read_bytes()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import socket
                for _ in range(2):
                    try:
                        print(socket.create_connection(("172.18.0.3", 6000), 5).recv(3), flush=True)
                    except OSError as error:
                        print(error.strerror, flush=True)
                    input()
                """),
        ],
        env={**os.environ, "LD_PRELOAD": str(one.library)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == "b'two'\n"
        own = before.split(b"\n")[0].decode()
        files.write_in_place(table, files.table(own, [("0.0.0.0/0", "-")]))
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "Network is unreachable\n"
    finally:
        files.write_in_place(table, before)
        process.communicate("\n")


def test_datagrams(boxes: tuple[Box, Box]):
    one, two = boxes
    server = one.start(
        """
        import socket
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 5353))
        print("ready", flush=True)
        while True:
            _, caller = server.recvfrom(99)
            server.sendto(caller[0].encode(), caller)
        """
    )
    assert server.stdout
    server.stdout.readline()
    client = """
        import socket
        for way in "unbound", "port 0", "connected", "mapped":
            family, address = socket.AF_INET, "172.18.0.2"
            if way == "mapped":
                family, address = socket.AF_INET6, "::ffff:172.18.0.2"
            client = socket.socket(family, socket.SOCK_DGRAM)
            client.settimeout(5)
            if way == "port 0":
                client.bind(("", 0))
            if way == "connected":
                client.connect((address, 5353))
                client.send(b"?")
            else:
                client.sendto(b"?", (address, 5353))
            said, who = client.recvfrom(99)
            print(said.decode(), who[0])
        """
    try:
        assert two.run(client).splitlines() == ["172.18.0.3 172.18.0.2"] * 3 + [
            "172.18.0.3 ::ffff:172.18.0.2"
        ]
    finally:
        server.kill()
        server.communicate()


def test_a_server_of_grpcs_and_its_clients(boxes: tuple[Box, Box]):
    one, two = boxes
    server = one.start(
        """
        import grpc
        from concurrent import futures

        class Greeter(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(lambda request, context: context.peer().encode())

        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((Greeter(),))
        server.add_insecure_port("[::]:50051")
        server.start()
        print("ready", flush=True)
        server.wait_for_termination()
        """
    )
    client = """
        import grpc, sys
        with grpc.insecure_channel(sys.argv[1]) as channel:
            print(channel.unary_unary("/a/b")(b"", timeout=10, wait_for_ready=True).decode())
        """
    assert server.stdout
    try:
        assert server.stdout.readline() == "ready\n"
        assert two.run(client, "172.18.0.2:50051").startswith("ipv4:172.18.0.3:")
        assert one.run(client, "localhost:50051").startswith("ipv")
    finally:
        server.kill()
        server.communicate()


def test_root_gives_files_away_and_stat_tells(box: Box):
    assert box.run(
        """
        import os
        os.mkdir("folder")
        open("file", "w").close()
        os.chown("file", 10, 20)
        os.chown("folder", 30, -1)
        os.symlink("nowhere", "link")
        os.lchown("link", 5, 5)
        os.chmod("file", 0o400)
        os.chown("file", 11, -1)
        for name in "file", "folder":
            status = os.stat(name)
            print(status.st_uid, status.st_gid, oct(status.st_mode & 0o777))
        """,
        **ROOT,
    ).splitlines() == ["11 20 0o400", "30 0 0o755"]
    assert os.getxattr(box.folder / "file", "user.pocket.owner") == b"11:20"
    assert "11" in box.shell("ls -ln file")


def test_without_the_capability_nothing_is_given_away(box: Box):
    (box.folder / "file").touch()
    output = box.shell("chown 10 file", **{**ROOT, "POCKET_CAPABILITIES": "0"})
    assert "Operation not permitted" in output


def test_whoever_became_another_stays_it(box: Box):
    assert box.run(
        """
        import os
        os.setgroups([33, 34])
        os.setresgid(33, 33, 33)
        os.setuid(33)
        print(os.getresuid(), os.getresgid(), os.getgroups())
        try:
            os.setuid(0)
        except PermissionError as error:
            print(error.strerror)
        os.system("id -u; id -G")
        """,
        **ROOT,
    ).splitlines() == ["(33, 33, 33) (33, 33, 33) [33, 34]", "Operation not permitted", "33", "33 34"]


@pytest.mark.parametrize(
    "command",
    [
        "touch new",
        "echo more >> file",
        "rm -f file",
        "mv file moved",
        "mkdir made",
        "chmod 777 file",
        "touch file",
        f'{sys.executable} -c \'open("file", "a")\'',
        "cat secret",
        "ls private",
        "ln -s a b",
    ],
)
def test_others_may_not(box: Box, command: str):
    os.chmod(box.folder, 0o755)
    (box.folder / "file").touch(0o644)
    (box.folder / "secret").touch(0o600)
    (box.folder / "private").mkdir(0o700)
    output = box.shell(command, POCKET_IDENTITY="10001:10001")
    assert "ermission denied" in output or "not permitted" in output
    assert sorted(os.listdir(box.folder)) == ["file", "private", "secret"]


def test_what_others_make_is_theirs(box: Box):
    script = """
        set -e
        touch a; mkdir b; echo x > b/c; mv a b/a; rm b/c; sed -i s/x/y/ b/a; 
        d=$(mktemp -d); touch $d/x; rm -r $d
        stat -c '%u %g' b b/a
        """
    assert box.shell(script, POCKET_IDENTITY="10001:10002").splitlines() == ["10001 10002"] * 2
    assert "ermission denied" in box.shell("touch b/d", POCKET_IDENTITY="10003:10003")


def test_the_sticky_bit(box: Box):
    os.chmod(box.folder, 0o1777)
    box.shell("touch mine", POCKET_IDENTITY="10001:10001")
    assert "not permitted" in box.shell("rm -f mine", POCKET_IDENTITY="10002:10002")
    assert box.shell("rm mine", POCKET_IDENTITY="10001:10001") == ""


def test_whoever_clears_the_environment_is_still_who_he_became(box: Box):
    script = """
        import os
        os.setgid(34)
        os.setuid(33)
        os.execve("/bin/sh", ["sh", "-c", "id -u; id -g"], {"LD_PRELOAD": os.environ["LD_PRELOAD"]})
        """
    assert box.run(script, **ROOT).splitlines() == ["33", "34"]


def test_read_only_roots_and_their_exceptions(box: Box):
    (box.folder / "open").mkdir()
    variables = {**ROOT, "POCKET_READ_ONLY": str(box.folder), "POCKET_WRITABLE": str(box.folder / "open")}
    assert "Read-only file system" in box.shell("touch a", **variables)
    assert "Read-only file system" in box.shell("mkdir a", **variables)
    assert box.shell("touch open/a && ls open", **variables) == "a"


def test_the_hosts_name(box: Box):
    script = "import os, socket; print(socket.gethostname(), os.uname().nodename)"
    assert box.run(script, POCKET_HOSTNAME="catalogue") == "catalogue catalogue"


def test_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    built = building.library(DataRoot(tmp_path))
    monkeypatch.setattr(building, "_compilers", lambda scratch: pytest.fail("built twice"))
    assert building.library(DataRoot(tmp_path)) == built
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_compiler_that_does_not_work_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "false")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CannotBuild, match="no compiler"):
        building.library(DataRoot(tmp_path))


def test_it_needs_no_version_of_any_libc(alone: Path):
    if not shutil.which("readelf"):
        pytest.skip("readelf is not there")
    said = subprocess.run(["readelf", "-dV", alone], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" not in said and "GLIBC" not in said
