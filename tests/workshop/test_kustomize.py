"""A kustomization is built as `kubectl kustomize` builds it, or refused with a reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from workshop import manifests
from workshop.repository import ROOT

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {a: b}}
spec:
  replicas: 2
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
        - name: first
          image: registry.example.com:5000/first:1.0
          env: [{name: ONE, value: "1"}, {name: TWO, value: "2"}]
          args: [x, y]
          ports: [{name: http, containerPort: 80}, {name: admin, containerPort: 81}]
        - {name: second, image: second}
      volumes: [{name: old, emptyDir: {}}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {a: b}, ports: [{port: 80, targetPort: http}]}
"""
ROOM = "apiVersion: v1\nkind: Namespace\nmetadata: {name: room}\n"
MERGE = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n"
IN_POD = MERGE + "  template:\n    spec:\n"

KUSTOMIZATIONS = {
    "resources only": "resources: [deployment.yaml, service.yaml]",
    "a namespace, and what is in none": (
        "namespace: room\nresources: [deployment.yaml, service.yaml, room.yaml]"
    ),
    "labels": "resources: [deployment.yaml, service.yaml]\nlabels: [{pairs: {team: books, a: c}}]",
    "replicas": "resources: [deployment.yaml]\nreplicas: [{name: shop, count: 7}]",
    "a tag": 'resources: [deployment.yaml]\nimages: [{name: second, newTag: "2.0"}]',
    "a registry with a port, and a digest": (
        "resources: [deployment.yaml]\nimages: [{name: registry.example.com:5000/first, "
        f"newName: elsewhere.example.com/first, digest: sha256:{'0' * 64}}}]"
    ),
    "an image of another name": "resources: [deployment.yaml]\nimages: [{name: firs, newTag: x}]",
    "a patch of scalars": "resources: [deployment.yaml]\npatches: [{path: patch.yaml}]|"
    + MERGE
    + "  replicas: 5\n  paused: true\n",
    "containers, env and ports are merged by their keys": (
        "resources: [deployment.yaml]\npatches: [{path: patch.yaml}]|" + IN_POD + "      containers:\n"
        '        - {name: second, image: "second:3", env: [{name: NEW, value: n}]}\n'
        "        - name: first\n"
        '          env: [{name: TWO, value: "22"}, {name: THREE, value: "3"}]\n'
        "          args: [z]\n"
        "          ports: [{containerPort: 81, name: other}]\n"
    ),
    "null and $patch remove": (
        "resources: [deployment.yaml]\npatches: [{path: patch.yaml}]|"
        + MERGE
        + "  replicas: null\n  template:\n    spec:\n      volumes:\n        - {name: old, $patch: delete}\n"
        "        - {name: new, emptyDir: {}}\n"
    ),
    "a whole object goes": (
        "resources: [deployment.yaml, service.yaml]\npatches: [{path: patch.yaml}]|"
        "$patch: delete\napiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
    ),
    "operations, with an escaped path": (
        "resources: [deployment.yaml, service.yaml]\npatches: [{path: patch.yaml, target: {kind: Deploy.*}}]|"
        "- {op: add, path: /metadata/annotations, value: {}}\n"
        "- {op: add, path: /metadata/annotations/example.com~1why, value: because}\n"
        "- {op: remove, path: /spec/replicas}\n"
        "- {op: replace, path: /spec/template/spec/containers/1/image, value: third}\n"
        "- {op: add, path: /spec/template/spec/containers/0/args/-, value: last}\n"
    ),
    "a merge for every target": (
        "resources: [deployment.yaml]\npatches: [{path: patch.yaml, target: {kind: Deployment}}]|"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: any}\nspec: {minReadySeconds: 3}\n"
    ),
    "several patches in one file": (
        "resources: [deployment.yaml, service.yaml]\npatches: [{path: patch.yaml}]|"
        + MERGE
        + "  minReadySeconds: 3\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: shop, labels: {x: y}}\nspec: {type: NodePort}\n"
    ),
    "a component": "resources: [deployment.yaml]\ncomponents: [component]",
    "a folder below": "namespace: upper\nresources: [below, service.yaml]",
}


