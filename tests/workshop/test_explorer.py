"""The explorer: a manifest as a tree, and what it says of each field."""

from typing import Any

import pytest

from workshop import manifests
from workshop.manifests import schema
from workshop.manifests.consequences import consequence
from workshop.manifests.definitions import steps
from workshop.manifests.explorer import Explorer
from workshop.manifests.outline import MOST, outline
from workshop.manifests.tree import Tree
from workshop.repository import ROOT

NEWEST = schema.versions()[-1]
BUILT = ("base", "overlays/laptop", "overlays/production")
CONTAINER = ("spec", "template", "spec", "containers", 0)

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 2
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
        - name: shop
          image: shop:1
          readinessProbe:
            httpGet: {port: 5000}
        - name: second
          image: second:1
          lifecycle: {}
"""


def tree(text: str = DEPLOYMENT, version: str = NEWEST) -> Tree:
    (manifest,) = manifests.parse(text)
    return Tree(manifest, version)


def changed(right: str, wrong: str) -> str:
    assert right in DEPLOYMENT
    return DEPLOYMENT.replace(right, wrong, 1)


def lines(explorer: Explorer) -> list[str]:
    return [label.replace("\N{NO-BREAK SPACE}", " ") for label, _ in explorer._fields.options]


def pick(explorer: Explorer, line: str) -> None:
    """What a click on a line does."""
    explorer._fields.value = [text.strip() for text in lines(explorer)].index(line)


# The tree.


def test_the_lines_are_those_of_the_manifest():
    flow = "matchLabels: {app: shop}", "labels: {app: shop}", "httpGet: {port: 5000}"
    block = DEPLOYMENT
    for one in flow:
        name, inside = one.split(": ", 1)
        indent = next(line for line in DEPLOYMENT.splitlines() if one in line).partition(name)[0]
        block = block.replace(f"{indent}{one}", f"{indent}{name}:\n{indent}  {inside.strip('{}')}", 1)
    assert str(tree()) == "# Deployment shop\n" + block.removesuffix("\n")


@pytest.mark.parametrize(
    ("right", "wrong", "line", "message"),
    [
        ("replicas: 2", "replica: 2", "⚠ replica: 2", "Did you mean “replicas”?"),
        ("replicas: 2", 'replicas: "2"', "⚠ replicas: '2'", "Leave the quotes out."),
        ("        - name: second\n", "        - tty: true\n", "⚠ name: (missing)", "and it is required"),
        ("image: shop:1", "args: [1]", "⚠ args: [1]", "args[0]: This must be a string"),
        ("kind: Deployment", "kind: Deploymnt", "⚠ kind: Deploymnt", "Did you mean “Deployment”?"),
        ("apps/v1", "app/v1", "⚠ apiVersion: app/v1", "Its apiVersion is apps/v1."),
        ("apiVersion: apps/v1\n", "", "⚠ apiVersion: (missing)", "Every object begins with"),
    ],
)
def test_what_is_wrong_is_marked_and_told(right: str, wrong: str, line: str, message: str):
    (node,) = tree(changed(right, wrong)).problems()
    assert node.line == line
    assert message in node.problem


def test_a_missing_field_stands_where_it_should_be():
    found = tree("apiVersion: apps/v1\nkind: Deployment\nspec:\n  template: {}\n")
    assert [(n.indent, n.line) for n in found.nodes][-2:] == [
        (2, "template: {}"),
        (2, "⚠ selector: (missing)"),
    ]
    told = found.about(("spec", "selector"))
    assert not told.present
    assert told.field and told.field.required


@pytest.mark.parametrize(
    "api", ["cert-manager.io/v1", "snapshot.storage.k8s.io/v1", "serving.knative.dev/v1"]
)
def test_a_kind_that_was_added_to_a_cluster_is_shown_and_not_judged(api: str):
    found = tree(f"apiVersion: {api}\nkind: Service\nspec:\n  anything: 1\n")
    assert found.foreign and not found.problems()
    assert found.nodes[-1].text == "anything: 1"
    assert "not part of Kubernetes' own schema" in str(found.about(("spec",)))
    assert found.inside(("spec",)) == {}


# What is known of a field.


def test_a_field_has_everything_that_schema_and_workshop_know_of_it():
    told = tree().about((*CONTAINER, "readinessProbe"))
    assert told.path == "spec.template.spec.containers[0].readinessProbe"
    assert told.present and told.field and told.field.type == "object"
    assert told.field.words.startswith("Periodic probe of container service readiness.")
    assert "it gets calls before it can answer them" in told.consequence
    for part in (told.path, "object", "Periodic probe", "gets calls before it can answer", "1.30 to"):
        assert part in told.to_html()
        assert part in str(told)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("deployment.apiVersion", ("apps/v1",)),
        ("deployment.spec.strategy.type", ("Recreate", "RollingUpdate")),
        ("pod.spec.containers.imagePullPolicy", ("Always", "Never", "IfNotPresent")),
        ("pod.spec.containers.ports.protocol", ("UDP", "TCP", "SCTP")),
        ("pod.spec.topologySpreadConstraints.whenUnsatisfiable", ("DoNotSchedule", "ScheduleAnyway")),
        ("pod.spec.securityContext.seccompProfile.type", ("Localhost", "RuntimeDefault", "Unconfined")),
        ("pod.spec.dnsPolicy", ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")),
        ("networkpolicy.spec.policyTypes", ("Ingress", "Egress")),
        ("ingress.spec.rules.http.paths.pathType", ("Exact", "Prefix", "ImplementationSpecific")),
        ("cronjob.spec.concurrencyPolicy", ("Allow", "Forbid", "Replace")),
        ("poddisruptionbudget.spec.unhealthyPodEvictionPolicy", ("IfHealthyBudget", "AlwaysAllow")),
        # Names of fields, or examples, but no values.
        ("pod.spec.resourceClaims.resourceClaimName", ()),
        ("endpointslice.ports.appProtocol", ()),
        ("deployment.spec.replicas", ()),
        ("pod.spec.containers.image", ()),
    ],
)
def test_the_values_that_a_field_may_have(path: str, allowed: tuple[str, ...]):
    assert schema.explain(path).allowed == allowed


@pytest.mark.parametrize(
    ("keys", "versions"),
    [
        (("spec", "replicas"), f"every version from 1.30 to {NEWEST}"),
        (("spec", "template", "spec", "resources"), "Kubernetes 1.32 and newer"),
    ],
)
def test_a_field_names_the_versions_that_know_it(keys: tuple[str, ...], versions: str):
    assert tree().about(keys).versions == versions


def test_an_older_version_has_its_own_words():
    keys = ("spec", "template", "spec", "resources")
    assert tree(version="1.30").about(keys).field is None
    assert tree().about(keys).field is not None


def test_what_could_stand_beside_and_inside_leaves_out_what_is_there():
    beside = tree().beside((*CONTAINER, "image"))
    assert beside["livenessProbe"] == "object"
    assert beside["env"] == "list of objects"
    assert not {"name", "image", "readinessProbe"} & set(beside)
    assert "lifecycle" in beside  # The other container has it; this one does not.
    assert tree().inside((*CONTAINER, "readinessProbe"))["periodSeconds"] == "integer"
    # In a list: what none of its items has.
    inside = tree().inside(CONTAINER[:-1])
    assert "env" in inside and "lifecycle" not in inside


# Our own words.


def _used(value: Any, keys: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every field of a manifest, those around others too."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [keys] if keys and isinstance(keys[-1], str) else []
    return found + [one for key, there in inside for one in _used(there, (*keys, key))]


@pytest.mark.parametrize("folder", BUILT)
def test_every_field_of_our_manifests_says_what_breaks_without_it(folder: str):
    objects = manifests.build(ROOT / "kubernetes" / folder)
    fields = [(one, keys) for one in objects for keys in _used(one)]
    assert len(fields) > 300
    lacking = {
        f"{one['kind']}.{schema.write_path(keys)}"
        for one, keys in fields
        if not Tree(one, NEWEST).about(keys).consequence
    }
    assert lacking == set()


def test_the_more_particular_words_come_first():
    def words(kind: str, *keys: str) -> str:
        return consequence(steps(schema.kinds(NEWEST)[kind, "Deployment"], keys, NEWEST), keys)

    template = ("spec", "template", "metadata", "labels")
    assert "the API server refuses the Deployment" in words("apps/v1", *template)
    assert "no selector finds the object" in words("apps/v1", "metadata", "labels")
    assert "selector does not find the pods" in words("apps/v1", *template, "app.kubernetes.io/name")
    assert "passes them over" in words("apps/v1", *template, "tier")
    assert words("apps/v1", "spec", "paused") == ""


def test_a_container_is_a_container_in_a_job_too():
    keys = ("spec", "template", "spec", "containers", 0, "image")
    assert consequence(steps(schema.kinds(NEWEST)["batch/v1", "Job"], keys, NEWEST), keys)


# The widget, without a browser.


def test_a_picked_line_is_told():
    explorer = manifests.explore(DEPLOYMENT)
    pick(explorer, "replicas: 2")
    assert "<code>spec.replicas</code>" in explorer._details.value
    assert "the service is away until the next has started" in explorer._details.value
    assert "paused" in [name for _, name in explorer._beside.options]


def test_a_neighbour_can_be_read_about_and_looked_into():
    explorer = manifests.explore(DEPLOYMENT)
    pick(explorer, "image: shop:1")
    explorer._beside.value = "livenessProbe"
    assert "containers[0].livenessProbe</code></b> <i>(not in this manifest)" in explorer._details.value
    assert "a process that hangs is never restarted" in explorer._details.value
    explorer._enter.click()
    explorer._inside.value = "grpc"
    assert "livenessProbe.grpc</code>" in explorer._details.value
    assert explorer._beside.value is None
    explorer._enter.click()
    explorer._inside.value = "port"
    assert "livenessProbe.grpc.port</code>" in explorer._details.value
    assert explorer._enter.disabled
    explorer._back.click()
    assert "containers[0].image</code>" in explorer._details.value
    assert explorer._back.disabled


def test_several_objects_are_chosen_from_a_list():
    explorer = manifests.explore(DEPLOYMENT + "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n")
    assert [label for label, _ in explorer._object.options] == ["Deployment shop", "Service shop"]
    explorer._object.value = 1
    assert lines(explorer)[1] == "kind: Service"
    pick(explorer, "name: shop")
    assert "<code>metadata.name</code>" in explorer._details.value
    assert explorer._beside.options[0][1] == "annotations"


def test_a_pasted_text_is_read_when_the_button_is_pressed():
    explorer = manifests.explore(DEPLOYMENT)
    explorer._text.value = "apiVersion: v1\nkind: Service\nspec:\n  port: 1\n"
    explorer._button.click()
    assert lines(explorer)[-1].strip() == "⚠ port: 1"
    # It shows the mistake first.
    assert "There is no field “port” here." in explorer._details.value
    assert "1 line is marked" in explorer._message.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "line 2: The line is indented with a tab"),
        ("- a", "line 1: an object begins here that has no fields"),
        ("a: &a {b: *a}", "is no YAML"),
        ("  ", "There is nothing to read yet"),
    ],
)
def test_a_text_that_cannot_be_read_is_told_and_the_tree_stays(text: str, message: str):
    explorer = manifests.explore(DEPLOYMENT)
    before = lines(explorer)
    explorer._text.value = text
    explorer._button.click()
    assert message in explorer._message.value
    assert lines(explorer) == before


def test_an_empty_beginning_shows_the_text_box_only():
    explorer = manifests.explore("")
    assert explorer._whole.layout.display == "none"
    explorer._text.value = DEPLOYMENT
    explorer._button.click()
    assert explorer._whole.layout.display != "none"
    assert explorer._message.value == ""


def test_a_list_of_kubectl_is_several_objects():
    items = [{"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}} for kind in ("Pod", "Service")]
    explorer = manifests.explore({"apiVersion": "v1", "kind": "List", "items": items})
    assert [label for label, _ in explorer._object.options] == ["Pod x", "Service x"]


def test_an_unknown_version_is_refused_at_once():
    with pytest.raises(schema.UnknownField, match="no schema for Kubernetes 1.2"):
        manifests.explore(DEPLOYMENT, version="1.2")


# Without a kernel.


def test_an_exported_page_has_the_same_words_in_a_tree_that_folds():
    shown = manifests.explore(DEPLOYMENT)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    html = shown["text/html"]
    assert html.count("<details") == html.count("</details>") == len(tree().nodes) + 1
    for part in ("replicas: 2", "Number of desired pods", "the service is away until the next has started"):
        assert part in html
    assert "replicas: 2" in shown["text/plain"]


@pytest.mark.parametrize("where", ["image: shop:1", "name: shop", "kind: Deployment", "replicas: 2"])
def test_hostile_text_stays_text(where: str):
    script = "<script>alert(1)</script>"
    name = where.partition(":")[0]
    for text in (changed(where, f"{name}: {script}"), changed(where, f'{where}\n"{script}": 1'), script):
        explorer = manifests.explore(text)
        html = [explorer._details.value, explorer._message.value, explorer._repr_mimebundle_()["text/html"]]
        for number in range(len(explorer._fields.options)):
            explorer._fields.value = number
            html.append(explorer._details.value)
        assert not [one for one in html if "<script" in one]


@pytest.mark.parametrize(
    "text",
    [
        "kind: Deployment\nspec: []",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [1, {ports: [3, [4], {}]}]}",
        "apiVersion: v1\nkind: ConfigMap\ndata: {1: 2, true: x, null: y}",
        "kind: [1]\napiVersion: 3",
        "kind: List\nitems: 3\napiVersion: v1",
        "1: 2",
        "{}",
        "kind: 2026-01-01\napiVersion: !!binary aGk=\nmetadata: {name: [x]}",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{}, {}]}",
    ],
)
def test_whatever_is_written_can_be_opened(text: str):
    explorer = manifests.explore(text)
    for number in range(len(explorer._fields.options)):
        explorer._fields.value = number
    assert explorer._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize(("api", "kind"), schema.kinds(NEWEST))
def test_every_kind_can_be_opened_empty(api: str, kind: str):
    explorer = manifests.explore({"apiVersion": api, "kind": kind})
    for _, name in explorer._beside.options:
        explorer._beside.value = name
        assert f"<code>{name}</code>" in explorer._details.value


def test_hundreds_of_objects_can_be_opened():
    objects = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s{n}"}} for n in range(500)]
    explorer = manifests.explore(objects)
    explorer._object.value = 499
    assert lines(explorer)[-1] == "  name: s499"
    assert f"{500 - MOST} more objects" in outline(explorer._trees)
