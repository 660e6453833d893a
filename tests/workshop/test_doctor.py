"""Each fault that a learner's machine can have is planted, and must be found with its remedy."""

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from docker.errors import APIError, ContainerError

from workshop import doctor, ports
from workshop.doctor import engine, examination, machine
from workshop.doctor.report import ASIDE, FAIL, GOOD, WARN, Finding, Report

GIB = 1024**3
PINNED = {"flask": "3.1.3", "grpcio": "1.85.1"}

FAULTS = [
    ("an old Python", machine.python((3, 10, 2), "/usr/bin/python3"), FAIL, "3.11"),
    ("a missing package", machine.packages(PINNED, {"flask": "3.1.3"}), FAIL, "grpcio missing"),
    ("another version", machine.packages(PINNED, {**PINNED, "flask": "2.0"}), WARN, "flask 3.1.3"),
    ("missing stubs", machine.stubs([Path("x/recommendations_pb2.py")], False), FAIL, "workshop stubs"),
    ("old stubs", machine.stubs([], False), WARN, "older than the contract"),
    ("stubs too new for the runtime", machine.protobuf("7.40.0", "7.36.2"), FAIL, "pip install"),
    ("a taken port", machine.port(50051, "python3 (process 7)", 50052, "linux"), WARN, "50052"),
    ("AirPlay's port", machine.port(5000, "another process", 5001, "darwin"), WARN, "AirPlay"),
    ("little disk", machine.disk("in work/", 2 * GIB), WARN, "2.0 GiB"),
    ("too little disk", machine.disk("in work/", GIB // 2), FAIL, "Free some space"),
    ("no right to write", machine.disk("in work/", 9 * GIB, writable=False), FAIL, "chown"),
    ("little memory", machine.memory("for the engine", GIB), WARN, "1.0 GiB"),
    ("no cluster", machine.kubernetes(None), ASIDE, "workshop cluster"),
    ("a cluster that is off", machine.kubernetes(None, "nobody listens"), ASIDE, "nobody listens; lesson 09"),
    (
        "a cluster elsewhere",
        machine.kubernetes(None, None, "prod"),
        ASIDE,
        "“prod” that is not local; lesson 09 asks",
    ),
    ("no engine", engine.not_found(["a: there is no such socket"], "Install one."), FAIL, "Install one."),
    (
        "no permission",
        engine.not_found(["a: none", "b: permission denied"], "Let in."),
        FAIL,
        "b: permission",
    ),
    ("an old engine", engine.api("1.40"), FAIL, "20.10"),
    ("an engine that talks nonsense", engine.api("latest"), WARN, "latest"),
    ("a Python for another processor", engine.architecture("x86_64", "arm64", None), WARN, "Python amd64"),
    ("forced emulation", engine.architecture("arm64", "arm64", "linux/amd64"), WARN, "unset"),
    ("no base image", engine.base_image(None, "python:3.13-slim"), WARN, "workshop base"),
    ("a container not tried", engine.container(None), WARN, "no base image"),
    ("a container refused", engine.container(APIError("x", explanation="no cgroup")), FAIL, "no cgroup"),
    ("a full engine", engine.container(OSError("no space left on device")), FAIL, "system prune"),
    ("names taken", engine.names(["container “marketplace”: `docker rename x`"]), FAIL, "docker rename"),
    ("an engine that hangs", engine.too_slow(4, None), FAIL, "no answer"),
    ("an engine that hangs later", engine.too_slow(4, "Names"), WARN, "Names"),
]


@pytest.mark.parametrize(("finding", "mark", "text"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_is_found_with_what_to_do(finding: Finding, mark: str, text: str):
    assert finding.mark == mark
    assert text in str(finding)
    assert finding.remedy or mark == ASIDE


HEALTHY = [
    machine.python((3, 11, 0), "python"),
    machine.packages(PINNED, PINNED),
    machine.stubs([], True),
    machine.protobuf("7.35.1", "7.36.2"),
    machine.protobuf("", "7.36.2"),
    machine.port(5000, None, 5000, "linux"),
    machine.disk("in work/", 3 * GIB),
    machine.memory("here", 2 * GIB),
    machine.kubernetes("kind answers"),
    engine.api("1.41"),
    engine.api("1.100"),
    engine.architecture("x86_64", "amd64", "linux/amd64"),
    engine.architecture("aarch64", "arm64", None),
    engine.base_image("workshop-python:3.13", "python:3.13-slim"),
    engine.container("3.13.5 on x86_64\n"),
    engine.names([]),
]


@pytest.mark.parametrize("finding", HEALTHY, ids=lambda finding: finding.item)
def test_what_is_well_is_said_to_be(finding: Finding):
    assert (finding.mark, finding.remedy) == (GOOD, "")


def test_what_a_container_wrote_before_it_failed_is_shown():
    error = ContainerError("c", 1, ["python"], "image", b"exec format error")
    assert "exec format error" in engine.container(error).found
    assert "another processor" in engine.container(error).remedy


def test_a_page_that_an_engine_says_becomes_one_line():
    finding = engine.container(OSError("a line\n" * 500))
    assert len(str(finding).splitlines()) == 1


def test_a_report_is_ok_unless_something_must_be_mended():
    good, warning, failure = (Finding(mark, "Item", "found") for mark in (GOOD, WARN, FAIL))
    assert Report([good, warning]).ok
    assert not Report([good, failure]).ok
    assert "One thing must be mended" in str(Report([failure, warning]))


def test_the_table_is_safe_html_with_code_and_words_for_the_marks():
    html = Report([Finding(FAIL, "Item", "<b>", "", "`docker ps`")])._repr_mimebundle_()["text/html"]
    assert "&lt;b&gt;" in html
    assert "<code>docker ps</code>" in html
    assert 'aria-label="must be mended"' in html


def test_a_look_that_fails_is_a_finding_and_no_crash():
    def ill() -> Finding:
        raise KeyError("ApiVersion")

    (finding,) = examination.safely("Engine's API", ill)
    assert (finding.mark, finding.item) == (WARN, "Engine's API")


def test_a_look_that_never_ends_is_given_up():
    forever = threading.Event()

    def hang():
        yield Finding(GOOD, "Engine", "here")
        forever.wait()

    found = examination.Background("Engine", hang).findings(0.2)
    forever.set()
    assert [finding.mark for finding in found] == [GOOD, WARN]


class Nonsense:
    """A client of an engine that answers everything with something unheard of."""

    api = None

    def __getattr__(self, name: str) -> "Nonsense":
        return self

    def __call__(self, *args: object, **options: object) -> dict[str, object]:
        return {"Components": 7, "ApiVersion": ["x"], "MemTotal": "much", "Warnings": None}


def test_whatever_an_engine_answers_the_doctor_survives(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("workshop.engine.connect", lambda say: Nonsense())
    found = list(examination.safely("Engine", examination._engine))
    assert len(found) >= 6
    assert all(finding.remedy for finding in found if finding.mark in (WARN, FAIL))


def test_no_engine_is_one_red_line_and_the_rest_is_still_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///there/is/none.sock")
    report = doctor.examine()
    assert not report.ok
    assert [f.item for f in report.findings if f.mark == FAIL] == ["Engine"]
    assert "Python" in str(report)


def test_an_engine_at_an_address_without_sense_is_one_red_line(monkeypatch: pytest.MonkeyPatch):
    for address in ("garbage", "ssh://nobody@nowhere.invalid", "tcp://127.0.0.1:1"):
        monkeypatch.setenv("DOCKER_HOST", address)
        assert [f.item for f in doctor.examine().findings if f.mark == FAIL] == ["Engine"]


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., list[object]]]:
    """Make a context current whose server is real; gives who has come to it."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Version) as server:
        server.visits = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

        def current(name: str) -> list[object]:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            entries = {
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "contexts": [{"name": name, "context": {"cluster": "c"}}],
                "current-context": name,
            }
            (tmp_path / "config").write_text(yaml.safe_dump(entries))
            monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
            return server.visits  # type: ignore[attr-defined]

        yield current
        server.shutdown()


class _Version(socketserver.StreamRequestHandler):
    """An API server that knows its version."""

    def handle(self) -> None:
        self.server.visits.append(self.client_address)  # type: ignore[attr-defined]
        while self.rfile.readline().strip():
            pass
        body = b'{"gitVersion": "v1.36.0"}'
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_a_local_cluster_is_asked_for_its_version(visits: Callable[..., list[object]]):
    came = visits("kind-workshop")
    finding = examination._kubernetes()
    assert (finding.mark, finding.found) == (GOOD, "kind answers, version 1.36.0 (“kind-workshop”)")
    assert came


def test_a_cluster_that_is_not_plainly_local_is_not_touched(visits: Callable[..., list[object]]):
    came = visits("prod")
    assert "“prod” that is not local; lesson 09 asks first" in str(examination._kubernetes())
    assert came == []


def test_a_broken_kubeconfig_is_named_and_no_fault_of_the_engines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "config").write_text("contexts: [")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    finding = examination._kubernetes()
    assert (finding.mark, finding.remedy) == (ASIDE, "")
    assert "no valid YAML" in finding.found


def test_a_cluster_that_hangs_is_no_fault_of_the_engines():
    forever = threading.Event()
    late = examination.Background("Kubernetes", lambda: forever.wait(), examination._late_cluster)  # type: ignore
    (finding,) = late.findings(0.1)
    forever.set()
    assert (finding.mark, finding.item) == (ASIDE, "Kubernetes")


@pytest.mark.usefixtures("python_image")
def test_this_machine_is_ready_and_nothing_is_left_on_its_engine(client):
    before = {container.id for container in client.containers.list(all=True)}
    report = doctor.examine()
    assert report.ok, str(report)
    assert "ran, with Python 3." in str(report)
    assert {container.id for container in client.containers.list(all=True)} <= before


def test_the_port_of_the_lab_itself_is_no_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKSHOP_LAB_PORT", "8888")
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    assert examination._port(8888).mark == GOOD


def test_pins_that_do_not_hold_here_are_left_out():
    text = "flask==3.1.3  # via x\nwin==1 ; sys_platform == 'nowhere'  # via y\n# words\n"
    assert list(examination._pinned(text)) == [("flask", "3.1.3")]


def test_it_runs_where_no_package_is_installed():
    """`-S` leaves site-packages out: the state before `make lab`."""
    root = Path(doctor.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "workshop", "doctor"],
        cwd=root,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "Packages" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
