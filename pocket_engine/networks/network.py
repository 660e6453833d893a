"""One network: its record."""

from dataclasses import dataclass
from typing import Any

PREDEFINED = ("bridge", "host", "none")


@dataclass(frozen=True)
class Network:
    """A network, as it was created.

    Attributes:
        id: 64 hexadecimal digits.
        name: its name, unique in this engine.
        record: the rest, in the form of the API's answer, without `Containers`.
        user_configured: whether it was created with a subnet; containers may name their addresses then.
    """

    id: str
    name: str
    record: dict[str, Any]
    user_configured: bool = False

    @property
    def driver(self) -> str:
        """bridge, host or null."""
        return self.record["Driver"]

    @property
    def ipam(self) -> dict[str, Any]:
        """Its subnets, as `pools.plan` made them."""
        return self.record["IPAM"]

    @property
    def is_predefined(self) -> bool:
        """Whether the engine made it itself."""
        return self.name in PREDEFINED

    @property
    def is_internal(self) -> bool:
        """Whether no way leads out of it."""
        return bool(self.record["Internal"])

    @property
    def resolves_names(self) -> bool:
        """Whether its containers find one another by name: on all bridges but the default one."""
        return self.driver == "bridge" and not self.is_predefined
