"""Builds: what the client is told, what the images are, and what is left of a build that fails."""

import functools
import gzip
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pocket_engine.build.builder import Builder
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.parts import Parts
from pocket_engine.build.tree import Tree
from pocket_engine.containers import container as containers
from pocket_engine.containers.store import Containers
from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.errors import BadRequest, EngineError
from pocket_engine.events import Events
from pocket_engine.images.image import Image
from pocket_engine.images.registry import Registry
from pocket_engine.images.store import ImageStore
from pocket_engine.networks import Networks
from pocket_engine.runners import choosing
from pocket_engine.volumes import Volumes
from tests.pocket_engine import small_root
from tests.pocket_engine.tars import member, tar

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Told = list[dict[str, Any]]


class Workplace:
    """A builder with a data root of its own, and an image `small` to build on."""

    def __init__(self, folder: Path, runner: str) -> None:
        self.data_root = DataRoot(folder / "data")
        events = Events()
        self.images = ImageStore(self.data_root, events)
        parts = containers.Parts(
            choosing.choose(self.data_root, runner),
            self.images,
            Networks(self.data_root, events),
            Volumes(self.data_root, events),
            events,
        )
        self.containers = Containers(self.data_root, parts)
        registry = Registry(self.images, self.data_root)
        self.builder = Builder(Parts(self.data_root, self.images, registry, self.containers))
        layer = self.images.layers.add_folder(small_root.make(self.data_root.scratch("small") / "root"))
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [PATH], "Cmd": ["sh"], "Labels": {"base": "small"}},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "by hand"}],
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        }
        self.images.tag(self.images.create(config).id, "small")

    def start(self, dockerfile: str, *files: Any, **options: Any) -> Iterator[dict[str, Any] | None]:
        """Begin a build; files are as for `tars.tar`."""
        context = tar(("Dockerfile", dockerfile.encode()), *files)
        return self.builder.build(
            io.BytesIO(context), "Dockerfile", BuildOptions(**{"tags": ("built",), **options})
        )

    def build(self, dockerfile: str, *files: Any, **options: Any) -> Told:
        """All that is told of a build."""
        return [item for item in self.start(dockerfile, *files, **options) if item is not None]

    def built(self, dockerfile: str, *files: Any, **options: Any) -> Image:
        """The image of a build that succeeds."""
        told = self.build(dockerfile, *files, **options)
        assert "error" not in told[-1], told[-1]
        return self.images.get("built")

    def error(self, dockerfile: str, *files: Any, **options: Any) -> str:
        """The error of a build that fails."""
        last = self.build(dockerfile, *files, **options)[-1]
        assert last["error"] == last["errorDetail"]["message"]
        return last["error"]

    def tree(self, name: str = "built") -> Tree:
        """The files of an image."""
        return Tree(self.images.layer_paths(self.images.get(name)))

    def leftovers(self) -> list[str]:
        """What is in the room for unfinished things."""
        return os.listdir(self.data_root / "tmp")


@pytest.fixture(scope="module", params=choosing.NAMES)
def workplace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    """A builder for each runner that this machine allows."""
    folder = tmp_path_factory.mktemp("builder")
    try:
        workplace = Workplace(folder, request.param)
    except choosing.NoRunner as error:
        pytest.fail(str(error)) if "CI" in os.environ else pytest.skip(str(error))
    (scratch,) = workplace.leftovers()  # Of the small root.
    remove_tree(workplace.data_root / "tmp" / scratch)
    yield workplace
    remove_tree(folder)


def text(told: Told) -> str:
    """The stream as a terminal shows it; ids are the same length everywhere."""
    return "".join(item.get("stream", "") for item in told)


def steps(image: Image) -> list[str]:
    """The history since the base."""
    return [step["created_by"] for step in image.config["history"] if step["created_by"] != "by hand"]


def owner(workplace: Workplace, path: str) -> bytes:
    entry = workplace.tree().find(path, follow=False)
    assert entry is not None, path
    try:
        return os.getxattr(entry.places[0], "user.pocket.owner")
    except OSError:
        return b"0:0"


