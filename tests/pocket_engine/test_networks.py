"""Networks: records, addresses, names, and what is refused."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, Conflict, EngineError, Forbidden, NotFound, NotImplementedHere
from pocket_engine.events import Events
from pocket_engine.filters import Filters
from pocket_engine.native import CannotBuild, building
from pocket_engine.networks import Attachment, Member, Networks
from pocket_engine.networks.files import NOBODY_ANSWERS

Start = Callable[..., Attachment]


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Networks:
    # None of these runs a program that would load it.
    monkeypatch.setattr(building, "library", lambda data_root: tmp_path / "libpocket.so")
    return Networks(DataRoot(tmp_path), Events())


@pytest.fixture
def start(networks: Networks, tmp_path: Path):
    """Start a container, as far as its networks are concerned."""
    started: list[Attachment] = []

    def start(name: str, mode: str = "books", endpoints: dict | None = None, **more) -> Attachment:
        folder = tmp_path / "containers" / name
        folder.mkdir(exist_ok=True)
        id = name.encode().hex().ljust(64, "0")
        known = networks.endpoints(mode, endpoints)
        member = Member(id, name, id[:12], folder, mode=mode, endpoints=known, **more)
        started.append(networks.attach(member))
        return started[-1]

    yield start
    for attachment in started:
        attachment.close()


@pytest.fixture
def books(networks: Networks):
    return networks.create({"Name": "books"})


def read(attachment: Attachment, target: str) -> str:
    """A file as the container sees it."""
    mount = next(mount for mount in attachment.mounts if mount.target == target)
    assert mount.source
    return mount.source.read_bytes().partition(b"\0")[0].decode()


def names_in(attachment: Attachment) -> dict[str, str]:
    """What the container's /etc/hosts says: addresses by name."""
    lines = (line.split() for line in read(attachment, "/etc/hosts").splitlines())
    return {name: address for address, *names in lines for name in names}


def test_every_engine_has_three(networks: Networks, tmp_path: Path):
    ids = {network.name: network.id for network in networks.all()}
    assert set(ids) == {"bridge", "host", "none"}
    again = Networks(DataRoot(tmp_path), Events())
    assert {network.name: network.id for network in again.all()} == ids


def test_what_is_created_is_there_after_a_restart(networks: Networks, tmp_path: Path):
    made = networks.create({"Name": "books", "Labels": {"tier": "data"}, "Internal": True})
    again = Networks(DataRoot(tmp_path), Events())
    assert again.get("books") == again.get(made.id) == again.get(made.id[:6]) == made
    shown = again.inspect(made)
    assert shown["Labels"] == {"tier": "data"} and shown["Internal"] and shown["Containers"] == {}
    assert shown["IPAM"]["Config"] == [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"Name": ""}, BadRequest, "invalid name"),
        ({"Name": "host"}, Forbidden, "predefined host network"),
        ({"Name": "books"}, Conflict, "network with name books already exists"),
        ({"Name": "x", "Driver": "host"}, Forbidden, 'only one instance of "host"'),
        ({"Name": "x", "Driver": "nosuch"}, NotFound, 'plugin "nosuch" not found'),
        ({"Name": "x", "Driver": "overlay"}, NotImplementedHere, "not a swarm manager"),
        ({"Name": "x", "Driver": "macvlan"}, NotImplementedHere, "only root"),
        ({"Name": "x", "IPAM": {"Driver": "nosuch"}}, NotFound, "plugin"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "172.17.5.0/24"}]}}, Forbidden, "Pool overlaps with"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "10.0.0.0/33"}]}}, BadRequest, "invalid CIDR address"),
        (
            {"Name": "x", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.1.0.1"}]}},
            EngineError,
            "Requested address is out of range",
        ),
    ],
)
def test_what_makes_no_network(networks: Networks, books, request_: dict, error: type, message: str):
    with pytest.raises(error, match=message):
        networks.create(request_)
    assert len(networks.all()) == 4


def test_subnets_are_kept_as_they_were_asked_for(networks: Networks):
    config = {
        "Subnet": "172.28.0.0/16",
        "IPRange": "172.28.5.0/24",
        "Gateway": "172.28.5.254",
        "AuxiliaryAddresses": {"a": "172.28.5.1"},
    }
    made = networks.create({"Name": "x", "IPAM": {"Driver": "default", "Config": [config]}})
    assert networks.inspect(made)["IPAM"]["Config"] == [config]


