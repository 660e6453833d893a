"""Plausible wrong answers to lesson 07, and a part of the nudge that each must get."""

from workshop.cleanup import LABELS


def _shop(client, name, network, calls, alias):
    config = {network: client.api.create_endpoint_config(aliases=[alias])}
    return client.containers.run(
        "marketplace", name=name, detach=True, labels=LABELS, network=network,
        environment={"RECOMMENDATIONS_HOST": calls}, networking_config=config,
    )  # fmt: skip


def on_the_default_network(client, network, name):
    return client.containers.run("marketplace", name=name, detach=True, labels=LABELS)


def gives_the_network_itself(client, network, name):
    return client.containers.run(
        "marketplace", name=name, detach=True, labels=LABELS, network=network,
        environment={"RECOMMENDATIONS_HOST": "recommendations"},
    )  # fmt: skip


def calls_its_own_localhost(client, network, name):
    return _shop(client, name, network.name, "localhost", "partners")


def calls_the_network_by_its_name(client, network, name):
    return _shop(client, name, network.name, network.name, "partners")


def alias_of_another_name(client, network, name):
    return _shop(client, name, network.name, "recommendations", "partner")


def returns_nothing(client, network, name):
    _shop(client, name, network.name, "recommendations", "partners")


def _networks(container):
    container.reload()
    return set(container.attrs["NetworkSettings"]["Networks"])


def the_wrong_way_round(client, shop, recommendations):
    missing = _networks(recommendations) - _networks(shop)
    for network in client.networks.list(names=list(missing)):
        network.connect(recommendations, aliases=["recommendations"])
    return missing


def looks_at_what_they_share(client, shop, recommendations):
    return _networks(shop) & _networks(recommendations)


def forgets_the_alias(client, shop, recommendations):
    missing = _networks(shop) - _networks(recommendations)
    for network in client.networks.list(names=list(missing)):
        network.connect(recommendations)
    return missing


def connects_the_shop_instead(client, shop, recommendations):
    missing = _networks(recommendations) - _networks(shop)
    for network in client.networks.list(names=list(missing)):
        network.connect(shop, aliases=["recommendations"])
    return missing


def keeps_the_diagnosis_to_itself(client, shop, recommendations):
    for network in client.networks.list(names=list(_networks(shop) - _networks(recommendations))):
        network.connect(recommendations, aliases=["recommendations"])


def _recommendations(client, network_name, name, *, internal=True, network=None, ports=None):
    client.networks.create(network_name, internal=internal, labels=LABELS)
    return client.containers.run(
        "recommendations", name=name, detach=True, labels=LABELS, network=network or network_name, ports=ports
    )


def an_ordinary_network(client, network_name, name):
    return _recommendations(client, network_name, name, internal=False)


def publishes_its_port(client, network_name, name):
    return _recommendations(client, network_name, name, ports={"50051/tcp": ("127.0.0.1", None)})


def stays_on_the_default_network(client, network_name, name):
    return _recommendations(client, network_name, name, network="bridge")


def on_two_networks(client, network_name, name):
    container = _recommendations(client, network_name, name)
    client.networks.get("bridge").connect(container)
    return container


WRONG = [
    ("07-1", "on the default network", on_the_default_network, "Look at the argument `network`"),
    ("07-1", "gives the network itself", gives_the_network_itself, "wants the network's name"),
    ("07-1", "calls its own localhost", calls_its_own_localhost, "It calls “localhost”"),
    ("07-1", "calls the network by its name", calls_the_network_by_its_name, "page has no books"),
    ("07-1", "alias of another name", alias_of_another_name, "nobody finds it as `partners`"),
    ("07-1", "returns nothing", returns_nothing, "Return the container"),
    ("07-2", "the wrong way round", the_wrong_way_round, "one that the shop is on"),
    ("07-2", "looks at what they share", looks_at_what_they_share, "still not on the shop's network"),
    ("07-2", "forgets the alias", forgets_the_alias, "Look at `aliases`"),
    ("07-2", "connects the shop instead", connects_the_shop_instead, "still not on the shop's network"),
    ("07-2", "keeps the diagnosis to itself", keeps_the_diagnosis_to_itself, "return the diagnosis"),
    ("07-3", "an ordinary network", an_ordinary_network, "is it internal?"),
    ("07-3", "publishes its port", publishes_its_port, "It publishes 50051/tcp"),
    ("07-3", "stays on the default network", stays_on_the_default_network, "Look at the argument `network`"),
    ("07-3", "on two networks", on_two_networks, "where others are"),
]
