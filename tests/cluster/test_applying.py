"""Manifests get to the API server in the right order, and every refusal is told in plain words."""

import copy
import threading

import pytest
from double import Cluster as Server
from double import Object, Refusal
from playing import NAMESPACE, Controllers, beside, deployment, namespace

from workshop.cluster import Cluster, ClusterError, ServerGone
from workshop.cluster.applying import NotApplied
from workshop.patience import until
from workshop.repository import ROOT

LAPTOP = ROOT / "kubernetes" / "overlays" / "laptop"
PRODUCTION = ROOT / "kubernetes" / "overlays" / "production"


def service(name: str = "marketplace") -> Object:
    spec = {"selector": {"app.kubernetes.io/name": name}, "ports": [{"port": 5000}]}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def refusing(server: Server, refusal: Refusal, path: str = "", verb: str = "patch") -> None:
    """Let the server refuse what fits."""
    server.double.refuse = lambda v, p, body: refusal if v == verb and path in p else None


@pytest.mark.parametrize("overlay", [LAPTOP, PRODUCTION], ids=lambda path: path.name)
def test_an_overlay_is_created_and_then_unchanged(shop: Cluster, overlay: object) -> None:
    assert {each.what for each in shop.apply(overlay)} == {"created"}  # type: ignore[arg-type]
    assert {each.what for each in shop.apply(overlay)} == {"unchanged"}  # type: ignore[arg-type]


def test_what_others_need_comes_first(shop: Cluster, server: Server) -> None:
    shop.apply(list(reversed([namespace(), service(), deployment()])))

    sent = [request.url.path for request in server.double.seen if request.method.value == "PATCH"]
    assert [path.split("/")[-2] for path in sent] == ["namespaces", "services", "deployments"]


def test_it_is_a_forced_server_side_apply_of_our_own_name(shop: Cluster, server: Server) -> None:
    shop.apply([namespace()])

    (request,) = [each for each in server.double.seen if each.method.value == "PATCH"]
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.params == {
        "fieldManager": "microservices-workshop",
        "force": "true",
        "fieldValidation": "Strict",
    }


def test_a_changed_field_is_configured_and_a_left_out_one_is_removed(shop: Cluster, server: Server) -> None:
    first, second = deployment(), deployment(image="marketplace:1.0.1")
    first["metadata"]["annotations"] = {"note": "goes"}
    shop.apply([namespace(), first])

    assert [each.what for each in shop.apply([namespace(), second])] == ["unchanged", "configured"]
    after = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    assert "annotations" not in after["metadata"]
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "marketplace:1.0.1"


def test_a_status_that_changes_meanwhile_is_no_change(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    Controllers(server).status(updated=2, available=1)

    assert shop.apply([deployment()])[0].what == "unchanged"


def test_the_files_win_over_what_somebody_scaled(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment(replicas=2)])
    shop.scale("marketplace", 5)

    assert shop.apply([deployment(replicas=2)])[0].what == "configured"
    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["replicas"] == 2


def test_an_object_without_a_namespace_gets_ours(shop: Cluster, server: Server) -> None:
    manifest = deployment()
    del manifest["metadata"]["namespace"]

    shop.apply([namespace(), manifest])

    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)


def test_images_are_called_as_the_cluster_knows_them(shop: Cluster, server: Server) -> None:
    shop._images["marketplace:1.0.0"] = "registry:5000/marketplace:1.0.0"

    shop.apply([namespace(), deployment()])

    containers = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["template"]["spec"][
        "containers"
    ]
    assert [each["image"] for each in containers] == ["registry:5000/marketplace:1.0.0", "proxy:1"]


def test_what_is_given_stays_as_it_is(shop: Cluster) -> None:
    manifests = [namespace(), deployment()]
    before = copy.deepcopy(manifests)
    shop._images["marketplace:1.0.0"] = "other"

    shop.apply(manifests)

    assert manifests == before


def test_warnings_of_the_server_are_shown(shop: Cluster, server: Server) -> None:
    words = 'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    server.double.warn = lambda body: [words] if body["kind"] == "Deployment" else []

    applied = shop.apply([namespace(), deployment()])

    assert applied[1].note == words
    assert words[:40] in str(applied)


