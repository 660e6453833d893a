"""The schema's words beside a field, and plain words for what is wrong with a manifest."""

import re

import kubernetes_validate
import pytest

from workshop import manifests
from workshop.manifests import schema
from workshop.repository import ROOT

FOLDER = ROOT / "kubernetes" / "base"
# Deployment and Service; the rest of a component's file is not what these tests are about.
TEXT, MARKETPLACE = (
    "---".join((FOLDER / f"{name}.yaml").read_text("utf-8").split("---")[:2])
    for name in ("recommendations", "marketplace")
)

MATCH_LABELS = "    matchLabels:\n      app.kubernetes.io/name: recommendations\n"


def planted(right: str, wrong: str, text: str = TEXT) -> list[manifests.Manifest]:
    assert right in text
    return manifests.parse(text.replace(right, wrong, 1), "planted.yaml")


def told(objects: list[manifests.Manifest]) -> str:
    return "\n".join(map(str, manifests.validate(objects).problems))


# What the schema says of a field.


@pytest.mark.parametrize(
    ("path", "type", "required", "default"),
    [
        ("deployment.spec.replicas", "integer", False, "1"),
        ("deployment.spec.selector", "object", True, ""),
        ("deployment.spec.template.spec.containers", "list of objects", True, ""),
        ("deployment.spec.template.spec.containers[0].image", "string", False, ""),
        ("deployment.spec.template.spec.containers.ports.containerPort", "integer", True, ""),
        ("deployment.spec.template.spec.terminationGracePeriodSeconds", "integer", False, "30 seconds"),
        ("deployment.spec.strategy.rollingUpdate.maxSurge", "string or integer", False, "25%"),
        ("service.spec.selector", "map of strings", False, ""),
        ("service.spec.type", "string", False, "ClusterIP"),
        ("HorizontalPodAutoscaler.spec.metrics", "list of objects", False, ""),
    ],
)
def test_a_field_has_its_type_and_default(path: str, type: str, required: bool, default: str):
    field = schema.explain(path)
    assert (field.type, field.required, field.default) == (type, required, default)
    assert field.words


def test_the_newest_stable_api_version_explains_a_kind():
    assert "metrics" in schema.explain("horizontalpodautoscaler.spec").fields


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("deployment.spec.replica", "spec has no field “replica”; did you mean “replicas”?"),
        ("deploymnt.spec", "has no kind “deploymnt”; did you mean “Deployment”?"),
    ],
)
def test_an_unknown_field_gets_its_nearest(path: str, message: str):
    with pytest.raises(schema.UnknownField, match=message.replace("?", r"\?")):
        schema.explain(path)


def test_an_unknown_version_names_those_that_there_are():
    with pytest.raises(schema.UnknownField, match="no schema for Kubernetes 1.2; there are 1.30"):
        schema.explain("deployment.spec", version="1.2")


@pytest.mark.parametrize(
    "path", ["spec.ports[0].name", 'metadata.labels["app.kubernetes.io/name"]', "spec", "spec.args[0]"]
)
def test_a_path_survives_reading_and_writing(path: str):
    assert schema.write_path(schema.parse_path(path)) == path


def test_every_line_of_the_manifests_has_words_unless_its_name_is_the_authors():
    for manifest in manifests.load(FOLDER):
        for line, _, words in schema.annotate(manifest).rows:
            free = re.compile(
                r"[a-z0-9-]*\.?(kubernetes|checkov)\.io/|k8s-app:|[A-Z_]+:|cpu:|[a-z-]*(memory|storage):"
            )
            assert words.text or free.match(line.text.strip()), line.text


def test_a_table_is_as_deep_as_was_asked():
    (deployment, _) = manifests.parse(TEXT)
    lines = [row[0].text for row in schema.annotate(deployment, "spec.template.spec", depth=1).rows]
    assert lines[0] == "spec:"
    assert lines[-1] == "  containers: …"


