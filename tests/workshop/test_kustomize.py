"""Our builder gives what `kubectl kustomize` gives, and says in plain words what it cannot build."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import kubernetes.client
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workshop.manifests import InvalidYaml, NotBuilt, build, load, schema
from workshop.manifests.objects import CLUSTER_SCOPED
from workshop.repository import ROOT

BASE = """
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: shop
      labels: {tier: front}
    spec:
      selector:
        matchLabels: {app: shop}
      strategy:
        rollingUpdate: {maxSurge: 1}
      template:
        metadata:
          labels: {app: shop}
        spec:
          initContainers:
            - {name: first, image: "registry.example.com:5000/team/setup:1@sha256:0123"}
          containers:
            - name: shop
              image: shop:1.0.0
              args: [--one, --two]
              env:
                - {name: A, value: "1"}
                - {name: B, value: "2"}
                - {name: C, value: "3"}
              ports:
                - {name: http, containerPort: 5000}
                - {name: metrics, containerPort: 9464}
              volumeMounts:
                - {name: data, mountPath: /data}
                - {name: data, mountPath: /more}
            - name: beside
              image: shop-proxy
          volumes:
            - {name: data, emptyDir: {}}
            - {name: settings, configMap: {name: shop}}
          tolerations:
            - {key: one}
            - {key: two}
          topologySpreadConstraints:
            - {topologyKey: host, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1}
            - {topologyKey: host, whenUnsatisfiable: DoNotSchedule, maxSkew: 2}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec:
      selector: {app: shop}
      ports:
        - {name: http, port: 80, protocol: TCP}
        - {name: quic, port: 80, protocol: UDP}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: shop
      finalizers: [example.com/a, example.com/b]
      annotations: {}
    data: {A: "1", B: "2"}
    ---
    apiVersion: example.com/v1
    kind: Bookshelf
    metadata: {name: shop}
    spec:
      containers: [{name: a, image: shop}]
      nested: {here: [{initContainers: [{image: "shop:2@sha256:4567"}]}]}
    ---
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: shop}
    spec:
      minReplicas: 1
      maxReplicas: 3
      metrics:
        - {type: Resource, resource: {name: cpu}}
        - {type: Resource, resource: {name: memory}}
    """

FOLDERS = sorted(path.parent for path in (ROOT / "kubernetes" / "overlays").glob("*/kustomization.yaml"))

Kustomize = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def kustomize(tool: Callable[[str, Sequence[str]], str]) -> Kustomize:
    kubectl = tool("no kubectl here, so the builder is compared with nothing; install kubectl", ["kubectl"])

    def kustomize(folder: Path) -> list[dict[str, Any]]:
        done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [one for one in yaml.safe_load_all(done.stdout) if one is not None]

    return kustomize


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files, base/all.yaml and its kustomization among them; return the folder of the overlay."""
    usual = {"base/all.yaml": BASE, "base/kustomization.yaml": "resources: [all.yaml]\n"}
    for name, text in {**usual, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
    return folder / "overlay"


def overlay(text: str) -> dict[str, str]:
    return {"overlay/kustomization.yaml": "resources: [../base]\n" + dedent(text)}


def patch(text: str, target: str = "") -> str:
    """A kustomization's field with one inline patch."""
    return f"patches:\n- patch: |-\n{indent(dedent(text).strip(), '    ')}\n" + (
        f"  target: {target}\n" if target else ""
    )


def merged(spec: str) -> str:
    """A patch of the Deployment's pods."""
    body = indent(dedent(spec).strip(), "      ")
    return patch(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n"
        f"  template:\n    spec:\n{body}"
    )


def container(text: str) -> str:
    return merged(f"containers:\n- name: shop\n{indent(dedent(text).strip(), '  ')}")


def operations(*them: dict[str, Any], target: str = "{kind: ConfigMap}") -> str:
    return patch("\n".join(f"- {json.dumps(one)}" for one in them), target)


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n"

BUILDS = {
    "nothing": "",
    "containers by name, new ones first": merged(
        "containers: [{name: new, image: x}, {name: beside, image: y}, {name: newer, image: z}]"
    ),
    "env by name": container('env: [{name: C, value: "7"}, {name: D, value: "8"}]'),
    "env deleted": container("env: [{name: B, $patch: delete}, {name: nowhere, $patch: delete}]"),
    "the value of an item taken out": container("env: [{name: B, value: null, valueFrom: {a: b}}]"),
    "ports by number, of which some have no protocol": container(
        "ports: [{name: health, containerPort: 50052}, {name: renamed, containerPort: 9464}]"
    ),
    "mounts by their path": container("volumeMounts: [{name: other, mountPath: /more, readOnly: true}]"),
    "a list without a key is replaced": container("args: [--three]"),
    "so are tolerations": merged("tolerations: [{key: three}]"),
    "an empty list with a key changes nothing": merged("volumes: []"),
    "volumes": merged("volumes: [{name: tls, secret: {a: b}}, {name: settings, configMap: {x: y}}]"),
    "all volumes deleted": merged(
        "volumes: [{name: data, $patch: delete}, {name: settings, $patch: delete}]"
    ),
    "a list where none was": merged("imagePullSecrets: [{name: a}, {name: b, $patch: delete}]"),
    "several keys": merged(
        """
        topologySpreadConstraints:
          - {topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 3}
          - {topologyKey: host, whenUnsatisfiable: DoNotSchedule, maxSkew: 4}
        """
    ),
    "an item with several keys deleted": merged(
        "topologySpreadConstraints: [{topologyKey: host, whenUnsatisfiable: ScheduleAnyway, $patch: delete}]"
    ),
    "a Service's ports": patch(
        SERVICE + "spec: {ports: [{port: 80, protocol: UDP, targetPort: 8080}, {port: 81, protocol: TCP}]}"
    ),
    "null": patch(CONFIG + "data: {A: null, C: null}"),
    "null for a whole mapping": patch(CONFIG + "data: null"),
    "null in a new mapping": patch(CONFIG + "new: {a: null, b: {c: null}}"),
    "a mapping emptied": patch(SERVICE + "spec: {selector: {app: null}}"),
    "a mapping deleted": patch(SERVICE + "spec: {selector: {$patch: delete}}"),
    "a mapping replaced": patch(SERVICE + "spec: {selector: {$patch: replace, a: b}}"),
    "an object deleted": patch(CONFIG + "$patch: delete"),
    "texts that are merged as a set": patch(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, finalizers: [example.com/c, example.com/b]}"
    ),
    "a kind that no schema knows": patch(
        "apiVersion: example.com/v1\nkind: Bookshelf\nmetadata: {name: shop}\nspec: {containers: [{name: b}]}"
    ),
    "a list of a newer kind that has no key": patch(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: shop}\n"
        "spec: {metrics: [{type: Resource, resource: {name: memory}}]}"
    ),
    "nothing is taken out that is not said": patch(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec: {strategy: {type: Recreate}}"
    ),
    "a target by pattern": patch(
        "apiVersion: any/v1\nkind: Any\nmetadata: {name: any, namespace: any, labels: {a: b}}",
        "{kind: Deploy.*|Service, name: sh.p}",
    ),
    "a target by group and version": patch(
        "apiVersion: any/v1\nkind: Any\nmetadata: {name: any, labels: {a: b}}", "{group: apps, version: v1}"
    ),
    "a target by namespace": patch(
        "apiVersion: any/v1\nkind: Any\nmetadata: {name: any, labels: {a: b}}", "{namespace: default}"
    ),
    "a target deleted": patch("kind: A\napiVersion: v1\nmetadata: {name: b}\n$patch: delete", "{kind: S.*}"),
    "an empty target is all": patch("kind: A\napiVersion: v1\nmetadata: {name: b, labels: {a: b}}", "{}"),
    "add and its paths": operations(
        {"op": "add", "path": "/metadata/annotations/example.com~1a~0b", "value": "c"},
        {"op": "add", "path": "/metadata/finalizers/1", "value": "x/y"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "x/z"},
        {"op": "add", "path": "/data/A", "value": "replaced"},
    ),
    "all other operations": operations(
        {"op": "test", "path": "/data/A", "value": "1"},
        {"op": "replace", "path": "/metadata/finalizers/0", "value": "x/y"},
        {"op": "remove", "path": "/metadata/finalizers/1"},
        {"op": "move", "from": "/data/A", "path": "/data/D"},
        {"op": "copy", "from": "/data", "path": "/more"},
        {"op": "add", "path": "/more/E", "value": "5"},
    ),
    "operations in containers": operations(
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/1/value", "value": "9"},
        {"op": "remove", "path": "/spec/strategy"},
        target="{kind: Deployment}",
    ),
    "one patch after the other": container("args: [--three]")
    + operations(
        {"op": "add", "path": "/spec/template/spec/containers/0/args/0", "value": "--zero"},
        target="{kind: Deployment}",
    ).removeprefix("patches:\n"),
    "images: a tag": "images: [{name: shop, newTag: '7'}]",
    "images: a name": "images: [{name: shop, newName: 'registry.example.com:5000/a/b'}]",
    "images: a digest": "images: [{name: shop, digest: 'sha256:89ab'}]",
    "images: all of it": "images: [{name: shop, newName: b, newTag: '7', digest: 'sha256:89ab'}]",
    "images: with registry and port": "images: [{name: 'registry.example.com:5000/team/setup', newTag: '2'}]",
    "images: no such name": "images: [{name: team/setup, newTag: '2'}, {name: sho, newTag: '3'}]",
    "images: one after the other": "images: [{name: shop, newName: b}, {name: b, newTag: '7'}]",
    "replicas": "replicas: [{name: shop, count: 0}]",
    "labels": "labels: [{pairs: {a: b, tier: back}}, {pairs: {a: c}, includeSelectors: false}]",
    "a namespace": "namespace: books",
    "everything at once": "namespace: books\nlabels: [{pairs: {a: b}}]\nreplicas: [{name: shop, count: 4}]\n"
    "images: [{name: shop, newTag: '7'}]\n"
    + operations(
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop:6"},
        target="{kind: Deployment}",
    ),
    "its kind said": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
}