def written(case: str, folder: Path) -> Path:
    text, _, patch = KUSTOMIZATIONS[case].partition("|")
    for name, content in {
        "kustomization.yaml": text,
        "deployment.yaml": DEPLOYMENT,
        "service.yaml": SERVICE,
        "room.yaml": ROOM,
        "patch.yaml": patch,
        "component/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n"
            "patches: [{path: patch.yaml}]"
        ),
        "component/more.yaml": SERVICE.replace("shop", "more"),
        "component/patch.yaml": MERGE + "  minReadySeconds: 4\n",
        "below/kustomization.yaml": "namespace: lower\nresources: [deployment.yaml]",
        "below/deployment.yaml": DEPLOYMENT,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


def by_kustomize(folder: Path) -> list[dict]:
    if shutil.which("kubectl") is None and "CI" not in os.environ:
        pytest.skip("there is no kubectl to compare with")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("case", KUSTOMIZATIONS)
def test_it_is_built_as_kustomize_does(case: str, tmp_path: Path):
    folder = written(case, tmp_path)
    assert [dict(one) for one in manifests.build(folder)] == by_kustomize(folder)


OURS = sorted(path.parent for path in (ROOT / "kubernetes").rglob("kustomization.yaml"))


@pytest.mark.parametrize("name", ["base", "overlays/laptop", "overlays/production"])
def test_ours_are_built_as_kustomize_does(name: str):
    folder = ROOT / "kubernetes" / name
    assert folder in OURS and len(OURS) == 4
    assert [dict(one) for one in manifests.build(folder)] == by_kustomize(folder)


def test_a_field_keeps_the_line_of_its_file(tmp_path: Path):
    written("containers, env and ports are merged by their keys", tmp_path)
    [deployment] = manifests.build(tmp_path)
    assert deployment.file == "deployment.yaml"
    line = DEPLOYMENT.splitlines().index("  replicas: 2") + 1
    assert deployment.line(("spec", "replicas")) == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: [missing.yaml]", "missing.yaml"),
        ("resources: [deployment.yaml, deployment.yaml]", "is there twice"),
        ("resources: [.]", "on the way here already"),
        ("resources: [https://example.com/x.yaml]", "on another machine"),
        ("resources: [../outside.yaml]", "a file outside its folder"),
        ("resources: [component]", "a Component is listed under components"),
        ("namePrefix: x-\nresources: [deployment.yaml]", "namePrefix"),
        ("resources: deployment.yaml", "this must be a list"),
        ("resources: [deployment.yaml]\nreplicas: [{name: other, count: 1}]", "is called “other”"),
        ("resources: [deployment.yaml]\npatches: [{path: patch.yaml}]", "there must be at least one patch"),
        ("resources: [deployment.yaml]\npatches: [{patch: '- {op: remove, path: /x}'}]", "needs a “target”"),
        (
            "resources: [deployment.yaml]\n"
            "patches: [{target: {kind: Pod}, patch: '- {op: remove, path: /x}'}]",
            "fits none of the objects, which are Deployment shop",
        ),
        (
            "resources: [service.yaml]\npatches: [{patch: 'apiVersion: apps/v1\n\n  kind: Deployment\n\n"
            "  metadata: {name: shop}'}]",
            "there is no Deployment shop",
        ),
    ],
)
def test_a_mistake_is_told_in_plain_words(text: str, said: str, tmp_path: Path):
    inside = written("resources only", tmp_path)
    (tmp_path.parent / "outside.yaml").write_text(SERVICE, "utf-8")
    (inside / "kustomization.yaml").write_text(text, "utf-8")
    with pytest.raises((manifests.NotBuilt, manifests.InvalidYaml, FileNotFoundError)) as caught:
        manifests.build(inside)
    assert said in str(caught.value)
