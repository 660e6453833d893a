"""What the lesson on networks claims, on the real engine."""

import pytest

from workshop import cleanup

from waiting import page, published_port, until

PAGE_PORT = {"5000/tcp": ("127.0.0.1", None)}


@pytest.fixture
def network(client, images):
    cleanup.start_over(client)
    return client.networks.create("microservices", labels=cleanup.LABELS)


def environment() -> dict[str, str]:
    return {"RECOMMENDATIONS_HOST": "recommendations"}


def test_without_a_network_marketplace_cannot_find_recommendations(run):
    run("recommendations")
    marketplace = run("marketplace", ports=PAGE_PORT, environment=environment())
    port = published_port(marketplace, "5000/tcp")
    until(lambda: page(port, "/healthz"), "the Marketplace answers")
    assert "taking a break" in page(port)
    assert "data-book-id" not in page(port)


def test_a_container_s_localhost_is_its_own(network, run):
    run("recommendations", name="recommendations", network="microservices")
    marketplace = run("marketplace", ports=PAGE_PORT, network="microservices")
    port = published_port(marketplace, "5000/tcp")
    until(lambda: page(port, "/healthz"), "the Marketplace answers")
    assert "taking a break" in page(port)


def test_on_one_network_they_find_each_other_by_name(network, run):
    run("recommendations", name="recommendations", network="microservices")
    marketplace = run("marketplace", ports=PAGE_PORT, network="microservices", environment=environment())
    port = published_port(marketplace, "5000/tcp")
    until(lambda: page(port).count("data-book-id") == 3, "the page shows three books")


def test_connecting_a_running_container_is_enough_and_disconnecting_undoes_it(network, run):
    run("recommendations", name="recommendations", network="microservices")
    marketplace = run("marketplace", ports=PAGE_PORT, environment=environment())
    port = published_port(marketplace, "5000/tcp")
    until(lambda: "taking a break" in page(port), "the page answers with a note")
    network.connect(marketplace)
    until(lambda: "data-book-id" in page(port), "the page shows books once connected")
    network.disconnect(marketplace)
    until(lambda: "taking a break" in page(port), "the page answers with a note again")


def test_the_marketplace_takes_turns_between_two_behind_one_name(client, network, run):
    alias = {"microservices": client.api.create_endpoint_config(aliases=["recommendations"])}
    both = [run("recommendations", network="microservices", networking_config=alias) for _ in range(2)]
    for container in both:
        until(lambda container=container: b"listening" in container.logs(), "the server listens")
    marketplace = run("marketplace", ports=PAGE_PORT, network="microservices", environment=environment())
    port = published_port(marketplace, "5000/tcp")
    until(lambda: page(port).count("data-book-id") == 3, "the page shows three books")
    pages = [page(port) for _ in range(20)]
    assert all("data-book-id" in text for text in pages)
    until(lambda: min(map(calls, both)) >= 5, "each has answered a good part of the calls")


def calls(container) -> int:
    return container.logs().count(b'"message": "call"')


def test_a_published_port_is_published_on_this_machine_only(run):
    container = run("recommendations", ports={"50051/tcp": ("127.0.0.1", None)})
    container.reload()
    assert [binding["HostIp"] for binding in container.ports["50051/tcp"]] == ["127.0.0.1"]
