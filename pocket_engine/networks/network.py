"""One network: its record."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """A network, as it was created.

    Attributes:
        id: 64 hexadecimal digits.
        name: its name, unique in this engine.
        record: the rest, in the form of the API's answer, without `Containers`.
    """

    id: str
    name: str
    record: dict[str, Any]