def test_one_refusal_does_not_hide_the_others(shop: Cluster, server: Server) -> None:
    quota = (
        'services "marketplace" is forbidden: exceeded quota: small, requested: services=1, used: '
        "services=2, limited: services=2"
    )
    refusing(server, Refusal(403, "Forbidden", quota), "/services/")

    with pytest.raises(NotApplied) as caught:
        shop.apply([namespace(), service(), deployment()])

    assert [each.what for each in caught.value.applied] == ["created", "refused", "created"]
    assert "1 of 3 objects were refused" in str(caught.value)
    assert "services: asks for 1, 2 of 2 are taken" in str(caught.value)
    assert quota in str(caught.value)


REFUSALS = {
    "rights": (
        Refusal(
            403,
            "Forbidden",
            'services "marketplace" is forbidden: User "ada" cannot patch resource "services" in API group '
            '"" '
            'in the namespace "microservices"',
        ),
        "“ada” has no right to patch services in the namespace microservices",
    ),
    "admission policy": (
        Refusal(
            422,
            "Invalid",
            "services \"marketplace\" is forbidden: ValidatingAdmissionPolicy 'only-signed' with binding "
            "'all' denied "
            "request: images must be signed",
        ),
        "ValidatingAdmissionPolicy “only-signed” (binding “all”) forbids it. It says: images must be signed",
    ),
    "webhook": (
        Refusal(403, "Forbidden", 'admission webhook "check.example.org" denied the request: no owner label'),
        "“check.example.org”, a program that checks objects for this cluster, forbids it. It says: no "
        "owner label",
    ),
    "webhook gone": (
        Refusal(
            500,
            "InternalError",
            'Internal error occurred: failed calling webhook "check.example.org": failed to call webhook: '
            "Post "
            '"https://check.example.org": dial tcp 10.0.0.1:443: connect: connection refused',
        ),
        "it does not answer",
    ),
    "conflict": (
        Refusal(409, "Conflict", "object is being deleted: services already exists"),
        "is just being removed",
    ),
    "expired": (Refusal(401, "Unauthorized", "Unauthorized"), "It does not know who you are"),
    "unknown": (Refusal(418, "Teapot", "short and stout"), "Word for word: 418 short and stout"),
}


@pytest.mark.parametrize("refusal, words", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_told_in_plain_words(
    shop: Cluster, server: Server, refusal: Refusal, words: str
) -> None:
    refusing(server, refusal, "/services/")

    with pytest.raises(NotApplied) as caught:
        shop.apply([namespace(), service()])

    assert words in str(caught.value)
    assert refusal.message in str(caught.value)


def test_a_field_that_the_schema_does_not_have_is_named(shop: Cluster) -> None:
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPollicy"] = "Never"

    with pytest.raises(
        NotApplied, match=r"(?s)field is not what this cluster's.*imagePullPollicy: field not declared"
    ):
        shop.apply([namespace(), wrong])


def test_an_invalid_object_is_told_field_by_field(shop: Cluster) -> None:
    shop.apply([namespace(), deployment()])
    other = deployment()
    labels = {"app.kubernetes.io/name": "marketplace", "more": "labels"}
    other["spec"]["selector"] = {"matchLabels": labels}
    other["spec"]["template"]["metadata"]["labels"] = labels

    with pytest.raises(
        NotApplied, match=r"(?s)- spec\.selector: .*field is immutable.*Remove the object, and apply"
    ):
        shop.apply([other])


def test_an_unknown_kind_names_the_definition_that_is_missing(shop: Cluster) -> None:
    certificate = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "shop"}}

    with pytest.raises(NotApplied) as caught:
        shop.apply([certificate])

    assert "does not know cert-manager.io/v1 Certificate" in str(caught.value)
    assert "CustomResourceDefinition of cert-manager.io" in str(caught.value)


def test_without_its_namespace_nothing_is_tried(shop: Cluster, server: Server) -> None:
    server.double.refuse = lambda verb, path, body: (
        Refusal(403, "Forbidden", "no more namespaces here")
        if verb == "patch" and path.endswith(NAMESPACE)
        else None
    )

    with pytest.raises(NotApplied) as caught:
        shop.apply([namespace(), service(), deployment()])

    assert [each.what for each in caught.value.applied] == ["refused", "not tried", "not tried"]


