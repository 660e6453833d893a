"""All networks of an engine, and the containers that are on them."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocket_engine import native
from pocket_engine.containers import timestamps
from pocket_engine.data_root import DataRoot
from pocket_engine.errors import BadRequest, Conflict, EngineError, Forbidden, NotFound
from pocket_engine.events import Events
from pocket_engine.filters import Filters

from . import endpoint, files, neighbourhood, pools, real_addresses, rules
from .attachment import Attachment, OwnAttachment, SharedAttachment, settings
from .endpoint import Endpoint
from .member import Member
from .network import Network
from .publishing import Publishing, Target, Wish, wishes
from .store import Store

Endpoints = dict[str, dict[str, Any]]

_FILTERS = ("dangling", "driver", "id", "label", "label!", "name", "scope", "type")


class Networks:
    """The networks, and the containers that are on them now.

    Args:
        data_root: records lie in its `networks/`.
        events: is told of networks that are made, removed, joined and left.
    """

    def __init__(self, data_root: DataRoot, events: Events) -> None:
        self._events = events
        self._addresses = real_addresses.RealAddresses(data_root.path)
        self._store = Store(data_root)
        self._networks = {network.id: network for network in self._store.load()}
        self._attached: dict[str, OwnAttachment] = {}
        self._lock = threading.RLock()
        self._building = native.begin(data_root)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a learner should know, as far as it is known by now; shown as Warnings in `docker info`."""
        failure = self._building.exception() if self._building.done() else None
        return (f"{native.WITHOUT} ({failure})",) if failure else ()

    @property
    def _library(self) -> Path | None:
        """The preloaded library, waited for; None where it cannot be built."""
        try:
            return self._building.result()
        except native.CannotBuild:
            return None

    def create(self, request: dict[str, Any]) -> Network:
        """`POST /networks/create`.

        Raises:
            BadRequest, Forbidden, Conflict, NotFound, NotImplementedHere: as a Docker Engine does.
        """
        name, driver = request.get("Name") or "", request.get("Driver") or "bridge"
        with self._lock:
            rules.check_new(request, name, driver, self._networks.values())
            taken = [
                subnet
                for network in self._networks.values()
                for version in (4, 6)
                for subnet in pools.subnets(network.ipam, version)
            ]
            ipam = pools.plan(request.get("IPAM"), taken)
            configured = pools.is_user_configured(request.get("IPAM"))
            network = self._store.create(name, driver, ipam, request, configured)
            self._networks[network.id] = network
            self._tell_all()
        self._publish("create", network)
        return network

    def get(self, name: str) -> Network:
        """Find a network by its id, its name, or the beginning of its id.

        Raises:
            NotFound: there is none.
            BadRequest: several ids begin so.
        """
        with self._lock:
            networks = list(self._networks.values())
        for network in networks:
            if network.id == name:
                return network
        found = [network for network in networks if network.name == name]
        found = found or [network for network in networks if name and network.id.startswith(name)]
        if not found:
            raise NotFound(f"network {name} not found")
        if len(found) > 1:
            raise BadRequest(f"network {name} is ambiguous ({len(found)} matches found based on ID prefix)")
        return found[0]

    def all(self, filters: Filters | None = None) -> list[Network]:
        """`GET /networks`.

        Raises:
            BadRequest: for an unknown filter.
        """
        filters = (filters or Filters()).only(*_FILTERS)
        for kind in filters["type"]:
            if kind not in ("builtin", "custom"):
                raise BadRequest(f"invalid filter: 'type'='{kind}'")
        dangling = filters.flag("dangling")
        with self._lock:
            return [
                network
                for network in self._networks.values()
                if filters.match("name", network.name)
                and filters.match("id", network.id)
                and filters.equal("driver", network.driver)
                and filters.equal("scope", "local")
                and filters.equal("type", "builtin" if network.is_predefined else "custom")
                and filters.labels(network.record["Labels"])
                and dangling in (None, not (network.is_predefined or self._members(network)))
            ]

    def inspect(self, network: Network, with_containers: bool = True) -> dict[str, Any]:
        """`GET /networks/{id}`.

        Args:
            network: which.
            with_containers: whether those that are on it are shown; in lists they are not.
        """
        with self._lock:
            members = self._members(network) if with_containers else []
            containers = {
                attachment.member.id: attachment.endpoints[network.name].member_view(attachment.member.name)
                for attachment in members
            }
        return {"Name": network.name, "Id": network.id, **network.record, "Containers": containers}

    def remove(self, name: str) -> None:
        """Remove a network.

        Raises:
            NotFound: there is none.
            Forbidden: every engine has it, or containers are on it.
        """
        with self._lock:
            network = self.get(name)
            if network.is_predefined:
                raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
            if self._members(network):
                whose = f"network {network.name} id {network.id}"
                raise Forbidden(f"error while removing network: {whose} has active endpoints")
            self._store.remove(network)
            del self._networks[network.id]
            self._tell_all()
        self._publish("destroy", network)

    def prune(self, filters: Filters | None = None) -> list[str]:
        """Remove all networks that no running container is on.

        Returns:
            Their names.
        """
        filters = (filters or Filters()).only("label", "label!", "until")
        before = min((timestamps.nanoseconds(until) for until in filters["until"]), default=None)
        removed = []
        for network in self.all(Filters({"dangling": ["true"]})):
            if not filters.labels(network.record["Labels"]):
                continue
            if before is not None and timestamps.nanoseconds(network.record["Created"]) >= before:
                continue
            try:
                self.remove(network.id)
            except (Forbidden, NotFound):
                continue  # Somebody was faster.
            removed.append(network.name)
        return removed

    def endpoints(self, mode: str, wanted: Endpoints | None, container_id: str = "") -> Endpoints:
        """What a new container's record keeps of its networks: `EndpointSettings` by the network's name.

        Args:
            mode: `HostConfig.NetworkMode`.
            wanted: `NetworkingConfig.EndpointsConfig` of the request.
            container_id: its id.

        Raises:
            BadRequest: an address or alias where there can be none.
        """
        if mode.startswith(rules.SHARED):
            return {}
        first = "bridge" if mode in ("", "default", "bridge") else self._name(mode)
        asked = {
            first if name == mode or name == "default" else self._name(name): endpoint.asked(config)
            for name, config in (wanted or {}).items()
        }
        found = {first: asked.pop(first, {})}
        if first not in ("host", "none"):
            found |= asked
        for name, config in found.items():
            rules.check_endpoint(name, config)
        return found

    def settings_at_rest(self, endpoints: Endpoints) -> dict[str, Any]:
        """`NetworkSettings` of a container that does not run.

        Args:
            endpoints: of its record.
        """
        return settings({name: endpoint.at_rest(asked) for name, asked in endpoints.items()}, {}, "")

    def attach(self, member: Member) -> Attachment:
        """A container starts: give it its addresses and names, and publish its ports.

        Raises:
            NotFound: one of its networks was removed.
            Conflict: mode is `container:…`, and that one does not run.
            EngineError: no address is free, or a port is taken.
        """
        if member.mode.startswith(rules.SHARED):
            return self._join(member.mode.removeprefix(rules.SHARED))
        shares_machine = member.mode == "host" or not self._library
        real = None if shares_machine else self._addresses.claim()
        attachment = OwnAttachment(member, real, self._library, self._leave)
        try:
            with self._lock:
                for name, asked in member.endpoints.items():
                    self._join_network(attachment, self.get(name), asked)
                self._attached[member.id] = attachment
                self._tell_all()
                self._publish_ports(attachment)
        except BaseException:
            attachment.close()
            raise
        return attachment

    def connect(
        self,
        endpoints: Endpoints,
        mode: str,
        network: str,
        wanted: dict[str, Any] | None,
        container_id: str,
    ) -> Endpoints:
        """Put a container on one more network, at once when it runs.

        Args:
            endpoints: of its record.
            mode: `HostConfig.NetworkMode`.
            network: name or id.
            wanted: `EndpointConfig` of the request.
            container_id: its id.

        Returns:
            The endpoints to keep in its record.

        Raises:
            NotFound, BadRequest, Forbidden, EngineError: as a Docker Engine does.
        """
        with self._lock:
            found = self.get(network)
            rules.check_connection(endpoints, mode, found)
            config = endpoint.asked(wanted)
            rules.check_endpoint(found.name, config)
            attachment = self._attached.get(container_id)
            if attachment:
                if found.name in attachment.endpoints:
                    raise Forbidden(
                        f"endpoint with name {attachment.member.name} already exists in network {found.name}"
                    )
                self._join_network(attachment, found, config)
                try:
                    self._publish_ports(attachment)
                except EngineError:
                    del attachment.endpoints[found.name]
                    raise
                self._tell_all()
            return {**endpoints, found.name: config}

    def disconnect(
        self, endpoints: Endpoints, mode: str, network: str, force: bool, container_id: str
    ) -> Endpoints:
        """Take a container off a network, at once when it runs.

        Args:
            endpoints: of its record.
            mode: `HostConfig.NetworkMode`.
            network: name or id.
            force: accepted, and makes no difference: nothing here can hang.
            container_id: its id.

        Returns:
            The endpoints to keep in its record.

        Raises:
            NotFound, BadRequest, EngineError: as a Docker Engine does.
        """
        with self._lock:
            found = self.get(network)
            rules.check_disconnection(mode, found)
            if found.name not in endpoints:
                raise EngineError(
                    f"container {container_id} is not connected to "
                    f"{'' if force else 'the '}network {found.name}"
                )
            attachment = self._attached.get(container_id)
            if attachment and attachment.endpoints.pop(found.name, None):
                if not attachment.on_bridges:
                    attachment.unpublish()
                self._publish("disconnect", found, container_id)
                self._tell_all()
            return {name: asked for name, asked in endpoints.items() if name != found.name}

    def rename(self, container_id: str, name: str) -> None:
        """A container has a new name; when it runs, the others find it under that one from now on.

        Args:
            container_id: which.
            name: the new one.
        """
        with self._lock:
            attachment = self._attached.get(container_id)
            if not attachment:
                return
            old = attachment.member.name
            attachment.member = replace(attachment.member, name=name)
            for where, there in attachment.endpoints.items():
                names = tuple(name if known == old else known for known in there.names)
                attachment.endpoints[where] = replace(there, names=names)
            self._tell_all()

    def _name(self, name: str) -> str:
        """A network's name, where an id may be given; one that does not exist (yet) is taken for a name."""
        try:
            return self.get(name).name
        except NotFound:
            return name

    def _members(self, network: Network) -> list[OwnAttachment]:
        return [one for one in self._attached.values() if network.name in one.endpoints]

    def _join(self, container_id: str) -> Attachment:
        with self._lock:
            other = self._attached.get(container_id)
        if not other:
            raise Conflict(f"cannot join network of a non running container: {container_id}")
        return SharedAttachment(other)

    def _join_network(self, attachment: OwnAttachment, network: Network, asked: dict[str, Any]) -> None:
        rules.check_address(network, asked)
        there = [one.endpoints[network.name] for one in self._members(network)]
        used = {address for other in there for address in (other.address, other.address6)}
        member = attachment.member
        attachment.endpoints[network.name] = Endpoint.allocate(
            network, asked, used, (member.name, member.id[:12])
        )
        self._publish("connect", network, member.id)

    def _leave(self, attachment: OwnAttachment) -> None:
        with self._lock:
            if self._attached.get(attachment.member.id) is attachment:
                del self._attached[attachment.member.id]
            for there in attachment.endpoints.values():
                self._publish("disconnect", there.network, attachment.member.id)
            self._tell_all()

    def _publish_ports(self, attachment: OwnAttachment) -> None:
        """Once it is on a network."""
        member = attachment.member
        wanted = wishes(member.exposed, member.bindings, member.publish_all)
        if not wanted or not attachment.on_bridges or attachment.publishing:
            return

        def taken(protocol: str, address: str, port: int) -> bool:
            return any(
                one.publishing and one.publishing.has(protocol, address, port)
                for one in self._attached.values()
            )

        def target(wish: Wish) -> Target | None:
            if attachment.address:
                return attachment.address, real_addresses.real_port(wish.port)
            # The container listens on the machine's own ports.
            return None if wish.accepts(wish.port) else (neighbourhood.MACHINE, wish.port)

        try:
            attachment.publishing = Publishing(wanted, target, taken)
        except EngineError as error:
            first = attachment.on_bridges[0]
            raise EngineError(
                "driver failed programming external connectivity on endpoint "
                f"{member.name} ({first.id}): {error.message}"
            ) from error

    def _tell_all(self) -> None:
        """Every running container's files say whom it knows now."""
        attached, networks = list(self._attached.values()), list(self._networks.values())
        host_gateway = pools.gateway(self.get("bridge").ipam) if self._library else neighbourhood.MACHINE
        for one in attached:
            member = one.member
            outward = [there for there in one.on_bridges if not there.network.is_internal]
            has_way_out = one.host_network or bool(outward)
            text = files.resolv_conf(member.dns, member.dns_search, member.dns_options, has_way_out)
            one.write("resolv.conf", text.encode())
            one.hosts.write(
                neighbourhood.hosts_lines(one, attached, host_gateway, translated=bool(self._library))
            )
            if one.address:
                lines = neighbourhood.table_lines(one, attached, networks)
                one.write("network", files.table(one.address, lines), files.write_table)

    def _publish(self, action: str, network: Network, container_id: str = "") -> None:
        attributes = {"name": network.name, "type": network.driver}
        if container_id:
            attributes = {"container": container_id, **attributes}
        self._events.publish("network", action, network.id, attributes)
