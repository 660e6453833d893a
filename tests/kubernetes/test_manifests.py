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
from workshop.cluster import certificates
from workshop.manifests import Manifest, schema
from workshop.repository import PROTO, ROOT, SERVICES

FOLDER = ROOT / "kubernetes"
PORTS = {"recommendations": 50051, "marketplace": 5000}
COMPONENTS = pytest.mark.parametrize("name", PORTS)

BUILT = {name: manifests.build(FOLDER / name) for name in ("base", "overlays/laptop", "overlays/production")}
OVERLAYS = pytest.mark.parametrize("overlay", ["overlays/laptop", "overlays/production"])
EVERY_BUILD = pytest.mark.parametrize("build", BUILT)

# The base, which lessons read; what overlays change is looked at in each overlay.
OBJECTS = {manifest.name: manifest for manifest in BUILT["base"]}


def in_overlay(overlay: str, name: str) -> Manifest:
    """One object as an overlay has it."""
    (found,) = [manifest for manifest in BUILT[overlay] if manifest.name == name]
    return found


def deployment(name: str) -> Manifest:
    return OBJECTS[f"Deployment {name}"]


def pod(name: str) -> dict[str, Any]:
    return deployment(name)["spec"]["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return only


def settings(name: str, overlay: str = "base") -> dict[str, str]:
    """What the container gets as its environment: the whole ConfigMap, and nothing else."""
    assert container(name)["envFrom"] == [{"configMapRef": {"name": name}}] and "env" not in container(name)
    return in_overlay(overlay, f"ConfigMap {name}")["data"]


def dockerfile(name: str) -> str:
    return (ROOT / "docker" / f"{name}.Dockerfile").read_text("utf-8")


def grace_in_code(name: str) -> float:
    file = {"recommendations": "recommendations.py", "marketplace": "server.py"}[name]
    source = (SERVICES / name / file).read_text("utf-8")
    found = re.search(r"^GRACE_SECONDS = ([\d.]+)", source, re.MULTILINE)
    assert found, f"{file} has no such line"
    return float(found[1])


def test_each_component_has_all_that_a_component_needs():
    kinds = (
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    )
    common = ["Namespace microservices", "NetworkPolicy allow-dns", "NetworkPolicy deny-by-default"]
    assert sorted(OBJECTS) == sorted([*common, *(f"{kind} {name}" for kind in kinds for name in PORTS)])


def test_every_file_is_part_of_a_build():
    named = set()
    for kustomization in FOLDER.rglob("kustomization.yaml"):
        listed = yaml.safe_load(kustomization.read_text("utf-8"))
        files = [*listed.get("resources", []), *(patch.get("path") for patch in listed.get("patches", []))]
        named |= {kustomization, *(kustomization.parent / file for file in files if file)}
    assert set(FOLDER.rglob("*.yaml")) <= named


@EVERY_BUILD
@pytest.mark.parametrize("version", schema.versions())
def test_the_official_schema_of_every_version_accepts_them(build: str, version: str):
    for manifest in BUILT[build]:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


@EVERY_BUILD
def test_everything_is_ours_and_in_our_namespace(build: str):
    for manifest in BUILT[build]:
        metadata = manifest["metadata"]
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "online-books-for-you"
        assert metadata.get("namespace", metadata["name"]) == "microservices"


def test_the_schemas_begin_at_the_oldest_version_that_is_promised():
    versions = schema.versions()
    assert versions[0] == "1.30"
    assert len(versions) >= 8


@EVERY_BUILD
def test_they_fit_together(build: str):
    assert list(manifests.lint(BUILT[build])) == []


@COMPONENTS
def test_the_port_is_one_value_in_manifest_image_compose_and_code(name: str):
    port = PORTS[name]
    metrics = {"recommendations": ["9464"], "marketplace": []}[name]  # Or a path of the page.
    assert [str(p["containerPort"]) for p in container(name)["ports"]] == [str(port), *metrics]
    assert [p["port"] for p in OBJECTS[f"Service {name}"]["spec"]["ports"]] == [port]
    assert [settings(name).get(variable) for variable in ("PORT", "METRICS_PORT")] == [
        str(port),
        *(metrics or [None]),
    ]
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
    told = settings("marketplace")
    assert services["marketplace"]["environment"]["RECOMMENDATIONS_HOST"] == told["RECOMMENDATIONS_HOST"]


def test_the_marketplace_is_told_the_name_and_port_of_the_other_service():
    service = OBJECTS["Service recommendations"]
    written = {
        "RECOMMENDATIONS_HOST": service["metadata"]["name"],
        "RECOMMENDATIONS_PORT": str(service["spec"]["ports"][0]["port"]),
    }
    assert written.items() <= settings("marketplace").items()
    [allowed] = OBJECTS["NetworkPolicy marketplace"]["spec"]["egress"][0]["ports"]
    assert str(allowed["port"]) == written["RECOMMENDATIONS_PORT"]


@EVERY_BUILD
@COMPONENTS
def test_every_setting_is_one_that_the_service_reads(build: str, name: str):
    sources = "\n".join(file.read_text("utf-8") for file in (SERVICES / name).glob("*.py"))
    for variable in settings(name, build):
        assert f'"{variable}"' in sources


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
    asked = container(name)["resources"]
    assert set(asked["requests"]) == set(asked["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    account = OBJECTS[f"ServiceAccount {pod(name)['serviceAccountName']}"]
    assert account["automountServiceAccountToken"] is False


@OVERLAYS
def test_the_namespace_lets_no_other_pods_in(overlay: str):
    labels = in_overlay(overlay, "Namespace microservices")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@EVERY_BUILD
def test_only_the_marketplace_may_call_recommendations(build: str):
    policies = [m for m in BUILT[build] if m["kind"] == "NetworkPolicy"]
    [everybody] = [p for p in policies if p["spec"].get("podSelector") == {} and "egress" not in p["spec"]]
    assert everybody["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    callers = [
        rule["from"]
        for policy in policies
        for rule in policy["spec"].get("ingress", [])
        if policy["spec"]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "recommendations"}}
        and {"port": "grpc"} in rule["ports"]
    ]
    assert callers == [[{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "marketplace"}}}]]