def test_a_list_is_shown_as_in_yaml():
    (deployment, _) = manifests.parse(TEXT)
    rows = schema.annotate(deployment, "spec.template.spec.containers[0].ports").rows
    assert [row[0].text for row in rows] == [
        "ports:",
        "  - name: grpc",
        "    containerPort: 50051",
        "  - name: metrics",
        "    containerPort: 9464",
    ]


def test_html_shows_the_same_and_escapes_it():
    (deployment, _) = manifests.parse(TEXT.replace("recommendations:1.0.0", "<b>&"))
    table = schema.annotate(deployment, "spec.template.spec.containers[0].image")
    assert "&lt;b&gt;&amp;" in table.to_html()
    assert "image: <b>&" in str(table)


# What is wrong, in plain words.


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("imagePullPolicy", "imagePullPolcy", "Did you mean “imagePullPolicy”?"),
        ("replicas: 2", 'replicas: "2"', "must be an integer, and it is the text “2”. Leave the quotes out."),
        ("replicas: 2", "replicas: two", "it is the text “two”. Write a number."),
        (
            "type: RuntimeDefault",
            "type: 1",
            'must be a string, and it is the number 1. Put it in quotes: "1".',
        ),
        ("type: RuntimeDefault", "type: yes", 'the truth value true. Put it in quotes: "true".'),
        ("type: RuntimeDefault", "type:", "must be a string, and it is empty."),
        ("runAsNonRoot: true", 'runAsNonRoot: "true"', "Write true or false, without quotes."),
        ("drop: [ALL]", "drop: ALL", "must be a list of strings, and it is the text “ALL”. Begin each"),
        ("cpu: 100m", "cpu: [100m]", "must be a string or number, and it is a list."),
        (
            "              service: Rec",
            "            service: Rec",
            "startupProbe.grpc: check the indentation.",
        ),
        (
            "    rollingUpdate:",
            "    maxSurge: 1\n    rollingUpdate:",
            "It belongs in spec.strategy.rollingUpdate",
        ),
        ("  replicas: 2", "  colour: red", "Allowed are: minReadySeconds, paused"),
        ("apps/v1", "v1", "There is no Deployment in “v1”. Its apiVersion is apps/v1."),
        ("apiVersion: apps/v1\n", "", "“apiVersion” is missing"),
        ("kind: Deployment", "kind: Deploymnt", "There is no kind “Deploymnt”. Did you mean “Deployment”?"),
        ("        - name: recommendations\n", "        - tty: true\n", "The field “name” is missing, and it"),
    ],
)
def test_an_error_is_told_in_plain_words(right: str, wrong: str, message: str):
    assert message in told(planted(right, wrong))


def test_a_problem_names_file_line_object_and_path():
    (problem,) = manifests.validate(planted("replicas: 2", 'replicas: "2"')).problems
    line = TEXT.splitlines().index("  replicas: 2") + 1
    assert str(problem).startswith(f"planted.yaml, line {line}: Deployment recommendations, spec.replicas\n")


def test_all_errors_of_an_object_are_found_at_once():
    text = TEXT.replace("replicas: 2", 'replicas: "2"').replace("imagePullPolicy", "imagePullPolcy")
    assert len(manifests.validate(manifests.parse(text)).problems) == 2


def test_a_field_of_newer_versions_is_refused_by_the_older_ones_only():
    grace = "      terminationGracePeriodSeconds: 45\n"
    report = manifests.validate(planted(grace, grace + "      resources:\n        limits: {memory: 1Gi}\n"))
    (problem,) = report.problems
    assert problem.versions == ("1.30", "1.31")
    assert "Other versions have it: Kubernetes 1.32 to" in problem.what
    row = str(report).splitlines()[1]
    assert row.split()[2:5] == ["✗", "✗", "✓"]


@pytest.mark.parametrize("version", schema.versions())
@pytest.mark.parametrize("wrong", ["replica: 2", 'replicas: "2"', "replicas: 2"])
def test_the_verdict_is_that_of_the_package(version: str, wrong: str):
    (deployment, _) = planted("replicas: 2", wrong)
    try:
        kubernetes_validate.validate(deployment, version, strict=True)
        theirs = True
    except kubernetes_validate.ValidationError:
        theirs = False
    assert bool(manifests.validate([deployment], [version])) is theirs


