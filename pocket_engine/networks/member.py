"""A container as its networks see it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Member:
    """What networks need to know of a container that starts.

    Attributes:
        id: 64 hexadecimal digits.
        name: without the slash.
        hostname: `Config.Hostname`.
        domainname: `Config.Domainname`.
        mode: `HostConfig.NetworkMode`; of `container:…` the full id of the other container.
        endpoints: what `Networks.endpoints` returned when the container was created, with the changes of
            `Networks.connect` and `disconnect` since then.
        exposed: the keys of `Config.ExposedPorts`, such as "5000/tcp".
        bindings: `HostConfig.PortBindings`.
        publish_all: `HostConfig.PublishAllPorts`.
        links: `HostConfig.Links`, each "container:alias"; names without their slash.
        extra_hosts: `HostConfig.ExtraHosts`, each "name:address" or "name:host-gateway".
        dns: `HostConfig.Dns`.
        dns_search: `HostConfig.DnsSearch`.
        dns_options: `HostConfig.DnsOptions`.
        folder: where its hosts, hostname and resolv.conf are kept; the container's own folder.
    """

    id: str
    name: str
    hostname: str
    folder: Path
    domainname: str = ""
    mode: str = "default"
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    exposed: tuple[str, ...] = ()
    bindings: dict[str, list[dict[str, str]] | None] = field(default_factory=dict)
    publish_all: bool = False
    links: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
