"""What Kubernetes' own schema says about a field: its words, type, default, whether it must be there.

`kubectl explain` shows the same words.

    explain("deployment.spec.replicas")
    annotate(manifest, "spec.template.spec.containers[0].readinessProbe")
"""

from workshop.manifests.annotation import annotate
from workshop.manifests.definitions import (
    OLDEST,
    definitions,
    kinds,
    known_in,
    newest,
    node_at,
    steps,
    type_of,
    versions,
)
from workshop.manifests.fields import Field, field
from workshop.manifests.paths import Keys, UnknownField, find, in_yaml, parse_path, write_path

__all__ = [
    "OLDEST",
    "Field",
    "Keys",
    "UnknownField",
    "annotate",
    "definitions",
    "explain",
    "find",
    "in_yaml",
    "kinds",
    "known_in",
    "node_at",
    "parse_path",
    "type_of",
    "versions",
    "write_path",
]


def explain(path: str, version: str | None = None) -> Field:
    """Look a field up, like `kubectl explain deployment.spec.replicas`.

    Args:
        path: the kind, then the names of the fields; `containers[0].image` and `containers.image` both do.
        version: of Kubernetes; by default the newest that the schemas know.

    Raises:
        UnknownField: there is no such kind or field.
    """
    version = version or versions()[-1]
    kind, *keys = parse_path(path)
    return field(path, steps(newest(str(kind), version), tuple(keys), version)[-1], version)