# What is no YAML.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "line 2: The line is indented with a tab"),
        ("a: b: c", "line 1: No field can begin here"),
        ("a:\n    b: 1\n  c: 2", "line 3: The indentation fits none of the lines above it"),
        ("a: 1\nimage:x\nb: 2", "line 2: A field's name needs a colon and a space"),
        ("a: [1", "A bracket was opened and not closed"),
        ('a: "x', "A quotation mark was opened and not closed"),
        ("a: 1\nb: 2\na: 3", "line 3: “a” is there a second time; the first is on line 1"),
        ("- a", "line 1: an object begins here that has no fields"),
        ("[1]: 2", "the name of a field must be a text"),
        ("a: \x00", "m.yaml is no YAML"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words(text: str, message: str):
    with pytest.raises(manifests.InvalidYaml) as caught:
        manifests.parse(text, "m.yaml")
    assert message in str(caught.value)


def test_empty_documents_are_no_objects():
    assert [m.name for m in manifests.parse("---\n---\nkind: Service\n---\n")] == ["Service (no name)"]


# What no schema sees.


@pytest.mark.parametrize(
    ("right", "wrong", "text", "message"),
    [
        ("- name: grpc", "- name: recommendations-grpc", TEXT, "it has 20 characters, and 15 is the most"),
        ("- name: grpc", "- name: gRPC", TEXT, "small letters, digits, and single hyphens"),
        ("- name: grpc", '- name: "50051"', TEXT, "at least one character must be a letter"),
        ("containerPort: 50051", "containerPort: 70000", TEXT, "ports go from 1 to 65535"),
        ("labels:\n        app", "labels:\n        ap", TEXT, "the template's pods have no label"),
        ("port: http\n", "port: web\n", MARKETPLACE, "The probe asks port “web”, but this container"),
        ("targetPort: http", "targetPort: web", MARKETPLACE, "This leads to port “web”"),
        ("port: 50051\n", "port: 80\n", TEXT, "The probe asks port “80”"),
        (MATCH_LABELS, "    {}\n", TEXT, "The selector is empty"),
    ],
)  # fmt: skip
def test_lint_finds_what_the_schema_lets_through(right: str, wrong: str, text: str, message: str):
    objects = planted(right, wrong, text)
    assert manifests.validate(objects)
    assert message in str(manifests.lint(objects))


def test_a_service_that_selects_nothing_says_what_the_pods_have():
    service = TEXT.rpartition("---")[2].replace(
        "name: recommendations\n  ports", "name: recommendation\n  ports"
    )
    objects = manifests.parse(TEXT.partition("---")[0] + "---" + service)
    (problem,) = manifests.lint(objects)
    assert "selects nothing: it wants “app.kubernetes.io/name: recommendation”" in problem.what
    assert "the pods have “recommendations”" in problem.what


def test_a_headless_service_translates_no_port():
    text = TEXT.rpartition("port: 50051")[0] + "port: 80\n      targetPort: grpc\n"
    (problem,) = manifests.lint(manifests.parse(text))
    assert "clients would call 80, and the pods listen on 50051" in problem.what


@pytest.mark.parametrize(
    "text",
    [
        "kind: Deployment\nspec: []",
        "kind: Service\nspec: {selector: [a], ports: {a: 1}}",
        "kind: Deployment\nspec: {template: {spec: {containers: [1, {ports: [3, {name: 5}]}]}}}",
        "kind: HorizontalPodAutoscaler\nspec: {scaleTargetRef: 4, metrics: 3}",
        "kind: [1]\napiVersion: 3",
        "1: 2",
    ],
)
def test_whatever_is_written_is_answered_and_not_with_a_traceback(text: str):
    objects = manifests.parse(text)
    manifests.lint(objects)
    assert not manifests.validate(objects)


def test_nothing_found_says_so():
    assert str(manifests.lint([])) == "Nothing found."
