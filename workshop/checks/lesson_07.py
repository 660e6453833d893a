"""The checks of lesson 07: each makes networks and containers with names of its own, and removes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from docker import DockerClient
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container
from docker.models.networks import Network

from workshop import base_image, engine, waiting
from workshop.cleanup import LABELS, NAMES
from workshop.exercises import Answer, NotYet, check, expect
from workshop.repository import ROOT

PAGE_SECONDS = 10.0

RESOLVE = "import socket, sys; socket.gethostbyname(sys.argv[1])"
KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], 50051), timeout=1)"
BOOKS = """
import sys, urllib.request
page = urllib.request.urlopen(f"http://{sys.argv[1]}:5000/", timeout=3).read().decode()
sys.exit("data-book-id" not in page)
"""


class World:
    """Networks and containers that share a prefix which nothing else has.

    Args:
        client: the engine.
    """

    def __init__(self, client: DockerClient) -> None:
        self.client = client
        self.prefix = f"exercise-{uuid4().hex[:6]}"

    def name(self, suffix: str) -> str:
        return f"{self.prefix}-{suffix}"

    def network(self, suffix: str) -> Network:
        return self.client.networks.create(self.name(suffix), labels=LABELS)

    def run(
        self, image: str, suffix: str, network: str | None = None, alias: str = "", **environment: str
    ) -> Container:
        """Run one of the services' images; without a network, on the engine's default one."""
        place: dict[str, Any] = {}
        if network:
            config = self.client.api.create_endpoint_config(aliases=[alias] if alias else None)
            place = {"network": network, "networking_config": {network: config}}
        return self.client.containers.run(
            image, name=self.name(suffix), detach=True, labels=LABELS, environment=environment, **place
        )

    def remove(self) -> None:
        """Remove what has the prefix, and what somebody else has put on its networks."""
        mine: Any = {"name": self.prefix}
        networks = self.client.networks.list(filters=mine)
        for network in networks:
            for container in self.client.containers.list(all=True, filters={"network": network.name or ""}):
                container.remove(force=True, v=True)
        for container in self.client.containers.list(all=True, filters=mine, ignore_removed=True):
            container.remove(force=True, v=True)
        for network in networks:
            network.remove()


@contextmanager
def world() -> Iterator[World]:
    """A world on the engine that the lessons use; it is gone afterwards, whatever happens."""
    made = World(engine.connect(say=lambda _: None))
    _build_missing_images(made.client)
    try:
        yield made
    finally:
        made.remove()


def _build_missing_images(client: DockerClient) -> None:
    for name in NAMES:
        try:
            client.images.get(name)
        except ImageNotFound:
            base = base_image.ensure(client)
            client.images.build(
                path=str(ROOT), dockerfile=f"docker/{name}.Dockerfile", tag=name,
                buildargs={"PYTHON_IMAGE": base}, rm=True, forcerm=True,
            )  # fmt: skip


def _works(container: Container, code: str, *arguments: str) -> bool:
    """Tell whether Python code ends well inside a container."""
    patience = {"RES_OPTIONS": "timeout:1 attempts:1"}  # For a name server that does not answer.
    return container.exec_run(["python", "-c", code, *arguments], environment=patience).exit_code == 0


def _shows_books(container: Container, host: str) -> bool:
    """Tell whether the page of a Marketplace has books, or gets them before the deadline."""
    try:
        waiting.until_ready(container, PAGE_SECONDS, ["python", "-c", BOOKS, host])
    except waiting.NotReady:
        return False
    return True


def _networks(container: Container) -> set[str]:
    container.reload()
    return set(container.attrs["NetworkSettings"]["Networks"])


def _is_ready(container: object) -> Container:
    """The answer's container once it is ready."""
    expect(isinstance(container, Container), "Return the container that `run` gives back.")
    assert isinstance(container, Container)
    try:
        waiting.until_ready(container)
    except waiting.NotReady as error:
        raise NotYet(str(error)) from None
    return container


def _environment(container: Container, name: str) -> str:
    variables = dict(line.split("=", 1) for line in container.attrs["Config"]["Env"])
    return variables.get(name, "localhost")


