"""Manifests for Kubernetes: read them, validate them, and say in plain words what is wrong.

objects = load("../kubernetes/base")   a file, or a folder with a kustomization
validate(objects)   what the schema sees: each object by itself, for every version
lint(objects)       what no schema sees: whether the objects fit together
"""

from workshop.manifests.comparison import side_by_side
from workshop.manifests.explorer import explore
from workshop.manifests.files import InvalidYaml, Manifest, NotBuilt, Problem, Problems, parse
from workshop.manifests.kustomize import build, load
from workshop.manifests.linting import lint, selected
from workshop.manifests.pictures import spread
from workshop.manifests.validation import Report, validate

__all__ = [
    "InvalidYaml",
    "Manifest",
    "NotBuilt",
    "Problem",
    "Problems",
    "Report",
    "build",
    "explore",
    "lint",
    "load",
    "parse",
    "selected",
    "side_by_side",
    "spread",
    "validate",
]
