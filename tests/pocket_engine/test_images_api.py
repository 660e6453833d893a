"""Images over the API, with the Docker SDK and by hand."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker
import pytest

from tests.pocket_engine.embedded import EmbeddedEngine
from tests.pocket_engine.registries import digest_of, misbehaving
from tests.pocket_engine.tars import tar

FILES = tar(("hello", b"hello"))


@pytest.fixture
def client(chosen_engine: EmbeddedEngine) -> Iterator[docker.DockerClient]:
    """A client; the images that a test has made go with it."""
    with chosen_engine.client() as client:
        before = {image.id for image in client.images.list(all=True)}
        yield client
        for image in client.images.list(all=True):
            if image.id not in before:
                client.images.remove(image.id, force=True)


def imported(client: docker.DockerClient, name: str, content: bytes = FILES, **options: object) -> str:
    lines = client.api.import_image_from_data(content, repository=name, **options).splitlines()
    return json.loads(lines[-1])["status"]


def test_import_with_changes(client: docker.DockerClient) -> None:
    image_id = imported(client, "api-test", changes=["USER foobar", 'CMD ["echo"]'])
    attributes = client.api.inspect_image("api-test")
    assert attributes["Id"] == image_id
    assert attributes["Config"]["Cmd"] == ["echo"] and attributes["Config"]["User"] == "foobar"
    assert attributes["Comment"] == "Imported from -"
    assert client.api.history("api-test")[0]["Size"] == len("hello")


def test_import_from_the_web(client: docker.DockerClient) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/files.tar" else 404)
            self.end_headers()
            self.wfile.write(FILES)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        lines = client.api.import_image_from_url(f"{place}/files.tar", repository="api-test").splitlines()
        missing = client.api.import_image_from_url(f"{place}/nothing").splitlines()
        server.shutdown()
    assert json.loads(lines[0])["status"] == f"Downloading from {place}/files.tar"
    assert client.images.get("api-test").id == json.loads(lines[-1])["status"]
    assert "Got HTTP status code >= 400: 404" in json.loads(missing[-1])["error"]


def test_import_of_what_is_no_tar(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.APIError, match="Error processing tar file") as refused:
        client.api.import_image_from_data(b"no tar", repository="api-test")
    assert refused.value.status_code == 500
    assert client.images.list("api-test") == []


def test_tag_save_load_remove(client: docker.DockerClient) -> None:
    image_id = imported(client, "api-test")
    image = client.images.get("api-test")
    assert image.tag("elsewhere.invalid:5000/a/b", "v1")
    image.reload()
    saved = b"".join(image.save(named="elsewhere.invalid:5000/a/b:v1"))
    client.images.remove("api-test")
    items = client.api.remove_image("elsewhere.invalid:5000/a/b:v1")
    assert items[:2] == [{"Untagged": "elsewhere.invalid:5000/a/b:v1"}, {"Deleted": image_id}]
    [loaded] = client.images.load(saved)
    assert loaded.id == image_id and loaded.tags == ["elsewhere.invalid:5000/a/b:v1"]
    with pytest.raises(docker.errors.ImageLoadError):
        client.images.load(b"abc")


def test_an_image_that_a_container_uses(client: docker.DockerClient) -> None:
    imported(client, "api-test", changes=['CMD ["/hello"]'])
    container = client.containers.create("api-test")
    try:
        with pytest.raises(docker.errors.APIError) as refused:
            client.images.remove("api-test")
        assert refused.value.status_code == 409
        assert f"(must force) - container {container.short_id} is using" in str(refused.value)
        assert client.images.prune({"dangling": False})["ImagesDeleted"] is None
    finally:
        container.remove()
    assert client.images.prune({"dangling": False})["SpaceReclaimed"] == len("hello")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/images/nosuch/json", 404, "No such image: nosuch:latest"),
        ("GET", "/images/a/b/c:d/history", 404, "No such image: a/b/c:d"),
        ("GET", "/images/BAD/json", 400, "invalid reference format: repository name must be lowercase"),
        ("GET", "/images/nosuch/get", 404, "No such image: nosuch"),
        ("GET", "/images/search?term=x", 501, "searching is a service of Docker Hub's own"),
        ("POST", "/images/nosuch/tag?repo=x", 404, "No such image: nosuch:latest"),
        ("POST", "/images/create?fromImage=x&platform=foobar", 400, '"foobar": unknown operating system'),
        ("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=v", 500, "connection refused"),
        ("POST", "/images/create", 400, "fromImage or fromSrc must be given"),
        ("DELETE", "/images/nosuch", 404, "No such image: nosuch:latest"),
        ("GET", "/distribution/127.0.0.1:1/x/json", 500, "connection refused"),
    ],
)
def test_what_cannot_be_is_told(
    chosen_engine: EmbeddedEngine, method: str, path: str, status: int, message: str
) -> None:
    answer = chosen_engine.ask(method, path)
    assert answer.status == status
    assert message in json.loads(answer.body)["message"]


def test_pull_and_push_over_the_api(client: docker.DockerClient) -> None:
    with misbehaving() as registry:
        digest = registry.add_image([FILES], [digest_of(FILES)], "latest")
        name = f"{registry.domain}/api-test"
        image = client.images.pull(name)
        assert image.attrs["RepoDigests"] == [f"{name}@{digest}"]
        with pytest.raises(docker.errors.NotFound):
            client.images.pull(name, tag="nosuch-tag")
        del registry.blobs[digest_of(FILES)]
        client.images.remove(image.id, force=True)
        items = list(client.api.pull(name, stream=True, decode=True))
        assert "blob unknown to registry" in items[-1]["error"]
    items = list(client.api.push("127.0.0.1:1/nosuch", tag="v1", stream=True, decode=True))
    assert items[-1]["error"] == "An image does not exist locally with the tag: 127.0.0.1:1/nosuch"


def test_lists_suit_older_clients(chosen_engine: EmbeddedEngine, client: docker.DockerClient) -> None:
    image_id = json.loads(client.api.import_image_from_data(FILES).splitlines()[-1])["status"]

    def listed(version: str) -> dict:
        images = json.loads(chosen_engine.get(f"/{version}/images/json").body)
        return next(image for image in images if image["Id"] == image_id)

    assert listed("v1.41")["RepoTags"] == ["<none>:<none>"] and listed("v1.41")["VirtualSize"] == 5
    assert listed("v1.44")["RepoTags"] == [] and "VirtualSize" not in listed("v1.44")