@pytest.mark.parametrize("text", BUILDS.values(), ids=BUILDS)
def test_it_builds_what_kubectl_builds(tmp_path: Path, kustomize: Kustomize, text: str):
    folder = written(tmp_path, overlay(text))
    assert build(folder) == kustomize(folder)


TREES = {
    "a component changes what was there before": {
        "overlay/kustomization.yaml": "resources: [../base]\ncomponents: [../tls]\nnamespace: books\n"
        + container("env: [{name: TLS, value: 'changed'}]"),
        "tls/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "resources: [more.yaml]\npatches: [{path: patches/all.yaml}]\nlabels: [{pairs: {tls: 'on'}}]\n",
        "tls/more.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\n",
        "tls/patches/all.yaml": """
            # Two patches in a file.
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: shop}
            spec: {template: {spec: {containers: [{name: shop, env: [{name: TLS, value: 'on'}]}]}}}
            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: shop}
            data: {TLS: /tls}
            """,
    },
    "overlays over overlays, each of which gives a namespace": {
        "overlay/kustomization.yaml": "resources: [../middle]\nnamespace: outer\n"
        + container("args: [without, a, namespace]"),
        "middle/kustomization.yaml": "resources: [../base, namespace.yaml]\nnamespace: inner\n",
        "middle/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: any}\n",
    },
    "a patch that names the namespace of the base": {
        "base/kustomization.yaml": "resources: [all.yaml]\nnamespace: inner\n",
        "overlay/kustomization.yaml": "resources: [../base]\nnamespace: outer\n"
        + patch("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: inner}\ndata: {A: '9'}")
        + operations(
            {"op": "add", "path": "/data/B", "value": "9"}, target="{kind: ConfigMap, namespace: inner}"
        ).removeprefix("patches:\n"),
    },
    "a Namespace gets the name": {
        "overlay/kustomization.yaml": "resources: [../base, namespace.yaml]\nnamespace: books\n",
        "overlay/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: any}\n",
    },
    "two that have the same name in different namespaces": {
        "overlay/kustomization.yaml": "resources: [../base, more.yaml]\n",
        "overlay/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: other}\n",
    },
    "many pods are counted": {
        "overlay/kustomization.yaml": "resources: [../base, more.yaml]\nreplicas: [{name: shop, count: 9}]\n",
        "overlay/more.yaml": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: shop}\nspec: {a: b}\n",
    },
    "anchors are not shared": {
        "overlay/kustomization.yaml": "resources: [all.yaml]\n"
        + container("env: [{name: A, value: 'changed'}]"),
        "overlay/all.yaml": """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: shop}
            spec:
              template:
                spec:
                  initContainers:
                    - {name: shop, env: &env [{name: A, value: "1"}, {name: B, value: "2"}]}
                  containers:
                    - {name: shop, env: *env}
            """,
    },
    "YAML 1.1 and its octal numbers": {
        "overlay/kustomization.yaml": "resources: [../base]\n"
        + merged("volumes: [{name: tls, secret: {secretName: tls, defaultMode: 0440}}]"),
    },
}