def names(workplace: Workplace, path: str) -> list[str]:
    """All below a folder."""
    tree = workplace.tree()
    top = tree.find(path)
    assert top is not None, path
    return [entry.path for entry in tree.walk(top)]


def content(workplace: Workplace, path: str) -> bytes:
    entry = workplace.tree().find(path)
    assert entry is not None, path
    return entry.read()


# The stream.


def test_what_the_client_is_told(workplace: Workplace):
    told = workplace.build("FROM small\nLABEL a=b\nRUN echo out; echo err >&2\n", remove=True, no_cache=True)
    small, built = workplace.images.get("small"), workplace.images.get("built")
    labelled = built.parent[7:19]
    containers = [item["stream"].split()[-1] for item in told if "Running in" in item.get("stream", "")]
    assert told == [
        {"stream": "Step 1/3 : FROM small"},
        {"stream": "\n"},
        {"stream": f" ---> {small.id[7:19]}\n"},
        {"stream": "Step 2/3 : LABEL a=b"},
        {"stream": "\n"},
        {"stream": f" ---> Running in {containers[0]}\n"},
        {"stream": f"Removing intermediate container {containers[0]}\n"},
        {"stream": f" ---> {labelled}\n"},
        {"stream": "Step 3/3 : RUN echo out; echo err >&2"},
        {"stream": "\n"},
        {"stream": f" ---> Running in {containers[1]}\n"},
        {"stream": "out\n"},
        {"stream": "\x1b[91merr\n\x1b[0m"},
        {"stream": f"Removing intermediate container {containers[1]}\n"},
        {"stream": f" ---> {built.id[7:19]}\n"},
        {"aux": {"ID": built.id}},
        {"stream": f"Successfully built {built.id[7:19]}\n"},
        {"stream": "Successfully tagged built:latest\n"},
    ]


def test_a_quiet_build_tells_the_id_or_the_story_of_its_failure(workplace: Workplace):
    assert workplace.build("FROM small\nRUN echo out\n", quiet=True) == [
        {"stream": f"{workplace.images.get('built').id}\n"}
    ]
    told = workplace.build("FROM small\nRUN exit 9\n", quiet=True)
    assert told[0] == {"stream": "Step 1/2 : FROM small"}
    assert told[-1]["errorDetail"]["code"] == 9


def test_output_comes_while_the_program_runs(workplace: Workplace):
    running = workplace.start("FROM small\nRUN echo first; sleep 60\n", no_cache=True)
    for item in running:
        if item == {"stream": "first\n"}:
            break
    running.close()  # The client hangs up.
    assert workplace.leftovers() == []


def test_bytes_that_are_no_text(workplace: Workplace):
    told = workplace.build("FROM small\nRUN printf 'h\\303\\251\\377\\n'; printf 'no end'\n", no_cache=True)
    assert "hé\ufffd\nno end" in text(told)