def test_addresses_come_from_the_range_without_those_that_are_reserved(networks: Networks, start: Start):
    config = {
        "Subnet": "10.9.0.0/24",
        "IPRange": "10.9.0.0/29",
        "Gateway": "10.9.0.2",
        "AuxiliaryAddresses": {"a": "10.9.0.1"},
    }
    networks.create({"Name": "books", "IPAM": {"Config": [config]}})
    found = [start(f"c{i}").settings()["Networks"]["books"]["IPAddress"] for i in range(4)]
    assert found == ["10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6"]
    with pytest.raises(EngineError, match="no available IPv4 addresses"):
        start("one-too-many")
    asked = {"books": {"IPAMConfig": {"IPv4Address": "10.9.0.77"}}}
    assert start("fixed", endpoints=asked).settings()["Networks"]["books"]["IPAddress"] == "10.9.0.77"
    with pytest.raises(Forbidden, match="Address already in use"):
        start("again", endpoints=asked)
    with pytest.raises(BadRequest, match="does not belong to any of this network's subnets"):
        start("outside", endpoints={"books": {"IPAMConfig": {"IPv4Address": "10.8.0.1"}}})


def test_an_address_needs_a_subnet_that_somebody_chose(books, start: Start):
    with pytest.raises(BadRequest, match="user configured subnets"):
        start("a", endpoints={"books": {"IPAMConfig": {"IPv4Address": "172.18.0.9"}}})
    with pytest.raises(BadRequest, match="user defined networks only"):
        start("a", mode="bridge", endpoints={"bridge": {"IPAMConfig": {"IPv4Address": "172.17.0.9"}}})
    with pytest.raises(BadRequest, match="network-scoped alias"):
        start("a", mode="bridge", endpoints={"bridge": {"Aliases": ["b"]}})


def test_names_resolve_on_shared_networks_only(networks: Networks, books, start: Start):
    networks.create({"Name": "music"})
    one = start("one", endpoints={"books": {"Aliases": ["uno"]}})
    two, three = start("two"), start("three", mode="music")
    assert (
        names_in(two)["one"]
        == names_in(two)["uno"]
        == names_in(two)[one.settings()["Networks"]["books"]["Aliases"][1]]
    )
    assert "two" in names_in(one) and "one" not in names_in(three)
    assert names_in(one)["localhost"] == "::1"
    one.close()
    assert "one" not in names_in(two)


def test_the_default_bridge_knows_no_names_but_links(start: Start):
    start("one", mode="default")
    two = start("two", mode="bridge")
    assert "one" not in names_in(two)
    three = start("three", mode="bridge", links=("one:alias",))
    assert names_in(three)["alias"] == "172.17.0.2"


def test_networks_are_joined_and_left_while_a_container_runs(networks: Networks, books, start: Start):
    one, two = start("one"), start("two", mode="bridge")
    id = b"two".hex().ljust(64, "0")
    known = networks.endpoints("bridge", None)
    known = networks.connect(known, "bridge", "books", {"Aliases": ["second"]}, id)
    assert set(known) == set(two.settings()["Networks"]) == {"bridge", "books"}
    assert names_in(one)["second"] == "172.18.0.3" and "one" in names_in(two)
    assert networks.inspect(books)["Containers"][id]["IPv4Address"] == "172.18.0.3/16"
    with pytest.raises(Forbidden, match="endpoint with name two already exists in network books"):
        networks.connect(known, "bridge", "books", None, id)
    with pytest.raises(Forbidden, match="has active endpoints"):
        networks.remove("books")
    networks.rename(id, "deux")
    assert "deux" in names_in(one) and "two" not in names_in(one)
    known = networks.disconnect(known, "bridge", "books", False, id)
    assert set(known) == {"bridge"} and "second" not in names_in(one)
    with pytest.raises(EngineError, match="is not connected to the network books"):
        networks.disconnect(known, "bridge", "books", False, id)


@pytest.mark.parametrize(
    ("mode", "network", "message"),
    [
        ("host", "books", "sharing network namespace"),
        ("container:abc", "books", "sharing network namespace"),
        ("none", "books", "private"),
        ("bridge", "none", "private"),
        ("bridge", "host", "host network"),
    ],
)
def test_connections_that_cannot_be(networks: Networks, books, mode: str, network: str, message: str):
    known = networks.endpoints(mode, None)
    with pytest.raises(BadRequest, match=message):
        networks.connect({**known, "x": {}} if mode == "bridge" else known, mode, network, None, "id")


def test_ports_are_published_while_it_is_on_a_network(networks: Networks, books, start: Start):
    one = start("one", bindings={"80/tcp": [{}]})
    port = int(one.ports["80/tcp"][0]["HostPort"])
    socket.create_connection(("127.0.0.1", port)).close()
    networks.disconnect({"books": {}}, "books", "books", False, one.member.id)
    assert one.ports == {}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    networks.connect({}, "books", "books", None, one.member.id)
    port = int(one.ports["80/tcp"][0]["HostPort"])
    socket.create_connection(("127.0.0.1", port)).close()