@OVERLAYS
@COMPONENTS
def test_mutual_tls_reads_the_secret_that_the_command_makes(overlay: str, name: str):
    secret = {manifest["metadata"]["name"]: manifest for manifest in certificates.secrets()}[f"{name}-tls"]
    assert secret["metadata"]["namespace"] == "microservices"
    deployed = in_overlay(overlay, f"Deployment {name}")["spec"]["template"]["spec"]
    [volume], [mount] = deployed["volumes"], deployed["containers"][0]["volumeMounts"]
    assert volume["secret"] == {"secretName": secret["metadata"]["name"], "defaultMode": 0o440}
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    keys = {**secret.get("data", {}), **secret.get("stringData", {})}
    told = settings(name, overlay)
    for variable in ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CA"):
        folder, _, key = told[variable].rpartition("/")
        assert folder == mount["mountPath"] and key in keys
    assert deployed["securityContext"]["fsGroup"] == deployed["securityContext"]["runAsGroup"]


@OVERLAYS
def test_probes_ask_where_no_certificate_is_needed(overlay: str):
    [deployed] = in_overlay(overlay, "Deployment recommendations")["spec"]["template"]["spec"]["containers"]
    port = int(settings("recommendations", overlay)["HEALTH_PORT"])
    assert port in [p["containerPort"] for p in deployed["ports"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        base = container("recommendations")[probe]
        assert deployed[probe] == {**base, "grpc": {**base["grpc"], "port": port}}


def test_production_leaves_the_number_of_pods_to_the_autoscaler():
    for name in PORTS:
        scaler = in_overlay("overlays/production", f"HorizontalPodAutoscaler {name}")["spec"]
        assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert scaler["minReplicas"] > deployment(name)["spec"]["replicas"]
        assert "replicas" not in in_overlay("overlays/production", f"Deployment {name}")["spec"]


def test_production_is_reached_through_its_ingress():
    ingress = in_overlay("overlays/production", "Ingress marketplace")["spec"]
    [path] = ingress["rules"][0]["http"]["paths"]
    [port] = OBJECTS["Service marketplace"]["spec"]["ports"]
    assert path["backend"]["service"] == {"name": "marketplace", "port": {"name": port["name"]}}
    assert ingress["tls"][0]["hosts"] == [ingress["rules"][0]["host"]]


@COMPONENTS
def test_budget_and_spread_are_about_the_components_own_pods(name: str):
    own = {"matchLabels": {"app.kubernetes.io/name": name}}
    assert OBJECTS[f"PodDisruptionBudget {name}"]["spec"]["selector"] == own
    for overlay in ("overlays/laptop", "overlays/production"):
        spread = in_overlay(overlay, f"Deployment {name}")["spec"]["template"]["spec"][
            "topologySpreadConstraints"
        ]
        assert [constraint["labelSelector"] for constraint in spread] == [own] * len(spread)


@COMPONENTS
def test_a_rollout_takes_no_pod_away_before_another_is_ready(name: str):
    assert deployment(name)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


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
    wait = schema.find(container(name), "lifecycle.preStop.sleep.seconds")
    assert pod(name)["terminationGracePeriodSeconds"] > wait + grace_in_code(name)


def test_the_names_in_the_grpc_probes_are_those_of_the_contract():
    service = re.findall(r"^service (\w+)", PROTO.read_text("utf-8"), re.MULTILINE)
    startup, readiness, liveness = (
        container("recommendations")[f"{kind}Probe"]["grpc"] for kind in ("startup", "readiness", "liveness")
    )
    assert [startup["service"]] == [readiness["service"]] == service
    assert "service" not in liveness, "liveness asks for the server as a whole"


def test_the_paths_of_the_http_probes_are_answered():
    probes = [
        container("marketplace")[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    ]
    assert probes == ["/healthz", "/readyz", "/healthz"]
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


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda p: str(p.relative_to(FOLDER)))
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
