"""What the kubeconfig says, read without sending anything to anybody.

Unreadable              a kubeconfig is there that cannot be read
"""

import fnmatch
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import yaml

from workshop.cluster.errors import ClusterError

Address = IPv4Address | IPv6Address
Entry = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """Something that runs a cluster on a learner's own machine.

    Attributes:
        name: what people call it.
        contexts: patterns of the names that it gives to contexts.
        prefix: what stands before the cluster's name in such a name.
        is_bridged: whether its server may be in a virtual machine or a container, behind a bridge.
    """

    name: str
    contexts: tuple[str, ...]
    prefix: str = ""
    is_bridged: bool = False


MINIKUBE = Tool("minikube", ("minikube",), is_bridged=True)
TOOLS = (
    Tool("kind", ("kind-*",), "kind-"),
    Tool("k3d", ("k3d-*",), "k3d-"),
    MINIKUBE,
    Tool("Docker Desktop", ("docker-desktop", "docker-for-desktop")),
    Tool("Rancher Desktop", ("rancher-desktop",), is_bridged=True),
    Tool("Colima", ("colima", "colima-*"), is_bridged=True),
    Tool("OrbStack", ("orbstack",)),
    Tool("MicroK8s", ("microk8s",), is_bridged=True),
)

# Names for this machine that these tools write into a kubeconfig. They count for what they resolve to.
OWN_NAMES = ("localhost", "kubernetes.docker.internal", "host.docker.internal")
# What bridges of engines and of virtual machines are called; a bridge into an office (br0) is none of them.
BRIDGES = (
    "docker",
    "br-",
    "podman",
    "virbr",
    "vboxnet",
    "vmnet",
    "bridge1",
    "vethernet",
    "lxdbr",
    "mpqemubr",
)
# None of the tools writes these; a tunnel to another machine may have some of them.
UNUSUAL_CLUSTER = ("proxy-url", "tls-server-name", "insecure-skip-tls-verify")
UNUSUAL_USER = ("exec", "auth-provider")


class Unreadable(ClusterError):
    """A kubeconfig is there and cannot be read; the message names the file and the reason."""


@dataclass(frozen=True)
class Context:
    """One context of a kubeconfig.

    Attributes:
        name: as the kubeconfig has it.
        server: the API server's address.
        tool: what made it, going by its name; None where the name says nothing.
        is_current: whether kubectl would use it.
        is_local: whether it is plainly a cluster on this machine.
        cluster: the entry of its cluster.
        user: the entry of its user; empty where it has none.
    """

    name: str
    server: str
    tool: Tool | None
    is_current: bool
    is_local: bool
    cluster: Entry
    user: Entry

    @property
    def kind(self) -> str:
        """What sort of cluster it is, e.g. `kind` or `minikube`; `cluster` where nothing proves it."""
        return self.tool.name if self.tool and self.is_local else "cluster"

    @property
    def cluster_name(self) -> str:
        """What its tool calls the cluster; else the context's name."""
        return self.name.removeprefix(self.tool.prefix) if self.tool else self.name

    @property
    def host(self) -> str:
        """The server's host and port, e.g. `127.0.0.1:6443`."""
        return urlsplit(self.server).netloc.rpartition("@")[2] or self.server

    @property
    def is_direct(self) -> bool:
        """Whether no proxy that the environment names is for it, as kubectl sees it."""
        if self.cluster.get("proxy-url"):
            return False
        host = urlsplit(self.server).hostname or ""
        return self.is_local or any(address.is_loopback for address in _addresses(host))


def files() -> list[Path]:
    """The kubeconfig's files that exist and are not empty, in kubectl's order."""
    chosen = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    paths = [Path(name).expanduser() for name in chosen] or [Path.home() / ".kube" / "config"]
    return [path for path in dict.fromkeys(paths) if path.is_file() and path.stat().st_size]


def contexts() -> list[Context]:
    """All contexts of the kubeconfig, the current one first; none where there is no kubeconfig.

    Raises:
        Unreadable: a file cannot be read, or is no kubeconfig.
    """
    return merged([_read(path) for path in files()])


