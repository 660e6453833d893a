"""The map: what it says of every kind of place, and that a live one ends."""

import threading

import pytest
from docker.errors import NotFound

from workshop import netmap
from workshop.cleanup import LABELS
from workshop.netmap import Box, Endpoint, Network, State

ADDRESS = "10.0.0.2"


class Engine:
    """An engine with these containers and networks, which reports nothing until it is told to."""

    def __init__(self, containers=(), networks=()):
        self.containers = self.networks = self
        self._lists = {True: list(containers), False: list(networks)}
        self.drawn, self.reports = 0, Reports()

    def list(self, all=False, filters=None, ignore_removed=False):
        self.drawn += all
        return self._lists[all]

    def events(self, decode):
        return self.reports


class Reports:
    """The engine's stream of events."""

    def __init__(self):
        self._more, self._waiting, self._hung_up = threading.Condition(), [], False

    def send(self, *events):
        with self._more:
            self._waiting += events
            self._more.notify()

    def __iter__(self):
        while True:
            with self._more:
                self._more.wait_for(lambda: self._waiting or self._hung_up)
                if self._hung_up:
                    return
                event = self._waiting.pop(0)
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self):
        with self._more:
            self._hung_up = True
            self._more.notify()


class Thing:
    """A container or a network, with what the engine says of it."""

    def __init__(self, name, **attrs):
        self.name, self.attrs = name, {"Name": name, **attrs}


def container(name, networks, status="running", code=0, ports=None, mode="default"):
    return Thing(
        name,
        Id="0123456789abcdef",
        State={"Status": status, "ExitCode": code},
        NetworkSettings={"Networks": networks, "Ports": ports or {}},
        HostConfig={"NetworkMode": mode},
    )


def network(name, **attrs):
    return Thing(name, IPAM={"Config": [{"Subnet": "10.0.0.0/24"}]}, Labels={}, **attrs)


def endpoint(address=ADDRESS, aliases=()):
    return {"IPAddress": address, "Aliases": ["0123456789ab", *aliases]}


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (container("a", {"mine": endpoint()}), "a · running · 10.0.0.2 · found as a"),
        (container("a", {"mine": endpoint(aliases=["b"])}), "a · running · 10.0.0.2 · found as a, b"),
        (container("a", {"mine": endpoint("")}, "exited", 137), "a · exited (137) · no address"),
        (container("a", {"bridge": endpoint()}), "a · running · 10.0.0.2"),
        (container("a", {"podman": endpoint()}), "a · running · 10.0.0.2"),
        (container("a", {"none": endpoint("")}), "a · running · no address"),
        (container("a", {"host": endpoint("")}), "a · running · no address"),
        (container("a", {}, mode="pasta"), "a · running · no address"),
    ],
)
def test_a_container_is_told_in_one_line(thing, says):
    assert netmap.picture(Engine([thing])).text.splitlines()[1] == f"  {says}"


def test_a_container_on_two_networks_stands_on_both():
    both = {"front": endpoint("10.0.0.2"), "back": endpoint("10.1.0.2")}
    text = netmap.picture(Engine([container("a", both)])).text
    assert text.splitlines() == [
        "network back",
        "  a · running · 10.1.0.2 · found as a",
        "network front",
        "  a · running · 10.0.0.2 · found as a",
    ]


def test_published_ports_are_told_once_though_ipv6_repeats_them():
    ports = {
        "5000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}, {"HostIp": "::", "HostPort": "80"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
        "9/tcp": None,
    }
    text = netmap.picture(Engine([container("a", {"mine": endpoint()}, ports=ports)])).text
    assert text.endswith("published on 0.0.0.0:80 → 5000 · published on 127.0.0.1:5353 → 53/udp")


def test_a_network_tells_its_addresses_and_that_it_is_internal():
    engine = Engine([container("a", {"mine": endpoint()})], [network("mine", Internal=True)])
    assert netmap.picture(engine).text.startswith("network mine · 10.0.0.0/24 · internal: no way out\n")


def test_networks_of_others_are_left_out_unless_everything_is_asked_for():
    engine = Engine(networks=[network("theirs")])
    assert "Nothing of the workshop" in netmap.picture(engine).text
    assert (
        netmap.picture(engine, everything=True).text == "network theirs · 10.0.0.0/24\n  nobody is connected"
    )


def test_words_from_outside_are_escaped():
    box = Box("<b>", "running", "good", (Endpoint("<i>", ADDRESS, ()),), ())
    html = netmap.draw(State((Network("<i>"),), (box,))).to_html()
    assert "<b>" not in html and "<i>" not in html


@pytest.fixture
def live():
    made = []

    def show(engine):
        made.append(netmap.live(engine))
        return made[-1]

    yield show
    for shown in made:
        shown.close()


def ends(shown):
    shown._thread.join(5)
    return not shown._thread.is_alive()


def test_a_live_map_is_redrawn_for_changes_and_not_for_commands_in_containers(live):
    engine = Engine()
    shown = live(engine)
    before = {"Type": "container", "Action": "exec_start: python"}, {"Type": "image", "Action": "create"}
    engine.reports.send(*before, {"Type": "container", "Action": "start"}, ConnectionError())
    assert ends(shown)
    assert engine.drawn == 3  # At first, when it listens, and for the start.


def test_a_live_map_says_that_the_engine_went_away(live):
    engine = Engine()
    shown = live(engine)
    engine.reports.send(ConnectionError())
    assert ends(shown)
    assert "stopped reporting" in shown.value


def test_a_live_map_outlives_a_container_that_vanishes_while_it_looks(live):
    engine = Engine()
    shown = live(engine)
    while engine.drawn < 2:
        assert shown._thread.is_alive()
    engine.containers = None

    class Vanishing:
        def list(self, **_):
            engine.containers = engine
            raise NotFound("gone")

    engine.containers = Vanishing()
    engine.reports.send(*[{"Type": "container", "Action": "die"}] * 2, ConnectionError())
    assert ends(shown)
    assert engine.drawn == 3


def test_a_live_map_can_be_seen_without_a_kernel(live):
    shown = live(Engine([container("a", {"mine": endpoint()})]))._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "<svg" in shown["text/html"]
    assert shown["text/plain"].startswith("network mine")


def test_closing_a_live_map_ends_its_thread_without_a_word(live):
    shown = live(Engine())
    shown.close()
    assert ends(shown)
    assert "stopped reporting" not in shown.value


def test_a_new_live_map_replaces_the_one_before(live):
    first, second = live(Engine()), live(Engine())
    assert ends(first)
    assert second._thread.is_alive()


def test_a_live_map_follows_a_real_engine_and_lets_go_of_it(client, live):
    shown = live(client)
    drawn = threading.Event()
    shown.observe(lambda change: "netmap-test" in change["new"] and drawn.set(), "value")
    made = client.networks.create("netmap-test", labels=LABELS)
    try:
        assert drawn.wait(10)
    finally:
        made.remove()
    shown.close()
    assert ends(shown)
