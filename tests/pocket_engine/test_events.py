"""Events: the past, the present, and which of them one wants."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pocket_engine.events import KEPT, Events
from pocket_engine.filters import Filters
from tests.pocket_engine.embedded import EmbeddedEngine

ATTRIBUTES = {"name": "books", "image": "recommendations:latest", "tier": "web"}


def told(events: Events, **filters: list[str]) -> list[str]:
    """The actions of the past that these filters let through."""
    past = events.listen(since=0, until=time.time_ns(), filters=Filters(filters))
    return [event["Action"] for event in past if event]


def test_an_event_has_the_fields_of_old_and_new():
    events = Events()
    events.publish("container", "start", "c1", ATTRIBUTES)
    [event] = [event for event in events.listen(since=0, until=time.time_ns()) if event]
    assert (event["status"], event["id"], event["from"]) == ("start", "c1", "recommendations:latest")
    assert (event["Type"], event["Action"], event["scope"]) == ("container", "start", "local")
    assert event["Actor"] == {"ID": "c1", "Attributes": ATTRIBUTES}
    assert event["time"] == event["timeNano"] // 10**9


def test_a_network_has_only_the_new():
    events = Events()
    events.publish("network", "create", "n1", {"name": "microservices"})
    [event] = [event for event in events.listen(since=0, until=time.time_ns()) if event]
    assert "status" not in event


def test_the_past_is_bounded():
    events = Events()
    for number in range(KEPT + 5):
        events.publish("volume", f"action {number}", "v1", {})
    assert len(told(events)) == KEPT
    assert told(events)[0] == "action 5"


def test_without_a_beginning_the_past_is_not_told():
    events = Events()
    events.publish("volume", "create", "v1", {})
    assert [event for event in events.listen(until=time.time_ns()) if event] == []


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"type": ["container"]}, ["start", "health_status: healthy"]),
        ({"event": ["start"]}, ["start"]),
        ({"event": ["health_status"]}, ["health_status: healthy"]),
        ({"container": ["books"]}, ["start", "health_status: healthy"]),
        ({"container": ["c1"]}, ["start", "health_status: healthy"]),
        ({"container": ["other"]}, []),
        ({"image": ["recommendations"]}, ["start", "health_status: healthy", "tag"]),
        ({"image": ["recommendations:latest"]}, ["start", "health_status: healthy", "tag"]),
        ({"label": ["tier=web"]}, ["start", "health_status: healthy"]),
        ({"network": ["microservices"]}, ["connect"]),
        ({"type": ["network", "image"]}, ["connect", "tag"]),
        ({"scope": ["swarm"]}, []),
        ({}, ["start", "health_status: healthy", "connect", "tag"]),
    ],
)
def test_filters(filters: dict[str, list[str]], wanted: list[str]):
    events = Events()
    events.publish("container", "start", "c1", ATTRIBUTES)
    events.publish("container", "health_status: healthy", "c1", ATTRIBUTES)
    events.publish("network", "connect", "n1", {"name": "microservices", "container": "c1"})
    events.publish("image", "tag", "sha256:1", {"name": "recommendations:latest"})
    assert told(events, **filters) == wanted


def test_who_listens_no_more_is_forgotten():
    events = Events()
    listening = events.listen()
    assert next(listening) is None  # Nothing happened for a while.
    assert events.listeners == 1
    listening.close()  # type: ignore[attr-defined]
    assert events.listeners == 0


def test_they_come_as_they_happen(chosen_engine: EmbeddedEngine):
    with chosen_engine.client() as client:
        listening = client.events(decode=True, filters={"type": "volume", "event": ["create", "destroy"]})
        volume = client.volumes.create("told")
        volume.remove()
        seen: list[dict[str, Any]] = [next(listening), next(listening)]
        listening.close()
    assert [(event["Action"], event["Actor"]["ID"]) for event in seen] == [
        ("create", "told"),
        ("destroy", "told"),
    ]


def test_an_end_in_the_future(chosen_engine: EmbeddedEngine):
    with chosen_engine.client() as client:
        begun = time.monotonic()
        assert list(client.events(until=datetime.now(UTC) + timedelta(seconds=1))) == []
        assert time.monotonic() - begun < 5


def test_times_that_make_no_sense(chosen_engine: EmbeddedEngine):
    assert chosen_engine.get("/events?since=abc").status == 400
    answer = chosen_engine.get("/events?since=100&until=2")
    assert answer.json == {"message": "`since` time (100) cannot be after `until` time (2)"}