def merged(configs: list[Entry]) -> list[Context]:
    """The contexts of several kubeconfigs together; of two things with one name, the first counts."""
    current = next((config["current-context"] for config in configs if config.get("current-context")), None)
    clusters, users = _by_name(configs, "cluster"), _by_name(configs, "user")
    found = [
        _context(name, entry, clusters, users, name == current)
        for name, entry in _by_name(configs, "context").items()
        if entry.get("cluster") in clusters
    ]
    return sorted(found, key=lambda context: not context.is_current)


def _context(
    name: str, entry: Entry, clusters: dict[str, Entry], users: dict[str, Entry], is_current: bool
) -> Context:
    cluster, user = clusters[entry["cluster"]], users.get(entry.get("user", ""), {})
    server, tool = str(cluster.get("server") or ""), _tool(name, cluster)
    is_usual = not any(cluster.get(key) for key in UNUSUAL_CLUSTER) and not any(
        user.get(key) for key in UNUSUAL_USER
    )
    is_local = bool(tool and is_usual and _is_here(server, tool))
    return Context(name, server, tool, is_current, is_local, cluster, user)


def parse(text: str, source: object) -> Entry:
    """The content of a kubeconfig.

    Args:
        text: the YAML.
        source: where it comes from, for the message.

    Raises:
        Unreadable: it is no kubeconfig.
    """
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise Unreadable(
            f"The kubeconfig {source}{line} is no valid YAML. Mend it, or move it away."
        ) from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not _has_lists(config):
        raise Unreadable(
            f"{source} is no kubeconfig: clusters, contexts and users have to be lists of named things."
        )
    return config


def _read(path: Path) -> Entry:
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise Unreadable(f"The kubeconfig {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"The kubeconfig {path} is no text. Mend it, or move it away.") from error


def _has_lists(config: Entry) -> bool:
    for key in ("cluster", "context", "user"):
        entries = config.get(f"{key}s") or []
        if not isinstance(entries, list) or not all(_is_named(entry, key) for entry in entries):
            return False
    return True


def _is_named(entry: Any, key: str) -> bool:
    return isinstance(entry, dict) and "name" in entry and isinstance(entry.get(key) or {}, dict)


def _by_name(configs: list[Entry], key: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for config in configs:
        for entry in config.get(f"{key}s") or []:
            found.setdefault(str(entry["name"]), entry.get(key) or {})
    return found


def _tool(name: str, cluster: Entry) -> Tool | None:
    for tool in TOOLS:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in tool.contexts):
            return tool
    # minikube calls a context as its profile, which may have any name, and signs the entry.
    extensions = cluster.get("extensions") or []
    makers = [(extension.get("extension") or {}).get("provider") for extension in extensions]
    return MINIKUBE if "minikube.sigs.k8s.io" in makers else None


def _is_here(server: str, tool: Tool) -> bool:
    """Whether a server's address is this machine, or what the tool runs on a bridge of it."""
    try:
        host = urlsplit(server).hostname or ""
    except ValueError:
        return False
    addresses = list(_addresses(host))
    own = set(_own_addresses())
    return bool(addresses) and all(
        address.is_loopback
        or address.is_unspecified  # 0.0.0.0, as k3d writes it: whoever connects to it reaches itself.
        or address in own
        or (tool.is_bridged and _is_behind_a_bridge(address))
        for address in addresses
    )


def _addresses(host: str) -> Iterator[Address]:
    """The addresses of a host; none for a name that could be anybody's, which is not even looked up."""
    try:
        yield ip_address(host)
        return
    except ValueError:
        pass
    if host in OWN_NAMES:
        try:
            for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
                yield ip_address(found[4][0])
        except OSError:
            return


def _own_addresses() -> Iterator[Address]:
    for interfaces in psutil.net_if_addrs().values():
        for found in interfaces:
            if found.family in (socket.AF_INET, socket.AF_INET6):
                yield ip_address(found.address.partition("%")[0])


def _is_behind_a_bridge(address: Address) -> bool:
    for name, interfaces in psutil.net_if_addrs().items():
        networks = [
            ip_network(f"{found.address}/{found.netmask}", strict=False)
            for found in interfaces
            if found.family == socket.AF_INET and found.netmask
        ]
        if name.lower().startswith(BRIDGES) and any(address in network for network in networks):
            return True
    return False
