"""Scale, roll to another image, go back, remove a pod: each as kubectl does it."""

import pytest
from double import Cluster as Server
from double import Object, Refusal
from playing import NAMESPACE, READY, Controllers, deployment, namespace

from workshop.cluster import Cluster, NotThere, Refused
from workshop.cluster.changes import NoWayBack


@pytest.fixture
def running(shop: Cluster, server: Server) -> Controllers:
    """The Marketplace, rolled out."""
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    return controllers


def image(server: Server) -> str:
    found = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def test_scaling_uses_the_part_of_the_api_that_is_made_for_it(
    shop: Cluster, server: Server, running: Controllers, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.scale("marketplace", 3)

    assert server.double.seen[-2].url.path.endswith("/deployments/marketplace/scale")
    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["replicas"] == 3
    assert capsys.readouterr().out == "marketplace: 2 → 3 pods.\n"


def test_an_autoscaler_that_will_change_the_number_again_is_named(
    shop: Cluster, server: Server, running: Controllers, capsys: pytest.CaptureFixture[str]
) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "marketplace"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6}
    metadata = {"name": "shop", "namespace": NAMESPACE}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    server.put({**kind, "metadata": metadata, "spec": spec})

    shop.scale("marketplace", 1)
    assert "HorizontalPodAutoscaler shop will not leave it so" in capsys.readouterr().out
    shop.scale("marketplace", 0)
    assert "rests as long as there are 0" in capsys.readouterr().out


def test_a_negative_number_is_a_mistake(shop: Cluster, running: Controllers) -> None:
    with pytest.raises(ValueError, match="-1 pods"):
        shop.scale("marketplace", -1)


def test_a_roll_changes_the_components_own_container_only(
    shop: Cluster, server: Server, running: Controllers
) -> None:
    shop.roll("marketplace", image="marketplace:1.0.1")

    found = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    assert [each["image"] for each in found["spec"]["template"]["spec"]["containers"]] == [
        "marketplace:1.0.1",
        "proxy:1",
    ]
    assert {each["manager"] for each in found["metadata"]["managedFields"]} == {"microservices-workshop"}


def test_a_roll_calls_the_image_as_the_cluster_does(
    shop: Cluster, server: Server, running: Controllers
) -> None:
    shop._images["marketplace:1.0.1"] = "registry:5000/marketplace:1.0.1"

    shop.roll("marketplace", image="marketplace:1.0.1")

    assert image(server) == "registry:5000/marketplace:1.0.1"


def test_a_roll_to_what_runs_changes_nothing(
    shop: Cluster, server: Server, running: Controllers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = server.double.version
    shop.roll("marketplace", image="marketplace:1.0.0")

    assert server.double.version == before
    assert "already" in capsys.readouterr().out


def test_after_a_roll_the_next_apply_is_what_the_files_say(
    shop: Cluster, server: Server, running: Controllers
) -> None:
    shop.roll("marketplace", image="marketplace:1.0.1")

    assert shop.apply([deployment()])[0].what == "configured"
    assert image(server) == "marketplace:1.0.0"


def test_going_back_takes_the_whole_template_of_the_revision_before(
    shop: Cluster, server: Server, running: Controllers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["template"]
    shop.roll("marketplace", image="marketplace:1.0.1")
    running.start()
    shop.roll("marketplace", image="marketplace:1.0.2")
    running.start()

    shop.roll_back("marketplace")
    assert image(server) == "marketplace:1.0.1"
    assert (
        "back to revision 2, marketplace:1.0.2, proxy:1 → marketplace:1.0.1, proxy:1"
        in capsys.readouterr().out
    )

    shop.roll("marketplace", image="marketplace:1.0.0")
    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["template"] == before


def test_there_is_no_way_back_from_the_first(shop: Cluster, running: Controllers) -> None:
    with pytest.raises(NoWayBack, match="no earlier version to go back to"):
        shop.roll_back("marketplace")


def test_a_paused_rollout_cannot_go_back(shop: Cluster, server: Server) -> None:
    paused = deployment()
    paused["spec"]["paused"] = True
    shop.apply([namespace(), paused])

    with pytest.raises(NoWayBack, match="kubectl rollout resume deployment/marketplace"):
        shop.roll_back("marketplace")


def test_the_oldest_ready_pod_is_removed(shop: Cluster, server: Server, running: Controllers) -> None:
    running.pod(1, {"phase": "Pending"})
    running.pod(2, READY)
    running.pod(3, READY)
    running.pod(4, READY, deletionTimestamp="2026-11-25T05:00:00Z")

    assert shop.delete_pod("marketplace") == "marketplace-r1-2"
    assert shop.delete_pod("marketplace-r1-3") == "marketplace-r1-3"
    assert shop.delete_pod("marketplace") == "marketplace-r1-1"
    with pytest.raises(NotThere, match="no pod to remove"):
        shop.delete_pod("marketplace")


def test_a_component_that_is_not_there_is_told_with_those_that_are(
    shop: Cluster, running: Controllers
) -> None:
    with pytest.raises(NotThere, match="no Deployment “books”. There are: marketplace"):
        shop.roll("books", image="books:1")


def test_a_missing_right_is_told(shop: Cluster, server: Server, running: Controllers) -> None:
    words = (
        'deployments.apps "marketplace" is forbidden: User "ada" cannot patch resource "deployments/scale" '
        "in API "
        'group "apps" in the namespace "microservices"'
    )

    def refuse(verb: str, path: str, body: Object | None) -> Refusal | None:
        return Refusal(403, "Forbidden", words) if path.endswith("/scale") else None

    server.double.refuse = refuse

    with pytest.raises(
        Refused, match=r"did not scale marketplace: “ada” has no right to patch scale of deployments\.apps"
    ):
        shop.scale("marketplace", 3)


def test_pods_are_listed_as_kubectl_does(shop: Cluster, server: Server, running: Controllers) -> None:
    broken = {
        "name": "marketplace",
        "ready": False,
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }
    running.pod(1, {"phase": "Running", "containerStatuses": [broken]})
    running.pod(2, READY, deletionTimestamp="2026-11-25T05:00:00Z")
    init = {"name": "migrate", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    running.pod(3, {"phase": "Pending", "initContainerStatuses": [init]})

    table = shop.pods()

    assert [[cell.text for cell in row][:4] for row in table.rows] == [
        ["marketplace-r1-1", "0/2", "CrashLoopBackOff", "4"],
        ["marketplace-r1-2", "0/2", "Terminating", "0"],
        ["marketplace-r1-3", "0/2", "Init:CrashLoopBackOff", "0"],
    ]
