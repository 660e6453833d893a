"""The table from `docker run` to manifest."""

import textwrap
from collections.abc import Sequence

from workshop.manifests import schema
from workshop.manifests.files import Manifest
from workshop.manifests.tables import Cell, Table

_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers[0]"


def side_by_side(facts: Sequence[tuple[str, Manifest, str]]) -> Table:
    """Face what one would tell a Docker Engine with where a manifest says the same, and what it says.

    Args:
        facts: the argument, the manifest, and the path of its field.
    """
    return Table(
        ["for the Docker Engine", "where it is here", "and how it is written"],
        [_facing(*fact) for fact in facts],
    )


def _facing(said: str, manifest: Manifest, path: str) -> list[Cell | str]:
    *around, name = path.split(".")
    value = textwrap.shorten(schema.in_yaml(schema.find(manifest, path)), 48, placeholder=" …")
    inside = ".".join(around).replace(_CONTAINER, "container").replace(_POD, "pod")
    where = " › ".join([manifest["kind"], *inside.split(".")])
    return [Cell(said, code=True), where, Cell(f"{name}: {value}", code=True)]