@pytest.mark.parametrize(
    ("dockerfile", "message", "code"),
    [
        ("FROM small\nRUN exit 3\n", "The command '/bin/sh -c exit 3' returned a non-zero code: 3", 3),
        ('FROM small\nRUN ["false"]\n', "The command 'false' returned a non-zero code: 1", 1),
        (
            'FROM small\nRUN ["nosuch", "x"]\n',
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
            'container process: exec: "nosuch": executable file not found in $PATH: unknown',
            None,
        ),
        (
            "FROM small\nUSER nosuch\nRUN id\n",
            "unable to find user nosuch: no matching entries in passwd file",
            None,
        ),
        ("FROM scratch\n", "No image was generated. Is your Dockerfile empty?", None),
        ("FROM ${X}\n", "base name (${X}) should not be blank", None),
        ("FROM UPPER\n", "invalid reference format: repository name must be lowercase", None),
        ("FROM scratch AS a\nCMD b\nFROM scratch AS A\nCMD c\n", "a stage name already used", None),
        ("FROM small\nRUN []\n", "No command specified", None),
        ("FROM scratch\nEXPOSE abc\n", "Invalid containerPort: abc", None),
        ("FROM scratch\nEXPOSE 99999\n", "Invalid containerPort: 99999", None),
        ("FROM scratch\nEXPOSE 80/xyz\n", "Invalid proto: xyz", None),
        ("FROM scratch\nSTOPSIGNAL BLAH\n", "Invalid signal: BLAH", None),
        ('FROM scratch\nWORKDIR ""\n', "cannot normalize nothing", None),
        ("FROM small\nWORKDIR /etc/passwd\n", "Cannot mkdir: /etc/passwd is not a directory", None),
        (
            "FROM --platform=foo scratch\n",
            'failed to parse platform foo: "foo": unknown operating system or architecture: invalid argument',
            None,
        ),
        ("FROM small\nCOPY --from=5 /a /x\n", "invalid from flag value 5: index out of bounds", None),
        (
            "FROM small\nCOPY --from=0 /a /x\n",
            "invalid from flag value 0: refers to current build stage",
            None,
        ),
    ],
)
def test_what_ends_a_build(workplace: Workplace, dockerfile: str, message: str, code: int | None):
    last = workplace.build(dockerfile)[-1]
    detail = {"message": message} if code is None else {"code": code, "message": message}
    assert last == {"errorDetail": detail, "error": message}
    assert workplace.leftovers() == []


@pytest.mark.parametrize("statement", ["COPY --chmod=644 a /", "RUN --mount=type=cache,target=/x true"])
def test_what_needs_buildkit_says_so(workplace: Workplace, statement: str):
    flag = statement.split()[1].split("=")[0]
    assert workplace.error(f"FROM small\n{statement}\n").startswith(f"the {flag} option requires BuildKit.")


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("Dockerfile", [], "Cannot locate specified Dockerfile: Dockerfile"),
        ("nope", [], "Cannot locate specified Dockerfile: nope"),
        ("../x", [], "forbidden path outside the build context: ../x ()"),
        ("Dockerfile", [("Dockerfile", b"")], "the Dockerfile (Dockerfile) cannot be empty"),
    ],
)
def test_what_cannot_even_begin(workplace: Workplace, name: str, files: list, message: str):
    with pytest.raises(EngineError) as refusal:
        workplace.builder.build(io.BytesIO(tar(*files)), name, BuildOptions())
    assert refusal.value.message == message
    assert workplace.leftovers() == []


@pytest.mark.parametrize(
    "options", [{"target": "zz"}, {"tags": ("BAD NAME",)}, {"tags": (f"a@sha256:{'0' * 64}",)}]
)
def test_options_that_make_no_sense(workplace: Workplace, options: dict):
    with pytest.raises(BadRequest):
        workplace.start("FROM scratch AS a\nLABEL a=b\n", **options)
    assert workplace.leftovers() == []


@pytest.mark.parametrize(
    "hostile",
    [
        tar(("../out", b"x")),
        tar(member("link", tarfile.SYMTYPE, linkname="/etc"), ("link/../../out", b"x")),
        b"garbage",
        tar(("Dockerfile", b"FROM scratch\n" * 1000))[:2000],
    ],
)
def test_a_broken_or_hostile_context(workplace: Workplace, hostile: bytes):
    with pytest.raises(EngineError):
        workplace.builder.build(io.BytesIO(hostile), "Dockerfile", BuildOptions())
    assert workplace.leftovers() == []


# Configs and history.


