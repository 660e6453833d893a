"""What a lesson's cell sees of a cluster, beside what it does."""

from typing import Any

import pytest
from double import Cluster as Server
from playing import NAMESPACE, Controllers, deployment, namespace, play

from workshop import cluster
from workshop.cluster import Cluster, finding, rollout, session
from workshop.cluster.finding import NoCluster


def test_connecting_says_in_one_line_what_was_found(
    shop: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(finding, "find", lambda context, ask: asked.append(context) or shop.found)

    found = cluster.connect("my-context")

    assert isinstance(found, Cluster)
    assert asked == ["my-context"]
    assert capsys.readouterr().out == "Cluster: cluster “double”, Kubernetes 1.36.0.\n"


def test_without_a_cluster_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(context: str | None, ask: object) -> None:
        raise NoCluster("There is none. Make one: `workshop cluster`.")

    monkeypatch.setattr(finding, "find", none)

    assert cluster.connect() is None
    assert capsys.readouterr().out == "There is none. Make one: `workshop cluster`.\n"


def test_loaded_images_are_remembered_by_the_clusters_names(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = {"marketplace:1.0.0": "registry:5000/marketplace:1.0.0"}
    monkeypatch.setattr(session.loading, "load", lambda found, engine, names: loaded)

    shop.load_images(None, "marketplace:1.0.0")  # type: ignore[arg-type]
    shop.apply([namespace(), deployment()])

    found = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry:5000/marketplace:1.0.0"
    assert "loaded, as registry:5000/marketplace:1.0.0" in capsys.readouterr().out


class Handle:
    """What `display` returns in a notebook."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        self.shown.append(bundle)


def test_a_notebook_shows_one_picture_that_is_drawn_again(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = Handle()
    monkeypatch.setattr(rollout, "get_ipython", lambda: object())
    monkeypatch.setattr(rollout, "display", lambda *args, **options: handle)
    shop.apply([namespace(), deployment()])
    Controllers(server).status(updated=2, available=2)

    shop.wait(20)

    assert 'aria-valuenow="100"' in handle.shown[-1]["text/html"]
    assert handle.shown[-1]["text/plain"] == "marketplace: rolled out, 2 pods are available"
    assert not capsys.readouterr().out


def test_a_failed_rollout_stays_to_be_seen(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Handle()
    monkeypatch.setattr(rollout, "get_ipython", lambda: object())
    monkeypatch.setattr(rollout, "display", lambda *args, **options: handle)
    play(server, "crash-loop")

    with pytest.raises(rollout.NotRolledOut) as caught:
        shop.wait(20)

    assert "not rolled out" in handle.shown[-1]["text/html"]
    assert "CrashLoopBackOff" in handle.shown[-1]["text/html"]
    assert "ends again and again" in caught.value.reasons._repr_mimebundle_()["text/html"]


def test_html_of_reasons_is_escaped(shop: Cluster, server: Server) -> None:
    play(server, "crash-loop")
    (pod,) = shop._api.all("v1", "Pod", NAMESPACE)[0]
    server.double.logs[pod["metadata"]["name"], "marketplace", True] = "<script>alert(1)</script>"

    html = shop.why("marketplace")._repr_mimebundle_()["text/html"]

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
