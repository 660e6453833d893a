"""The manifests fit every Kubernetes, each other, the images, compose.yaml and the services' code."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from workshop import manifests
from workshop.manifests import Manifest, schema
from workshop.repository import PROTO, ROOT, SERVICES

FOLDER = ROOT / "kubernetes"
PORTS = {"recommendations": 50051, "marketplace": 5000}
COMPONENTS = pytest.mark.parametrize("name", PORTS)

OBJECTS = {manifest.name: manifest for manifest in manifests.load(FOLDER)}


def deployment(name: str) -> Manifest:
    return OBJECTS[f"Deployment {name}"]


def pod(name: str) -> dict[str, Any]:
    return deployment(name)["spec"]["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return only


def dockerfile(name: str) -> str:
    return (ROOT / "docker" / f"{name}.Dockerfile").read_text("utf-8")


def grace_in_code(name: str) -> float:
    file, pattern = {
        "recommendations": ("recommendations.py", r"^GRACE_SECONDS = ([\d.]+)"),
        "marketplace": ("server.py", r"^HEADER_SECONDS = (\d+)"),
    }[name]
    found = re.search(pattern, (SERVICES / name / file).read_text("utf-8"), re.MULTILINE)
    assert found, f"{file} has no such line"
    return float(found[1])


def test_both_components_have_a_deployment_and_a_service():
    assert sorted(OBJECTS) == [
        f"{kind} {name}" for kind in ("Deployment", "Service") for name in sorted(PORTS)
    ]


def test_the_kustomization_lists_every_file():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("version", schema.versions())
def test_the_official_schema_of_every_version_accepts_them(version: str):
    for manifest in OBJECTS.values():
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_the_schemas_begin_at_the_oldest_version_that_is_promised():
    versions = schema.versions()
    assert versions[0] == "1.30"
    assert len(versions) >= 8


def test_they_fit_together():
    assert list(manifests.lint(list(OBJECTS.values()))) == []


@COMPONENTS
def test_the_port_is_one_value_in_manifest_image_compose_and_code(name: str):
    port = PORTS[name]
    assert [p["containerPort"] for p in container(name)["ports"]] == [port]
    assert [p["port"] for p in OBJECTS[f"Service {name}"]["spec"]["ports"]] == [port]
    metrics = {"recommendations": ["9464"], "marketplace": []}[name]  # Or a path of the page.
    [exposed] = re.findall(r"^EXPOSE (.*)$", dockerfile(name), re.MULTILINE)
    assert exposed.split() == [str(port), *metrics]
    assert port in ports_in_code(name)


def ports_in_code(name: str) -> set[int]:
    """The port that each module falls back on where PORT is not set."""
    sources = "\n".join(file.read_text("utf-8") for file in sorted((SERVICES / name).glob("*.py")))
    found = {int(number) for number in re.findall(r"""get\(['"]PORT['"], ['"](\d+)['"]\)""", sources)}
    assert len(found) == 1, f"{name} has several default ports: {found}"
    return found


def test_compose_publishes_and_names_what_the_manifests_do():
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))["services"]
    assert set(services) == set(PORTS)
    assert services["marketplace"]["ports"][0].rpartition(":")[2] == "5000"
    for name, service in services.items():
        assert container(name)["image"].partition(":")[0] == service["image"]
    written = {v["name"]: v["value"] for v in container("marketplace")["env"]}
    assert services["marketplace"]["environment"]["RECOMMENDATIONS_HOST"] == written["RECOMMENDATIONS_HOST"]


def test_the_marketplace_is_told_the_name_and_port_of_the_other_service():
    written = {v["name"]: v["value"] for v in container("marketplace")["env"]}
    service = OBJECTS["Service recommendations"]
    assert written == {
        "RECOMMENDATIONS_HOST": service["metadata"]["name"],
        "RECOMMENDATIONS_PORT": str(service["spec"]["ports"][0]["port"]),
    }
    source = (SERVICES / "marketplace" / "recommender.py").read_text("utf-8")
    assert all(name in source for name in written)


@COMPONENTS
def test_the_user_is_the_images(name: str):
    security = pod(name)["securityContext"]
    user = f"{security['runAsUser']}:{security['runAsGroup']}"
    assert re.findall(r"^USER (.*)$", dockerfile(name), re.MULTILINE) == [user]
    assert security["runAsUser"] != 0


@COMPONENTS
def test_a_pod_may_do_no_more_than_it_needs(name: str):
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["enableServiceLinks"] is False
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container(name)["resources"]["requests"]) == set(container(name)["resources"]["limits"])


@COMPONENTS
def test_the_image_has_an_exact_tag_that_need_not_be_pulled(name: str):
    image = container(name)["image"]
    assert re.fullmatch(rf"{name}:\d+\.\d+\.\d+", image)
    assert container(name)["imagePullPolicy"] == "IfNotPresent"


@COMPONENTS
def test_each_service_selects_the_pods_of_its_own_deployment_only(name: str):
    found = manifests.selected(OBJECTS[f"Service {name}"], list(OBJECTS.values()))
    assert [workload.name for workload in found] == [f"Deployment {name}"]


@COMPONENTS
def test_the_pod_is_killed_only_after_its_own_grace_has_passed(name: str):
    wait = schema.find(container(name), "lifecycle.preStop.sleep.seconds") if name == "marketplace" else 0
    assert pod(name)["terminationGracePeriodSeconds"] > wait + grace_in_code(name)


def test_the_names_in_the_grpc_probes_are_those_of_the_contract():
    service = re.findall(r"^service (\w+)", PROTO.read_text("utf-8"), re.MULTILINE)
    readiness, liveness = (
        container("recommendations")[f"{kind}Probe"]["grpc"] for kind in ("readiness", "liveness")
    )
    assert [readiness["service"]] == service
    assert "service" not in liveness, "liveness asks for the server as a whole"


def test_the_paths_of_the_http_probes_are_answered():
    probes = [
        container("marketplace")[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe")
    ]
    assert probes == ["/readyz", "/healthz"]
    assert set(probes) <= set(routes_of_the_marketplace())


def routes_of_the_marketplace() -> list[str]:
    """In a process of its own: both services have modules of the same names."""
    code = (
        "import json, marketplace; app = marketplace.create_app();"
        "print(json.dumps([rule.rule for rule in app.url_map.iter_rules()]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=SERVICES / "marketplace", capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_the_headless_service_gives_the_addresses_of_all_pods():
    assert OBJECTS["Service recommendations"]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_opens_with_a_comment_that_says_what_it_is_for(path: Path):
    assert path.read_text("utf-8").startswith("# ")


def test_this_file_knows_every_component():
    services = {path.name for path in SERVICES.iterdir() if path.is_dir()}
    assert services == set(PORTS)


@COMPONENTS
def test_the_health_check_in_the_image_asks_the_same_port(name: str):
    tree = ast.parse((SERVICES / name / "healthcheck.py").read_text("utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert str(PORTS[name]) in texts