def test_configs_and_history(workplace: Workplace):
    image = workplace.built(
        "ARG v=small\nFROM $v\nARG v\nENV a=1 b='$a' c=\"$a x\"\nLABEL x=$v \"k 1\"='v 2'\nUSER app:$c\n"
        'WORKDIR /x/$b\nWORKDIR y\nEXPOSE 80-81/udp 9/TCP 80:7\nVOLUME /v ["/w"]\n'
        "STOPSIGNAL sigkill\nMAINTAINER me\n"
        'SHELL ["/bin/bash", "-c"]\nCMD x y\nENTRYPOINT ["z"]\nHEALTHCHECK --retries=4 CMD h\n'
        "ONBUILD RUN $a\n",
        labels={"given": "$a 'b'"},
    )
    config = image.config["config"]
    assert config["Env"] == [PATH, "a=1", "b=$a", "c= x"]
    assert config["Labels"] == {"base": "small", "x": "small", "k 1": "v 2", "given": "$a 'b'"}
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("app: x", "/x/$a/y", "sigkill")
    assert set(config["ExposedPorts"]) == {"80/udp", "81/udp", "9/tcp", "7/tcp"}
    assert set(config["Volumes"]) == {"/v", '["/w"]'.replace('"', "")}
    assert (config["Cmd"], config["Entrypoint"]) == (["/bin/bash", "-c", "x y"], ["z"])
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "h"], "Retries": 4}
    assert (config["OnBuild"], config["Shell"]) == (["RUN $a"], ["/bin/bash", "-c"])
    assert config["Image"] == image.parent and image.config["author"] == "me"
    assert steps(image) == [
        "/bin/sh -c #(nop)  ARG v",
        "/bin/sh -c #(nop)  ENV a=1 b=$a c= x",
        "/bin/sh -c #(nop)  LABEL x=small k 1=v 2",
        "/bin/sh -c #(nop)  USER app: x",
        "/bin/sh -c #(nop) WORKDIR /x/$a",
        "/bin/sh -c #(nop) WORKDIR /x/$a/y",
        "/bin/sh -c #(nop)  EXPOSE 80-81/udp 80:7 9/TCP",
        "/bin/sh -c #(nop)  VOLUME [/v [/w]]",
        "/bin/sh -c #(nop)  STOPSIGNAL sigkill",
        "/bin/sh -c #(nop)  MAINTAINER me",
        "/bin/bash -c #(nop)  SHELL [/bin/bash -c]",
        '/bin/bash -c #(nop)  CMD ["/bin/bash" "-c" "x y"]',
        '/bin/bash -c #(nop)  ENTRYPOINT ["z"]',
        """/bin/bash -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "h"] "0s" "0s" "0s" '\\x04'}""",
        "/bin/bash -c #(nop)  ONBUILD RUN $a",
        "/bin/bash -c #(nop)  LABEL given=$a 'b'",
    ]
    assert [not step.get("empty_layer") for step in image.config["history"]].count(True) == 3


def test_entrypoint_forgets_the_cmd_of_the_base_only(workplace: Workplace):
    assert workplace.built('FROM small\nENTRYPOINT ["x"]\n').config["config"]["Cmd"] is None
    assert workplace.built('FROM small\nCMD ["y"]\nENTRYPOINT ["x"]\n').config["config"]["Cmd"] == ["y"]


def test_run_sees_arguments_and_history_names_them(workplace: Workplace):
    image = workplace.built(
        "FROM small\nARG z\nARG a=1\nENV e=2\nRUN echo $a $e $z $http_proxy >/q\nENV a=5\nRUN echo $a >/r\n",
        arguments={"z": "9", "http_proxy": "p"},
    )
    assert content(workplace, "/q") == b"1 2 9 p\n"
    assert content(workplace, "/r") == b"5\n"
    assert steps(image)[3::2] == [
        "|2 a=1 z=9 /bin/sh -c echo $a $e $z $http_proxy >/q",
        "|1 z=9 /bin/sh -c echo $a >/r",
    ]
    assert image.config["config"]["Env"] == [PATH, "e=2", "a=5"]


def test_arguments_that_nobody_wanted(workplace: Workplace):
    told = workplace.build("FROM scratch\nLABEL a=b\n", arguments={"q": "1", "http_proxy": "p", "b": "2"})
    assert "[Warning] One or more build-args [b q] were not consumed\n" in text(told)


