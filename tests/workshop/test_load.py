"""A load comes at its own pace, and counts what each visitor got."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workshop import patience, ports
from workshop.load import VISITORS, Load

BOOKS = b'<li data-book-id="1"><li data-book-id="2">'


@contextmanager
def page(status: int = 200, body: bytes = BOOKS, gate: threading.Event | None = None) -> Iterator[str]:
    """A page that is served when the gate is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if gate:
                gate.wait(10)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/?category=MYSTERY"
    finally:
        server.shutdown()
        server.server_close()


def visited(url: str, count: int = 5) -> Load:
    with Load(url, per_second=200) as load:
        patience.until(lambda: len(load.visits) >= count, "enough visitors are served")
    return load


def test_every_visit_is_recorded_with_status_books_and_time():
    with page() as url:
        load = visited(url)
    assert {(visit.status, visit.books, visit.error) for visit in load.visits} == {(200, 2, "")}
    assert all(0 < visit.seconds < 5 for visit in load.visits)
    assert (load.failed, load.empty) == (0, 0)
    assert str(load) == f"{len(load.visits)} pages asked for, 0 failed, 0 without books"


@pytest.mark.parametrize(
    ("status", "body", "failed", "empty"),
    [(200, b"taking a break", False, True), (500, BOOKS, True, False), (404, b"", True, False)],
)
def test_a_page_without_books_is_no_failure_and_an_error_is_one(status, body, failed, empty):
    with page(status, body) as url:
        load = visited(url)
    assert {(visit.failed, visit.empty) for visit in load.visits} == {(failed, empty)}
    assert (load.failed, load.empty) == (len(load.visits) * failed, len(load.visits) * empty)


def test_where_nobody_listens_every_request_has_failed_and_says_why():
    load = visited(f"http://127.0.0.1:{ports.next_free(50300)}/")
    assert load.failed == len(load.visits)
    assert "ConnectionRefusedError" in load.visits[0].error


def test_visitors_come_whether_others_are_served_or_not_and_their_time_counts_from_then():
    gate = threading.Event()
    with page(gate=gate) as url, Load(url, per_second=100) as load:
        came = 2 * VISITORS  # More than may wait at once: the others queue, and their time runs.
        patience.until(lambda: load.seconds > came / 100, "they have come")
        assert load.visits == []
        gate.set()
        patience.until(lambda: len(load.visits) >= came, "all are served")
    first, late = (min(load.visits, key=lambda v: abs(v.at - at)) for at in (0, (VISITORS + 5) / 100))
    assert first.at == 0
    assert first.seconds > came / 100
    assert late.seconds > (came - VISITORS - 6) / 100, "its time began when it came, not when it had its turn"


def test_the_rate_is_kept():
    with page() as url:
        began = time.perf_counter()
        load = visited(url, 40)
    assert max(visit.at for visit in load.visits) <= time.perf_counter() - began
    dues = sorted(visit.at for visit in load.visits)
    assert [round(due * 200) for due in dues] == list(range(len(dues)))


def test_stopping_waits_for_those_who_are_here():
    with page() as url:
        load = Load(url, per_second=100).start()
        assert load.running
        load.stop()
        assert not load.running
        done = len(load.visits)
    assert all(not visit.failed for visit in load.visits)
    assert len(load.visits) == done


def test_notes_say_since_when_who_was_in_which_state():
    load = Load("http://127.0.0.1:1/", per_second=1)
    load.note("a", "serving")
    load.note("a", "gone")
    assert [(note.who, note.state) for note in load.notes] == [("a", "serving"), ("a", "gone")]
    assert load.notes[0].at <= load.notes[1].at
