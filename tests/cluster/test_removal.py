"""The namespace goes with everything in it, if it is ours."""

import pytest
from double import Cluster as Server
from double import Refusal
from playing import NAMESPACE, beside, deployment, namespace

from workshop.cluster import Cluster, Refused, removal
from workshop.cluster.removal import NotRemoved
from workshop.patience import until


def test_it_goes_with_all_that_is_in_it(
    shop: Cluster, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.apply([namespace(), deployment()])

    shop.remove()

    assert not server.double.store
    assert "is gone, with everything in it" in capsys.readouterr().out


def test_where_there_is_none_there_is_nothing_to_do(
    shop: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.remove()

    assert "There is no namespace “microservices”" in capsys.readouterr().out


def test_a_namespace_without_our_label_stays(shop: Cluster, server: Server) -> None:
    server.put(namespace(labels={"app.kubernetes.io/part-of": "something-else"}))

    with pytest.raises(NotRemoved, match="is not the workshop's, and stays"):
        shop.remove()

    assert server.get("v1", "Namespace", NAMESPACE)


def test_its_end_is_waited_for_through_broken_watches(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "PAUSE_SECONDS", 0.01)
    shop.apply([namespace()])
    server.double.held = {"conditions": []}

    def finish() -> None:
        until(lambda: server.double.watches == 1, "it is watched")
        server.drop_watches()
        until(lambda: server.double.watches >= 2, "it is watched again")
        server.forget()
        until(lambda: server.double.watches >= 3, "it is watched once more")
        server.do(lambda: server.double.finish(NAMESPACE))

    beside(finish)
    shop.remove()

    assert not server.double.store


def test_what_hangs_is_told(shop: Cluster, server: Server) -> None:
    message = (
        "Some content in the namespace has finalizers remaining: shop.example/books in 1 resource instances"
    )
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": message}
    server.double.held = {"conditions": [condition]}
    shop.apply([namespace()])

    with pytest.raises(NotRemoved) as caught:
        removal.remove(shop._api, NAMESPACE, seconds=0.2)

    assert "Objects in it have finalizers" in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_right_is_told(shop: Cluster, server: Server) -> None:
    shop.apply([namespace()])
    words = (
        'namespaces "microservices" is forbidden: User "ada" cannot delete resource "namespaces" in API '
        'group ""'
    )
    server.double.refuse = lambda verb, path, body: (
        Refusal(403, "Forbidden", words) if verb == "delete" else None
    )

    with pytest.raises(Refused, match="“ada” has no right to delete namespaces"):
        shop.remove()