def test_a_target_and_a_stage_as_base(workplace: Workplace):
    dockerfile = "FROM scratch AS a\nLABEL a=1\nFROM A AS b\nLABEL b=1\n"
    assert workplace.built(dockerfile, target="A").config["config"]["Labels"] == {"a": "1"}
    assert workplace.built(dockerfile).config["config"]["Labels"] == {"a": "1", "b": "1"}


def test_triggers_of_the_base(workplace: Workplace):
    workplace.build("FROM scratch\nONBUILD label a=$b\nONBUILD  COPY . /x\n", tags=("trigger",))
    told = workplace.build("FROM trigger\n", ("file", b"1"))
    assert "# Executing 2 build triggers\n" in text(told)
    image = workplace.images.get("built")
    assert image.config["config"]["OnBuild"] is None and image.config["config"]["Labels"] == {"a": ""}
    assert names(workplace, "/x") == ["/x/Dockerfile", "/x/file"]


def test_a_second_healthcheck_is_noted(workplace: Workplace):
    told = workplace.build("FROM scratch\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n")
    assert "Note: overriding previous HEALTHCHECK: [CMD-SHELL a]\n" in text(told)


# Files.

FOLDER = (
    member("d", tarfile.DIRTYPE),
    ("d/x", b"2"),
    member("d/s", tarfile.SYMTYPE, linkname="x"),
    member("d/sub", tarfile.DIRTYPE, mode=0o700),
    ("d/sub/y", b"1"),
)


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ("COPY a /t/", ["/t/a"]),
        ("COPY a /t/b", ["/t/b"]),
        ("COPY a /t/\nCOPY a /t", ["/t/a"]),
        ("COPY d /t", ["/t/s", "/t/sub", "/t/sub/y", "/t/x"]),
        ("COPY d/. a /t/", ["/t/a", "/t/s", "/t/sub", "/t/sub/y", "/t/x"]),
        ("COPY ?/[x-z] d/su* /t/", ["/t/x", "/t/y"]),
        ("WORKDIR /t\nCOPY a b/../\nCOPY a .", ["/t/a"]),
        ("COPY d/s /t/", ["/t/s"]),
        ('COPY ["d/sub/y", "/t/u v"]', ["/t/u v"]),
        ("RUN mkdir /t && ln -s /t /l\nCOPY d/sub /l\nCOPY a /l/", ["/t/a", "/t/y"]),
        ("RUN mkdir -p /t/a/b\nCOPY a /t/a/b", ["/t/a", "/t/a/b", "/t/a/b/a"]),
        ("RUN mkdir -p /t/a/b\nCOPY d /t/\nRUN rm -r /t/sub /t/a", ["/t/s", "/t/x"]),
        ("COPY a /t/sub/\nCOPY d /t", ["/t/s", "/t/sub", "/t/sub/a", "/t/sub/y", "/t/x"]),
    ],
)
def test_where_copies_go(workplace: Workplace, copies: str, expected: list[str]):
    workplace.built(f"FROM small\n{copies}\n", ("a", b"1"), *FOLDER)
    assert names(workplace, "/t") == expected


def test_copies_keep_modes_times_and_links_but_no_owner(workplace: Workplace):
    files = (
        member("d", tarfile.DIRTYPE, mode=0o700),
        member("d/f", mode=0o750, mtime=1000, uid=5),
        member("d/l", tarfile.SYMTYPE, linkname="/nowhere"),
    )
    workplace.built("FROM small\nCOPY d /new\nCOPY d /tmp\n", *files)
    tree = workplace.tree()
    new, temporary, file, link = (
        tree.find(path, follow=False) for path in ("/new", "/tmp", "/new/f", "/new/l")
    )
    assert new and temporary and file and link
    assert (new.status.st_mode & 0o7777, temporary.status.st_mode & 0o7777) == (0o755, 0o1777)
    assert (file.status.st_mode & 0o7777, file.status.st_mtime) == (0o750, 1000)
    assert os.readlink(link.places[0]) == "/nowhere"
    assert owner(workplace, "/new/f") == b"0:0"


