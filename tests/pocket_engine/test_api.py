"""What all answers of the API have in common: versions, headers, errors."""

import json
import socket

import docker
import pytest

from tests.pocket_engine.embedded import EmbeddedEngine, docker_command, run_docker

needs_docker_command = pytest.mark.skipif(docker_command() is None, reason="the docker command is not here")


def test_ping(chosen_engine: EmbeddedEngine):
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        answer = chosen_engine.ask(method, "/_ping")
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["Api-Version"] == "1.47"
        assert answer.headers["Ostype"] == "linux"
        assert answer.headers["Docker-Experimental"] == "false"
        assert answer.headers["Builder-Version"] == "1"  # Clients choose the classic builder by it.
        assert answer.headers.get_all("Server") == ["Pocket-Engine/1.0.0 (linux)"]


@pytest.mark.parametrize("prefix", ["", "/v1.24", "/v1.41", "/v1.47"])
def test_versions_that_are_spoken(chosen_engine: EmbeddedEngine, prefix: str):
    said = chosen_engine.get(f"{prefix}/version").json
    assert (said["ApiVersion"], said["MinAPIVersion"], said["Os"]) == ("1.47", "1.24", "linux")
    assert said["Platform"]["Name"] == "Pocket engine"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.47"),
        (
            "1.2",
            "client version 1.2 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
def test_versions_that_are_not(chosen_engine: EmbeddedEngine, version: str, message: str):
    answer = chosen_engine.get(f"/v{version}/info")
    assert (answer.status, answer.json) == (400, {"message": message})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v1.47/nosuch"), ("GET", "/v1.99/nosuch"), ("DELETE", "/version")],
)
def test_a_path_that_there_is_not(chosen_engine: EmbeddedEngine, method: str, path: str):
    answer = chosen_engine.ask(method, path)
    assert (answer.status, answer.json) == (404, {"message": "page not found"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "declared", "message"),
    [
        ("", "application/json", "got EOF while reading request body"),
        ("{}", "text/plain", "Content-Type specified (text/plain) must be 'application/json'"),
        ("{", "application/json", "invalid JSON"),
        ("[]", "application/json", "invalid JSON: it is no object"),
        ('{"Name": 5}', "application/json", "json: cannot unmarshal number 5 into field Name of type string"),
    ],
)
def test_a_body_that_is_no_json(chosen_engine: EmbeddedEngine, body: str, declared: str, message: str):
    answer = chosen_engine.ask("POST", "/volumes/create", body, {"Content-Type": declared})
    assert answer.status == 400
    assert answer.json["message"].startswith(message)


def test_filters_that_make_no_sense(chosen_engine: EmbeddedEngine):
    for filters, message in (
        ('{"x":["a"]}', "invalid filter 'x'"),
        ('{"dangling":["maybe"]}', "invalid filter 'dangling=[maybe]'"),
        ("xx", "invalid filter: "),
    ):
        answer = chosen_engine.get(f"/volumes?filters={filters}")
        assert answer.status == 400
        assert answer.json["message"].startswith(message)


@pytest.mark.parametrize("path", ["/swarm", "/services", "/nodes/x", "/secrets", "/configs", "/tasks"])
def test_there_is_no_swarm(chosen_engine: EmbeddedEngine, path: str):
    answer = chosen_engine.get(path)
    assert answer.status == 503
    assert answer.json["message"].startswith("This node is not a swarm manager.")


def test_there_are_no_plugins_and_no_buildkit(chosen_engine: EmbeddedEngine):
    assert chosen_engine.get("/plugins").json == []
    assert chosen_engine.get("/plugins/x/json").json == {"message": 'plugin "x" not found'}
    assert chosen_engine.ask("POST", "/session").status == 400
    assert chosen_engine.ask("POST", "/grpc", headers={"Upgrade": "h2c"}).status == 501


def test_a_body_in_chunks(chosen_engine: EmbeddedEngine):
    content = json.dumps({"Name": "chunked"}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(chosen_engine.socket))
        connection.sendall(
            b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for part in (content[:5], content[5:], b""):
            connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 Created")


def test_the_sdk_negotiates(chosen_engine: EmbeddedEngine):
    with chosen_engine.client() as client:
        assert client.ping()
        assert client.api.api_version == "1.47"


def test_the_sdk_reads_errors(chosen_engine: EmbeddedEngine):
    with chosen_engine.client() as client, pytest.raises(docker.errors.NotFound) as caught:
        client.volumes.get("nosuch")
    assert str(caught.value).endswith('Not Found ("get nosuch: no such volume")')


def test_what_info_says(chosen_engine: EmbeddedEngine):
    said = chosen_engine.get("/info").json
    assert said["DriverStatus"][0][0] == "Runner"
    assert said["Swarm"]["LocalNodeState"] == "inactive"
    assert said["DockerRootDir"] == str(chosen_engine.data_root)
    assert (
        said["Containers"] == said["ContainersRunning"] + said["ContainersPaused"] + said["ContainersStopped"]
    )


def test_a_login_at_a_registry_that_is_not_there(chosen_engine: EmbeddedEngine):
    said = {"username": "learner", "password": "secret", "serveraddress": "http://127.0.0.1:1"}
    answer = chosen_engine.ask("POST", "/auth", said)
    assert answer.status == 500
    assert "connection refused" in answer.json["message"]


def test_what_takes_space(chosen_engine: EmbeddedEngine):
    chosen_engine.ask("POST", "/volumes/create", {"Name": "used"})
    (chosen_engine.data_root / "volumes" / "used" / "_data" / "file").write_bytes(b"12345")
    said = chosen_engine.get("/system/df").json
    assert {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"} <= said.keys()
    [volume] = [volume for volume in said["Volumes"] if volume["Name"] == "used"]
    assert volume["UsageData"] == {"RefCount": 0, "Size": 5}


@needs_docker_command
def test_the_docker_command(chosen_engine: EmbeddedEngine):
    for arguments in (["version"], ["info"], ["system", "df"], ["volume", "ls"]):
        ran = run_docker(chosen_engine.host, *arguments)
        assert ran.returncode == 0, ran.stderr
    assert "Pocket engine" in run_docker(chosen_engine.host, "version").stdout
    assert "Runner:" in run_docker(chosen_engine.host, "info").stdout