def test_a_namespace_that_we_may_not_change_is_left_alone_if_it_is_there(
    shop: Cluster, server: Server
) -> None:
    server.put(namespace())
    words = (
        'namespaces "microservices" is forbidden: User "ada" cannot patch resource "namespaces" in API '
        'group ""'
    )
    server.double.refuse = lambda verb, path, body: (
        Refusal(403, "Forbidden", words)
        if path.endswith(f"namespaces/{NAMESPACE}") and verb == "patch"
        else None
    )

    assert [each.what for each in shop.apply([namespace(), service()])] == ["left alone", "created"]


def test_a_namespace_that_ends_is_waited_for(shop: Cluster, server: Server) -> None:
    server.put(namespace())
    server.double.held = {"conditions": []}
    shop._api.delete(server.get("v1", "Namespace", NAMESPACE))

    def finish() -> None:
        until(lambda: server.double.watches == 1, "the namespace is watched")
        server.do(lambda: server.double.finish(NAMESPACE))

    worker = beside(finish)
    applied = shop.apply([namespace(), service()])
    worker.join(10)

    assert [each.what for each in applied] == ["created", "created"]


def test_an_object_in_an_ending_namespace_is_told(shop: Cluster, server: Server) -> None:
    server.put(namespace())
    server.double.held = {"conditions": []}
    shop._api.delete(server.get("v1", "Namespace", NAMESPACE))

    with pytest.raises(NotApplied, match="The namespace “microservices” is being removed"):
        shop.apply([service()])


def test_a_server_that_is_gone_ends_it_and_says_how_far_it_came(shop: Cluster, server: Server) -> None:
    shop.apply([namespace()])
    server.__exit__()

    with pytest.raises(ServerGone, match=r"(?s)does not answer.*Start it again"):
        shop.apply([service()])


def test_the_definition_of_a_kind_is_waited_for(shop: Cluster, server: Server) -> None:
    names = {"plural": "books", "kind": "Book"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "books.shop.example"},
        "spec": {"group": "shop.example", "names": names, "scope": "Namespaced", "versions": [version]},
    }
    done = threading.Event()

    def establish() -> None:
        until(lambda: server.double.watches == 1, "the definition is watched")
        made = server.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "books.shop.example")
        done.set()
        server.put({**made, "status": {"conditions": [{"type": "Established", "status": "True"}]}})

    worker = beside(establish)
    applied = shop.apply([deployment(), namespace(), definition])
    worker.join(10)

    assert done.is_set()
    assert [each.kind for each in applied] == ["CustomResourceDefinition", "Namespace", "Deployment"]


def test_a_number_of_replicas_that_the_files_give_up_stays_until_the_autoscaler_sets_its_own(
    shop: Cluster, server: Server
) -> None:
    shop.apply([namespace(), deployment(replicas=3)])
    scaled = deployment()
    del scaled["spec"]["replicas"]

    shop.apply([scaled])

    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["replicas"] == 3
    shop.apply([scaled])  # And again, when another already holds it.
    assert server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["replicas"] == 3


def test_a_field_that_going_back_brought_is_gone_with_the_next_apply(shop: Cluster, server: Server) -> None:
    first, second = deployment(), deployment(image="marketplace:1.0.1")
    first["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "OLD", "value": "yes"}]
    controllers = Controllers(server)
    shop.apply([namespace(), first])
    controllers.start()
    shop.apply([second])
    controllers.start()
    shop.roll_back("marketplace")
    assert (
        "env"
        in server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["template"]["spec"][
            "containers"
        ][0]
    )

    assert shop.apply([second])[0].what == "configured"

    container = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert not container.get("env")
    assert container["image"] == "marketplace:1.0.1"


def test_certificates_are_made_once_before_anything_else(
    shop: Cluster, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.make_certificates()
    first = server.get("v1", "Secret", "marketplace-tls", NAMESPACE)["data"]
    shop.make_certificates()
    assert server.get("v1", "Secret", "marketplace-tls", NAMESPACE)["data"] == first
    assert "are there" in capsys.readouterr().out

    shop.make_certificates(renew=True)
    assert server.get("v1", "Secret", "marketplace-tls", NAMESPACE)["data"] != first
    level = server.get("v1", "Namespace", NAMESPACE)["metadata"]["labels"][
        "pod-security.kubernetes.io/enforce"
    ]
    assert level == "restricted"


def test_something_that_is_no_manifest_is_told_before_anything_is_sent(shop: Cluster, server: Server) -> None:
    with pytest.raises(ClusterError, match="Each needs apiVersion, kind, and a name"):
        shop.apply([namespace(), {"kind": "Deployment"}])

    assert not server.double.seen