def test_chown_by_number_and_name(workplace: Workplace):
    workplace.built(
        "FROM small\nCOPY --chown=app:staff a /p/q/\nCOPY --chown=5 a /n\nCOPY --chown=app d /home\n"
        "RUN stat -c %u:%g /p/q/a /n >/seen\n",
        ("a", b"1"),
        *FOLDER,
    )
    assert [owner(workplace, path) for path in ("/p", "/p/q", "/p/q/a")] == [b"10001:50"] * 3
    assert (owner(workplace, "/n"), owner(workplace, "/home/sub/y")) == (b"5:5", b"10001:10001")
    assert (owner(workplace, "/home"), owner(workplace, "/home/app")) == (b"0:0", b"10001:10001")
    assert content(workplace, "/seen") == b"10001:50\n5:5\n"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "COPY nope /x",
            "COPY failed: file not found in build context or excluded by .dockerignore: "
            "stat nope: file does not exist",
        ),
        ("COPY nope* /x", "COPY failed: no source files were specified"),
        ("COPY ../a /x", "COPY failed: forbidden path outside the build context: ../a ()"),
        ("COPY http://localhost/x /y", "COPY failed: source can't be a URL for COPY"),
        (
            "COPY a d /x",
            "When using COPY with more than one source file, "
            "the destination must be a directory and end with a /",
        ),
        (
            "COPY out /x",
            "COPY failed: file not found in build context or excluded by .dockerignore: "
            "stat out: file does not exist",
        ),
        ("COPY --from=small /nosuch /x", "COPY failed: stat nosuch: file does not exist"),
        (
            "COPY --chown=nosuch a /x",
            "unable to convert uid/gid chown string to host mapping: "
            "can't find uid for user nosuch: no such user: nosuch",
        ),
        (
            "COPY --chown=1:nosuch a /x",
            "unable to convert uid/gid chown string to host mapping: "
            "can't find gid for group nosuch: no such group: nosuch",
        ),
        ("COPY d /etc/passwd", "failed to copy files: mkdir /etc/passwd: not a directory"),
    ],
)
def test_what_cannot_be_copied(workplace: Workplace, statement: str, message: str):
    outside = member("out", tarfile.SYMTYPE, linkname="/nothing/there")
    assert workplace.error(f"FROM small\n{statement}\n", ("a", b"1"), outside, *FOLDER) == message
    assert workplace.leftovers() == []


def test_links_lead_nowhere_outside_of_the_context(workplace: Workplace):
    files = (member("l", tarfile.SYMTYPE, linkname="/d/x"), *FOLDER)
    workplace.built("FROM small\nCOPY l /seen\n", *files)
    assert content(workplace, "/seen") == b"2"


def test_copies_from_stages_and_images(workplace: Workplace):
    image = workplace.built(
        "FROM small AS one\nRUN mkdir /d && echo 1 >/d/f && chown -R 5:6 /d && rm /etc/group\nFROM scratch\n"
        "COPY --from=ONE /d /etc/group* /bin/../etc/ /x/\nCOPY --from=0 /d/f /y\n"
        "COPY --from=small /etc/pass* /z/\n",
        arguments={},
    )
    assert names(workplace, "/x") == ["/x/f", "/x/passwd"]
    assert (owner(workplace, "/x/f"), content(workplace, "/y")) == (b"0:0", b"1\n")
    assert names(workplace, "/z") == ["/z/passwd"]
    assert len(image.diff_ids) == 3


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_add_unpacks_archives_and_keeps_their_owners(workplace: Workplace, compression: str):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as archive:
        archive.addfile(member("in/side", size=3, uid=7, gid=8), io.BytesIO(b"abc"))
    workplace.built("FROM small\nADD archive /h\nCOPY archive /j\n", ("archive", packed.getvalue()))
    assert names(workplace, "/h") == ["/h/in", "/h/in/side"]
    assert (owner(workplace, "/h/in/side"), owner(workplace, "/h/in")) == (b"7:8", b"0:0")
    assert content(workplace, "/j") == packed.getvalue()


