"""An image: a config that names its layers."""

from dataclasses import dataclass, replace
from typing import Any

from pocket_engine.containers import timestamps

# A container's config as the engine writes it, with all that an image need not say.
EMPTY_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


@dataclass(frozen=True)
class Image:
    """One image of the store.

    Attributes:
        id: `sha256:` and the hash of its config.
        config: architecture, os, config, rootfs, history, created …, as OCI and Docker define it.
        parent: the id of the image on which it was built here, or an empty string.
        last_tagged: when it was given its last name here (RFC 3339).
        removed: whether it is gone for everybody but the containers that stand on its layers.
    """

    id: str
    config: dict[str, Any]
    parent: str = ""
    last_tagged: str = timestamps.NEVER
    removed: bool = False

    @property
    def container_config(self) -> dict[str, Any]:
        """What the container did that made it; the builder's cache compares it."""
        return self.config.get("container_config") or {}

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Its layers, lowest first."""
        return tuple(self.config["rootfs"]["diff_ids"] or ())

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its config."""
        return (self.config.get("config") or {}).get("Labels") or {}

    @property
    def created(self) -> int:
        """When it was made: nanoseconds since 1970."""
        return timestamps.nanoseconds(self.config.get("created") or timestamps.NEVER)

    def tagged_at(self, time: str) -> "Image":
        """The same image, with another time of its last name."""
        return replace(self, last_tagged=time)

    def as_removed(self) -> "Image":
        """The same image, gone for everybody but its containers."""
        return replace(self, removed=True)
