"""What a client may choose for a build."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pocket_engine.images.credentials import NOBODY, Credentials
from pocket_engine.images.references import DEFAULT_DOMAIN, Reference

_DOCKER_HUB = "https://index.docker.io/v1/"  # How clients call it, for historical reasons.


@dataclass(frozen=True)
class BuildOptions:
    """The choices of one build.

    Attributes:
        tags: names for the image.
        target: the stage to stop at; empty for the last.
        arguments: values for ARG; None for a name without.
        labels: to be added to the image, after all steps.
        platform: of the images that FROM names, e.g. `linux/amd64`; empty for this machine's.
        quiet: whether the client wants nothing but the id, or the story of a failure.
        no_cache: whether every step is carried out.
        cache_from: images whose steps may be used; empty for all that was built here.
        pull: whether the images that FROM names are looked for in their registries, though they are here.
        remove: whether the containers of steps are removed.
        force_remove: whether that of a step that failed is.
        network: what RUN is connected to: a network's name, `none`, or empty for the machine's own network.
        extra_hosts: lines for /etc/hosts, each `name:address`.
        memory: bytes that RUN may take; 0 for any number.
        shm_size: bytes of /dev/shm.
        credentials: for registries, by their names in the header X-Registry-Config.
    """

    tags: tuple[str, ...] = ()
    target: str = ""
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    quiet: bool = False
    no_cache: bool = False
    cache_from: tuple[str, ...] = ()
    pull: bool = False
    remove: bool = True
    force_remove: bool = False
    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    memory: int = 0
    shm_size: int = 64 * 1024 * 1024
    credentials: Mapping[str, Credentials] = field(default_factory=dict)

    def credentials_for(self, name: Reference) -> Credentials:
        """Those for the registry of an image."""
        registry = _DOCKER_HUB if name.domain == DEFAULT_DOMAIN else name.domain
        return self.credentials.get(registry, NOBODY)