@pytest.mark.parametrize("files", TREES.values(), ids=TREES)
def test_folders_build_on_folders_as_kubectl_does_it(
    tmp_path: Path, kustomize: Kustomize, files: dict[str, str]
):
    folder = written(tmp_path, files)
    assert build(folder) == kustomize(folder)


def test_there_are_overlays_to_compare():
    assert len(FOLDERS) >= 2


@pytest.mark.parametrize("folder", [ROOT / "kubernetes" / "base", *FOLDERS], ids=lambda path: path.name)
def test_our_own_manifests_are_what_kubectl_makes_of_them(folder: Path, kustomize: Kustomize):
    assert build(folder) == kustomize(folder)


# What is in no namespace.


def calls() -> tuple[set[str], set[str]]:
    """What the official client creates in a namespace, and what outside of any, in small letters."""
    names = [
        call.removeprefix("create_").replace("_", "")
        for api in dir(kubernetes.client)
        if api.endswith("Api")
        for call in dir(getattr(kubernetes.client, api))
        if call.startswith("create_") and not call.endswith("_with_http_info")
    ]
    inside = {name.removeprefix("namespaced") for name in names if name.startswith("namespaced")}
    return inside, {name for name in names if not name.startswith("namespaced")} - inside


def test_the_official_client_agrees_on_what_is_in_no_namespace():
    inside, outside = calls()
    known = {kind for version in schema.versions() for _, kind in schema.kinds(version)}
    # A review is a question to the server, and in no file.
    found = {kind for kind in known if kind.lower() in outside and not kind.endswith("Review")}
    assert len(found) > 20
    assert found <= CLUSTER_SCOPED
    assert not {kind for kind in known if kind.lower() in inside} & CLUSTER_SCOPED