@pytest.mark.parametrize(
    "no_archive",
    [b"", b"text", b"\x1f\x8b\x08broken", b"\xfd7zXZ\x00broken", b"BZhbroken", gzip.compress(b"text")],
)
def test_add_copies_what_is_no_archive(workplace: Workplace, no_archive: bytes):
    workplace.built("FROM small\nADD file /h\n", ("file", no_archive))
    assert content(workplace, "/h") == no_archive


def test_the_dockerfile_is_left_out_when_it_is_ignored(workplace: Workplace):
    workplace.built(
        "FROM scratch\nCOPY . /x\n", ("a", b"1"), (".dockerignore", b"Dockerfile\n.dockerignore\n")
    )
    assert names(workplace, "/x") == ["/x/a"]


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    """The URL of a server of a few files."""
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    (tmp_path / "Dockerfile.txt").write_bytes(b"FROM scratch\nLABEL from=far\n")
    (tmp_path / "context").write_bytes(tar(("Dockerfile", b"FROM scratch\nCOPY a /\n"), ("a", b"1")))
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def test_add_downloads(workplace: Workplace, website: str):
    told = workplace.build(f"FROM small\nADD {website}/data /x/\nADD {website}/data /y\n")
    assert [item["progressDetail"]["total"] for item in told if "status" in item] == [100_000] * 2
    file = workplace.tree().find("/x/data")
    assert file and file.status.st_mode & 0o7777 == 0o600
    assert content(workplace, "/y") == b"x" * 100_000
    assert "status 404" in workplace.error(f"FROM small\nADD {website}/nosuch /x/\n")
    assert "cannot determine filename" in workplace.error(f"FROM small\nADD {website}/ /x/\n")


def test_remote_contexts(workplace: Workplace, website: str):
    for path in ("context", "Dockerfile.txt"):
        items = workplace.builder.build(f"{website}/{path}", "Dockerfile", BuildOptions(tags=("built",)))
        assert "Successfully built" in text([item for item in items if item])
    assert workplace.images.get("built").labels == {"from": "far"}
    with pytest.raises(EngineError, match="error downloading remote context"):
        workplace.builder.build(f"{website}/nosuch", "Dockerfile", BuildOptions())
    with pytest.raises(EngineError, match="clone"):
        workplace.builder.build("https://example.org/x.git#main", "Dockerfile", BuildOptions())
    assert workplace.leftovers() == []


# What RUN leaves.


def test_the_layer_of_a_run_has_what_it_wrote_and_nothing_else(workplace: Workplace):
    workplace.built("FROM small\nRUN echo 1 >/home/f; rm /etc/group; hostname >/dev/null\n", no_cache=True)
    *_, layer = workplace.images.get("built").diff_ids
    with tarfile.open(fileobj=workplace.images.layers.tar(layer)) as archive:
        assert archive.getnames() == ["etc", "etc/.wh.group", "home", "home/f"]


def test_a_run_that_writes_nothing_makes_no_layer(workplace: Workplace):
    image = workplace.built("FROM small\nRUN true\n", no_cache=True)
    assert image.config["history"][-1]["empty_layer"] is True
    assert image.diff_ids == workplace.images.get("small").diff_ids


def test_what_is_written_to_a_volume_is_lost(workplace: Workplace):
    workplace.built("FROM small\nVOLUME /etc\nRUN cat /etc/passwd >/seen; echo 1 >/etc/new\n")
    assert content(workplace, "/seen").startswith(b"root:")
    assert workplace.tree().find("/etc/new") is None


def test_run_has_the_user_folder_and_hosts_that_were_asked_for(workplace: Workplace):
    workplace.built(
        "FROM small\nWORKDIR /home/app\nUSER app\nRUN (id -u; pwd; grep far /etc/hosts) >/tmp/seen\n",
        extra_hosts=("far.test:10.1.2.3",),
        no_cache=True,
    )
    user, folder, host = content(workplace, "/tmp/seen").decode().splitlines()
    assert (user, folder, host.split()) == ("10001", "/home/app", ["10.1.2.3", "far.test"])


