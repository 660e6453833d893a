"""Networks: who reaches whom, under which name and address.

A container has one real address of the machine's loopback range, and an address of its own in every network
that it is on. Everybody sees only the latter: the preloaded library (`pocket_engine.native`) translates.

How the engine uses it:

    networks = Networks(data_root, events)
    # POST /containers/create
    record.endpoints = networks.endpoints(mode, body["NetworkingConfig"]["EndpointsConfig"])
    # the start
    attachment = networks.attach(Member(id=…, name=…, mode=…, endpoints=record.endpoints, …))
    sandbox = Sandbox(…, mounts=(…, *attachment.mounts), address=attachment.address,
                      host_network=attachment.host_network)
    program = Program(…, environment=(*environment, *attachment.environment))
    # the end, however it came; nothing happens when it is closed twice
    attachment.close()
    # inspect: `NetworkSettings`
    attachment.settings() if attachment else networks.settings_at_rest(record.endpoints)
    # POST /networks/{id}/connect and disconnect: api/networks.py calls `Container.connect(network, config)`
    # and `Container.disconnect(network, force)`, which do
    record.endpoints = networks.connect(record.endpoints, mode, network, endpoint_config, container_id)
    record.endpoints = networks.disconnect(record.endpoints, mode, network, force, container_id)
    # rename
    networks.rename(container_id, new_name)

Steps of a build, and all else that shares the machine's network, attach as a `Member` of mode "host": they
get the preloaded library, which leaves their addresses alone.

networks.py       all networks, and who is on them
network.py        one network's record; store.py keeps them on disk
rules.py          what is refused
pools.py          subnets and addresses (IPAM)
member.py         a container as its networks see it
attachment.py     a running container's place in its networks; endpoint.py its place on one of them
neighbourhood.py  whom it knows: /etc/hosts and the address table, written by files.py
real_addresses.py the addresses that the kernel sees
publishing.py     published ports; proxy.py is the process that serves them
"""

from .attachment import Attachment
from .member import Member
from .network import Network
from .networks import Networks

__all__ = ["Attachment", "Member", "Network", "Networks"]