def test_what_kubectl_puts_in_no_namespace_we_put_in_none(tmp_path: Path, kustomize: Kustomize):
    api_versions = {kind: api for api, kind in schema.kinds("1.36")}
    listed = [
        f"apiVersion: {api_versions[kind]}\nkind: {kind}\nmetadata: {{name: any}}\n"
        for kind in (
            "ClusterRole",
            "IngressClass",
            "Node",
            "PersistentVolume",
            "PriorityClass",
            "Role",
            "Secret",
        )
        + (
            "Ingress",
            "Job",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "StorageClass",
            "CSIDriver",
            "RuntimeClass",
        )
    ]
    folder = written(
        tmp_path,
        {
            "overlay/kustomization.yaml": "resources: [all.yaml]\nnamespace: books\n",
            "overlay/all.yaml": "---\n".join(listed),
        },
    )
    assert build(folder) == kustomize(folder)


# Any patch.

NAMES = st.sampled_from(["A", "B", "C", "D"])
VALUES = st.dictionaries(st.sampled_from(["value", "other"]), st.sampled_from(["x", "y", None]))
ITEMS = st.lists(st.tuples(NAMES, VALUES | st.just({"$patch": "delete"})), unique_by=itemgetter(0))
ZONES = st.lists(
    st.tuples(
        st.sampled_from(["host", "zone", "rack"]), st.sampled_from(["DoNotSchedule", "ScheduleAnyway"])
    ),
    unique=True,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(env=ITEMS, mounts=ITEMS, zones=ZONES, args=st.lists(NAMES))
def test_any_patch_of_lists_is_merged_as_kubectl_does_it(
    env: list[Any], mounts: list[Any], zones: list[Any], args: list[str], tmp_path: Path, kustomize: Kustomize
):
    changed = {
        "name": "shop",
        "args": args,
        "env": [{"name": name, **rest} for name, rest in env],
        "volumeMounts": [{"mountPath": f"/{name}", **rest} for name, rest in mounts],
    }
    spread = [{"topologyKey": key, "whenUnsatisfiable": then, "maxSkew": 9} for key, then in zones]
    folder = written(
        tmp_path,
        overlay(
            merged(f"containers: [{json.dumps(changed)}]\ntopologySpreadConstraints: {json.dumps(spread)}")
        ),
    )
    assert build(folder) == kustomize(folder)


# Where things stand.


def test_fields_keep_the_lines_of_their_file_wherever_a_patch_moves_them(tmp_path: Path):
    patches = container("env: [{name: NEW, value: n}, {name: C, value: '7'}]\nargs: [--three]")
    built = {one["kind"]: one for one in build(written(tmp_path, overlay(patches)))}
    deployment, lines = built["Deployment"], dedent(BASE).splitlines()
    shop = ("spec", "template", "spec", "containers", 0)

    def text(*keys: str | int) -> str:
        return lines[deployment.line(keys) - 1].strip()

    assert deployment.file == "all.yaml"
    assert [one["name"] for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]] == [
        *("NEW", "C", "A", "B")
    ]
    assert text(*shop, "env", 1, "value") == '- {name: C, value: "3"}'
    assert text(*shop, "env", 3) == '- {name: B, value: "2"}'
    assert text(*shop, "env", 0, "value") == "env:"  # The patch brought it: the nearest that is in the file.
    assert text(*shop, "args", 0) == "args: [--one, --two]"
    assert text("spec", "template", "spec", "tolerations", 1, "key") == "- {key: two}"
    assert lines[built["Service"].line(("spec", "ports", 1, "port")) - 1].strip().startswith("- {name: quic")