# The cache.


def uses_of_the_cache(told: Told) -> int:
    return text(told).count("Using cache")


def test_the_cache_knows_what_was_built(workplace: Workplace):
    dockerfile = "FROM small\nENV cached=yes\nCOPY a /x\nRUN cat /x\nWORKDIR /w\n"
    first = workplace.built(dockerfile, ("a", b"1"))
    told = workplace.build(dockerfile, ("a", b"1"))
    assert uses_of_the_cache(told) == 4
    assert workplace.images.get("built").id == first.id
    assert uses_of_the_cache(workplace.build(dockerfile, ("a", b"2"))) == 1
    assert uses_of_the_cache(workplace.build(dockerfile, ("a", b"1"), no_cache=True)) == 0
    assert uses_of_the_cache(workplace.build(dockerfile.replace("yes", "no"), ("a", b"1"))) == 0


@pytest.mark.parametrize(
    "changed",
    [
        member("d/f", mode=0o755),
        member("d/g"),
        ("d/f", b"2"),
        member("d/f", tarfile.SYMTYPE, linkname="g"),
    ],
)
def test_modes_names_and_content_make_a_difference_to_copies(workplace: Workplace, changed: Any):
    dockerfile = "FROM small\nCOPY d /x\n"
    workplace.built(dockerfile, member("d/f"))
    assert uses_of_the_cache(workplace.build(dockerfile, member("d/f"))) == 1
    assert uses_of_the_cache(workplace.build(dockerfile, changed)) == 0


def test_dates_and_owners_make_none(workplace: Workplace):
    dockerfile = "FROM small\nCOPY e /x\n"
    workplace.built(dockerfile, member("e", tarfile.DIRTYPE, mtime=1, uid=1), member("e/f", mtime=1))
    told = workplace.build(dockerfile, member("e", tarfile.DIRTYPE, mtime=2), member("e/f", mtime=2, uid=2))
    assert uses_of_the_cache(told) == 1


def test_the_cache_of_named_images(workplace: Workplace):
    dockerfile = "FROM small\nENV FOO=cache-from\nRUN touch /baz\nRUN touch /bax\n"
    first = workplace.built(dockerfile, tags=("built", "source"))
    told = workplace.build(dockerfile, cache_from=("source", "nosuch"))
    assert uses_of_the_cache(told) == 3 and workplace.images.get("built").id == first.id
    assert uses_of_the_cache(workplace.build(dockerfile, cache_from=("nosuch",))) == 0


def test_the_cache_of_an_image_that_was_pulled(workplace: Workplace):
    dockerfile = "FROM small\nENV FOO=pulled\nRUN touch /baz\nRUN touch /bax\n"
    here = workplace.built(dockerfile)
    base, *own = here.config["history"]
    elsewhere = [base, *({**step, "created": "2026-01-02T00:00:00Z"} for step in own)]
    pulled = workplace.images.create(
        {**here.config, "history": elsewhere}
    )  # Of its parents there is nothing.
    workplace.images.tag(pulled.id, "pulled")
    assert uses_of_the_cache(workplace.build(dockerfile, cache_from=("pulled",))) == 3
    assert workplace.images.get("built").id == pulled.id
    shorter = workplace.built("FROM small\nENV FOO=pulled\nRUN touch /baz\n", cache_from=("pulled",))
    assert shorter.config["history"] == elsewhere[:3] and shorter.diff_ids == pulled.diff_ids[:2]
    assert shorter.config["config"]["Cmd"] == ["sh"]


def test_a_loaded_image_is_no_step_from_scratch(workplace: Workplace):
    image = workplace.built("FROM small\nLABEL loaded=1\n")
    workplace.images.create({**image.config, "created": "2026-01-01T00:00:00Z"})  # It has no parent here.
    assert uses_of_the_cache(workplace.build("FROM scratch\nLABEL loaded=1\n", tags=())) == 0