@check(
    "07-1",
    first_nudge="Three facts are missing: the network's name, whom the shop calls, and how it is called.",
    can_now="You can add a service to a running system: its place, whom it calls, and its own name there.",
)
def third_service(answer: Answer) -> None:
    with world() as made:
        network = made.network("network")
        books = made.run("recommendations", "recommendations", network.name, alias="recommendations")
        waiting.until_ready(books)
        try:
            shop = _is_ready(answer(made.client, network, made.name("partners")))
        except TypeError as error:
            expect(
                "serializable" not in str(error),
                "`run` wants the network's name, and `network` is an object.",
            )
            raise
        found = ", ".join(sorted(_networks(shop))) or "no network"
        expect(
            network.name in _networks(shop),
            f"Your shop is on “{found}”, not on “{network.name}”. Look at the argument `network`.",
        )
        expect(
            _works(books, RESOLVE, "partners"),
            "Your shop runs on the network, but nobody finds it as `partners`. Look at its aliases there.",
        )
        called = _environment(shop, "RECOMMENDATIONS_HOST")
        expect(
            _shows_books(books, "partners"),
            f"The others find your shop, but its page has no books. It calls “{called}”; "
            f"under which name is Recommendations found on this network?",
        )


@check(
    "07-2",
    first_nudge="Compare the networks of the two containers; what one lacks is the diagnosis.",
    can_now="You can find a missing connection from what the engine says, and mend it as things run.",
)
def mend(answer: Answer) -> None:
    with world() as made:
        front, back = made.network("front"), made.network("back")
        books = made.run("recommendations", "recommendations", front.name, alias="recommendations")
        shop = made.run("marketplace", "shop", front.name, RECOMMENDATIONS_HOST="recommendations")
        back.connect(books)
        waiting.until_ready(books)
        waiting.until_ready(shop)
        front.disconnect(books)
        try:
            diagnosis = answer(made.client, shop, books)
        except APIError as error:
            raise NotYet(
                f"The engine refused: {error.explanation}. Which network do you connect to? "
                f"It must be one that the shop is on and Recommendations is not."
            ) from None
        expect(
            front.name in _networks(books),
            f"Recommendations is still not on the shop's network, “{front.name}”. "
            f"Take the shop's networks, less those of Recommendations, and connect it to each.",
        )
        expect(
            _works(shop, RESOLVE, "recommendations"),
            "They share a network again, but the name `recommendations` leads nowhere. Look at `aliases`.",
        )
        expect(_shows_books(shop, "localhost"), "The name is back, but the page has no books yet.")
        expect(
            diagnosis == {front.name}, "It is mended. Now return the diagnosis: the set of missing networks."
        )


@check(
    "07-3",
    first_nudge="Is the network internal? Is the container on it, and nowhere else? What does it publish?",
    can_now="You can keep a service out of the world's reach, and what runs in it from reaching the world.",
)
def hidden(answer: Answer) -> None:
    with world() as made:
        network_name = made.name("hidden")
        outsider = made.run("recommendations", "outsider")
        container = _is_ready(answer(made.client, network_name, made.name("recommendations")))
        on = _networks(container)
        elsewhere = ", ".join(sorted(on - {network_name}))
        expect(
            not elsewhere,
            f"The container is on “{elsewhere}”, where others are. Look at the argument `network`.",
        )
        bindings = container.attrs["HostConfig"]["PortBindings"]
        expect(
            not bindings, f"It publishes {', '.join(bindings or [])}. What does `ports` say when it is empty?"
        )
        network = made.client.networks.list(names=[network_name])[0]
        expect(
            network.attrs["Internal"],
            "Nobody comes in now, but the container can still call out. Look at the network: is it internal?",
        )
        expect(
            _works(outsider, KNOCK, _address(outsider, *_networks(outsider))), "The check's own knock failed."
        )
        expect(
            not _works(outsider, KNOCK, _address(container, network_name)),
            "A container on another network can still call it.",
        )
        insider = made.run("recommendations", "insider", network_name)
        expect(
            _works(insider, KNOCK, container.name or ""),
            "Now nobody can call it, not even its neighbours. Does it run, with its usual port?",
        )


def _address(container: Container, network: str) -> str:
    return str(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])