def test_the_table_has_whom_a_container_may_reach(networks: Networks, books, start: Start):
    networks.create({"Name": "closed", "Internal": True})
    one, two, hidden = start("one"), start("two"), start("hidden", mode="closed")
    table = read(one, "/run/pocket-engine/network").splitlines()
    assert table[:3] == [one.address, f"172.18.0.2 {one.address}", f"172.18.0.3 {two.address}"]
    assert {"172.18.0.1 127.0.0.1", "172.17.0.1 127.0.0.1", "172.19.0.0/16 -"} < set(table)
    table = read(hidden, "/run/pocket-engine/network").splitlines()
    assert table[-1] == "0.0.0.0/0 -" and not any("127.0.0.1" in line for line in table)
    assert NOBODY_ANSWERS in read(hidden, "/etc/resolv.conf")


def test_other_modes(books, start: Start):
    nothing = start("nothing", mode="none")
    assert read(nothing, "/run/pocket-engine/network").splitlines()[-1] == "0.0.0.0/0 -"
    machine = start("machine", mode="host")
    assert machine.host_network and not machine.address
    assert not any(mount.target == "/run/pocket-engine/network" for mount in machine.mounts)
    one = start("one")
    beside = start("beside", mode=f"container:{b'one'.hex().ljust(64, '0')}")
    assert beside.address == one.address and beside.mounts == one.mounts
    assert beside.settings()["Networks"] == {}
    one.close()
    with pytest.raises(Conflict, match="cannot join network of a non running container"):
        start("late", mode=f"container:{b'one'.hex().ljust(64, '0')}")


def test_files_say_what_was_asked_for(books, start: Start):
    one = start(
        "one",
        extra_hosts=("registry:10.0.0.5", "machine:host-gateway"),
        dns=("9.9.9.9",),
        dns_search=("example.org",),
        dns_options=("ndots:2",),
    )
    assert names_in(one)["registry"] == "10.0.0.5" and names_in(one)["machine"] == "172.17.0.1"
    assert read(one, "/etc/resolv.conf") == "search example.org\nnameserver 9.9.9.9\noptions ndots:2\n"
    hosts = next(mount.source for mount in one.mounts if mount.target == "/etc/hosts")
    assert hosts
    before = hosts.stat().st_ino
    with hosts.open("a") as file:
        file.write("10.1.1.1\tadded\n")
    start("two")
    assert hosts.stat().st_ino == before
    assert {"added", "two"} < set(names_in(one))


def test_lists_and_what_is_pruned(networks: Networks, books, start: Start):
    networks.create({"Name": "music", "Labels": {"keep": "yes"}})
    networks.create({"Name": "idle"})
    start("one")

    def names(**filters: list[str]) -> list[str]:
        return sorted(network.name for network in networks.all(Filters(filters)))

    assert names(name=["oo"]) == names(id=[books.id[:12]]) == ["books"]
    assert names(dangling=["true"]) == ["idle", "music"] and names(label=["keep=yes"]) == ["music"]
    assert names(driver=["null"]) == ["none"] and names(type=["builtin"]) == ["bridge", "host", "none"]
    with pytest.raises(BadRequest, match="invalid filter"):
        names(nosuch=["x"])
    with pytest.raises(BadRequest, match="invalid filter"):
        names(type=["nosuch"])
    assert networks.prune(Filters({"until": ["24h"]})) == []
    assert networks.prune(Filters({"label!": ["keep"]})) == ["idle"]
    with pytest.raises(Forbidden, match="bridge is a pre-defined network and cannot be removed"):
        networks.remove("bridge")
    with pytest.raises(NotFound, match="network nosuch not found"):
        networks.remove("nosuch")


def test_a_network_that_was_removed_keeps_a_container_from_starting(networks: Networks, books, start: Start):
    networks.remove("books")
    with pytest.raises(NotFound, match="network books not found"):
        start("one")


def test_without_a_library_containers_share_the_machines_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def none(data_root: DataRoot) -> Path:
        raise CannotBuild("cc: not found")

    monkeypatch.setattr(building, "library", none)
    networks = Networks(DataRoot(tmp_path), Events())
    networks.create({"Name": "books"})
    for name in "one", "two":
        (tmp_path / name).mkdir()
        known = networks.endpoints("books", None)
        attachment = networks.attach(
            Member(name * 20, name, name, tmp_path / name, mode="books", endpoints=known)
        )
    assert attachment.host_network and attachment.environment == ()
    assert "cc: not found" in networks.notes[0]
    assert names_in(attachment)["one"] == "127.0.0.1"