def test_a_file_is_loaded_as_it_is_and_a_folder_is_built(tmp_path: Path):
    folder = written(tmp_path, overlay("namespace: books"))
    assert [one["kind"] for one in load(tmp_path / "base" / "all.yaml")][:2] == ["Deployment", "Service"]
    assert load(folder) == build(str(folder))
    assert load(folder)[0]["metadata"]["namespace"] == "books"


# What cannot be built.

REFUSED = {
    "no kustomization": ({"overlay/all.yaml": ""}, "overlay has no kustomization.yaml"),
    "no YAML": (overlay("patches: ["), "overlay/kustomization.yaml, line"),
    "empty": ({"overlay/kustomization.yaml": ""}, "must hold one kustomization, and it holds 0"),
    "a field of kustomize's": (overlay("namePrefix: a-"), "line 2: namePrefix: only apiVersion, kind,"),
    "and where to go": (overlay("namePrefix: a-"), "`kubectl kustomize /"),
    "a field of an image": (overlay("images: [{name: a, tagSuffix: b}]"), "images[0].tagSuffix: only"),
    "an option of a patch": (overlay("patches: [{path: a, options: {}}]"), "patches[0].options: only"),
    "a target by label": (
        overlay("patches: [{path: a, target: {labelSelector: a}}]"),
        "target.labelSelector",
    ),
    "labels in selectors": (
        overlay("labels: [{pairs: {a: b}, includeSelectors: true}]"),
        "labels in selectors are not known here",
    ),
    "a label that is no text": (overlay("labels: [{pairs: {a: 1}}]"), "pairs.a: this must be a text; put it"),
    "a tag that is no text": (overlay("images: [{name: a, newTag: 1.0}]"), "newTag: this must be a text"),
    "a count that is none": (overlay("replicas: [{name: shop, count: true}]"), "this must be a whole number"),
    "no list": ({"overlay/kustomization.yaml": "resources: all.yaml"}, "resources: this must be a list"),
    "an image without a name": (overlay("images: [{newTag: a}]"), "images[0]: “name” is missing"),
    "another kind": (overlay("kind: Deployment"), "a Deployment is listed under resources"),
    "another version": (
        overlay("apiVersion: v1"),
        "of a Kustomization it is kustomize.config.k8s.io/v1beta1",
    ),
    "a component as a resource": (
        {**overlay(""), "base/kustomization.yaml": "kind: Component\n"},
        "a Component is listed under components",
    ),
    "a resource as a component": (
        {"overlay/kustomization.yaml": "components: [../base]\n"},
        "a Kustomization is listed under resources",
    ),
    "a missing file": (
        {"overlay/kustomization.yaml": "resources: [no.yaml]"},
        "names “no.yaml”, but there is",
    ),
    "a missing patch": (overlay("patches: [{path: no.yaml}]"), "names “no.yaml”, but there is no"),
    "a missing component": (overlay("components: [../no]"), "no has no kustomization.yaml"),
    "a file outside": (
        {"overlay/kustomization.yaml": "resources: [../base/all.yaml]"},
        "names “../base/all.yaml”, a file outside its folder",
    ),
    "a patch outside": (overlay("patches: [{path: ../base/all.yaml}]"), "a file outside its folder"),
    "the network": (
        {"overlay/kustomization.yaml": "resources: ['https://example.com/a?ref=b']"},
        "nothing is downloaded here",
    ),
    "a circle": (
        {**overlay(""), "base/kustomization.yaml": "resources: [../overlay]\n"},
        "which is on the way here already: overlay → base → overlay",
    ),
    "the folder around": (
        {"overlay/kustomization.yaml": "resources: [..]", "kustomization.yaml": "resources: []"},
        "which is on the way here already",
    ),
    "twins": (
        {"overlay/kustomization.yaml": "resources: [a.yaml, b.yaml]", "overlay/a.yaml": CONFIG}
        | {"overlay/b.yaml": CONFIG},
        "ConfigMap shop in the namespace default is there twice, in a.yaml and in b.yaml",
    ),
    "twins by their namespace": (
        {
            "overlay/kustomization.yaml": "resources: [a.yaml]\nnamespace: books\n",
            "overlay/a.yaml": f"{CONFIG}---\n{CONFIG.replace('shop', 'shop, namespace: b')}",
        },
        "ConfigMap shop in the namespace books is there twice",
    ),
    "a base twice": ({"overlay/kustomization.yaml": "resources: [../base, ../base]"}, "is there twice"),
    "an object without a name": (
        {"overlay/kustomization.yaml": "resources: [a.yaml]", "overlay/a.yaml": "apiVersion: v1\nkind: Pod"},
        "a.yaml: an object has no text as its metadata.name",
    ),
    "a list of objects": (
        {**overlay(""), "base/all.yaml": "apiVersion: v1\nkind: List\nmetadata: {name: a}\nitems: []"},
        "Write them one by one",
    ),
    "namespaces inside": (
        {**overlay("namespace: a"), "base/all.yaml": CONFIG.replace("ConfigMap", "RoleBinding")},
        "all.yaml: a RoleBinding can name namespaces inside too",
    ),
    "nothing of that name": (
        overlay(patch(CONFIG.replace("shop", "other"))),
        "patches[0]: there is no ConfigMap other in the namespace default (v1); there are Bookshelf shop",
    ),
    "a patch of another version": (
        overlay(patch(CONFIG.replace("v1", "v2"))),
        "there is no ConfigMap shop in the namespace default (v2)",
    ),
    "a target that fits nothing": (
        overlay(patch(CONFIG, "{kind: Config}")),
        "patches[0].target: it fits none of the objects",
    ),
    "a wrong pattern": (overlay(patch(CONFIG, "{kind: '('}")), "a pattern is wrong"),
    "two patches for a target": (overlay(patch(f"{CONFIG}---\n{CONFIG}", "{name: shop}")), "there are 2"),
    "an empty patch": (overlay("patches: [{patch: '# Nothing.'}]"), "there must be at least one patch"),
    "neither path nor patch": (overlay("patches: [{target: {}}]"), "either “path” or “patch”"),
    "both": (overlay("patches: [{path: a, patch: b}]"), "either “path” or “patch”"),
    "operations for nobody": (overlay(patch("- {op: remove, path: /data}")), "needs a “target”"),
    "no pods to count": (overlay("replicas: [{name: other, count: 1}]"), "is called “other”"),
    "a mapping for a list": (overlay(container("args: {a: b}")), "has a list here, and the patch a mapping"),
    "a text for a mapping": (overlay(patch(CONFIG + "data: a")), "“data” cannot be merged: the object has a"),
    "an unknown directive": (overlay(patch(CONFIG + "data: {$patch: drop}")), "“$patch: drop” is none of"),
    "a directive of kubectl's": (overlay(patch(CONFIG + "data: {$retainKeys: [A]}")), "only $patch is known"),
    "an item replaced": (
        overlay(container("env: [{name: A, $patch: replace}]")),
        "an item of a list may have only “$patch: delete”",
    ),
    "an item without its key": (overlay(merged("containers: [{image: a}]")), "an item lacks “name”"),
    "an item that could be two": (
        overlay(patch(SERVICE + "spec: {ports: [{port: 80, name: web}]}")),
        "it is not clear which item “port: 80” is; say port and protocol of it",
    ),
    "an item that says more than the object's": (
        overlay(container("ports: [{containerPort: 5000, protocol: TCP, name: web}]")),
        "it is not clear which item “containerPort: 5000, protocol: TCP” is",
    ),
    "an unknown operation": (overlay(operations({"op": "drop", "path": "/a"})), "its “op” is none of"),
    "no operation": (overlay(patch("- a", "{kind: ConfigMap}")), "its “op” is none of"),
    "an operation without a value": (
        overlay(operations({"op": "add", "path": "/data/A"})),
        "it needs “value”",
    ),
    "an operation without a path": (overlay(operations({"op": "remove"})), "it needs “path”"),
    "a path that is none": (overlay(operations({"op": "remove", "path": "data"})), "a path begins with /"),
    "a path to nowhere": (overlay(operations({"op": "remove", "path": "/data/Z"})), "has no “Z” there"),
    "a path through nowhere": (
        overlay(operations({"op": "add", "path": "/a/b/c", "value": 1})),
        "operation 1, {op: add, path: /a/b/c, value: 1}, cannot be applied: the object has no “a” there",
    ),
    "a path into a text": (
        overlay(operations({"op": "add", "path": "/data/A/B", "value": 1})),
        "nothing can be inside '1'",
    ),
    "an item that is not there": (
        overlay(operations({"op": "remove", "path": "/metadata/finalizers/2"})),
        "the list there has 2 items, counted from 0, and no item 2",
    ),
    "an item counted from the end": (
        overlay(operations({"op": "remove", "path": "/metadata/finalizers/-1"})),
        "and no item -1",
    ),
    "a test that fails": (
        overlay(operations({"op": "test", "path": "/data/A", "value": "2"})),
        "cannot be applied: the object has '1' there",
    ),
    "a new name": (
        overlay(operations({"op": "replace", "path": "/metadata/name", "value": "a"})),
        "it turns ConfigMap shop in the namespace default into ConfigMap a in the namespace default",
    ),
}


@pytest.mark.parametrize(("files", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_built_is_refused_with_a_reason(tmp_path: Path, files: dict[str, str], words: str):
    folder = written(tmp_path, files)
    with pytest.raises((NotBuilt, InvalidYaml, FileNotFoundError)) as refused:
        build(folder)
    assert words in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere has no kustomization.yaml"):
        build(tmp_path / "nowhere")


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path):
    folder = written(tmp_path, {"overlay/kustomization.yaml": "resources: [link.yaml]"})
    (folder / "link.yaml").symlink_to(tmp_path / "base" / "all.yaml")
    with pytest.raises(NotBuilt, match="a file outside its folder"):
        build(folder)
