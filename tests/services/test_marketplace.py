"""The Marketplace shows what Recommendations picks, and stays up without it."""

import html
import json
import threading
import urllib.error
import urllib.request

import pytest

from processes import MARKETPLACE, RECOMMENDATIONS, Running, Start, free_port, run_to_its_end
from recommender import DEADLINE_SECONDS

FLASK = ["-m", "flask", "run"]
SERVER = ["server.py"]

# A contract-keeping service that answers after a while, in titles that a browser could misread.
STRANGER = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
import grpc, recommendations_pb2 as pb, recommendations_pb2_grpc as pb_grpc
class Servicer(pb_grpc.RecommendationsServicer):
    def Recommend(self, request, context):
        print("asked", flush=True)
        time.sleep(float(os.environ["DELAY"]))
        return pb.RecommendationResponse(recommendations=[{"id": 1, "title": "<script>1</script>"}])
server = grpc.server(ThreadPoolExecutor(4))
pb_grpc.add_RecommendationsServicer_to_server(Servicer(), server)
server.add_insecure_port(f"[::]:{os.environ['PORT']}")
server.start()
server.wait_for_termination()
"""

# The service as it is, but with a health that says: send me nothing.
RESTING = """
import recommendations
from grpc_health.v1.health_pb2 import HealthCheckResponse
create = recommendations.create_server
async def create_server(address):
    server, port, checks = await create(address)
    await checks.set("Recommendations", HealthCheckResponse.NOT_SERVING)
    return server, port, checks
recommendations.create_server = create_server
recommendations.main()
"""


def get(service: Running, path: str = "/") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://localhost:{service.port}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def start_marketplace(start: Start, recommendations_port: int, command: list[str] = SERVER) -> Running:
    port = str(free_port())
    environment = {"FLASK_APP": "marketplace.py", "FLASK_RUN_PORT": port, "PORT": port}
    environment |= {"RECOMMENDATIONS_HOST": "localhost", "RECOMMENDATIONS_PORT": str(recommendations_port)}
    return start(command, MARKETPLACE, **environment)


@pytest.fixture
def marketplace(start: Start, recommendations: Running) -> Running:
    return start_marketplace(start, recommendations.port)


def test_flask_run_shows_three_books(start: Start, recommendations: Running):
    status, page = get(start_marketplace(start, recommendations.port, FLASK))
    assert status == 200
    assert page.count("data-book-id") == 3


@pytest.mark.parametrize(
    ("category", "word"), [("MYSTERY", "mystery"), ("SCIENCE_FICTION", "science fiction")]
)
def test_the_chooser_picks_the_shelf(marketplace: Running, category: str, word: str):
    shelves = json.loads((RECOMMENDATIONS / "books.json").read_text("utf-8"))
    status, page = get(marketplace, f"/?category={category}")
    assert status == 200
    assert f"Picked for you in {word}" in page
    assert f'href="?category={category}" aria-current="page"' in page
    shown = [book for book in shelves[category] if f'data-book-id="{book["id"]}"' in page]
    assert len(shown) == 3
    assert all(html.escape(book["title"]).replace("&#x27;", "&#39;") in page for book in shown)


@pytest.mark.parametrize("category", ["COOKING", "0", "", "%3Cscript%3E", "x" * 3000, "%ff%00"])
def test_a_shelf_that_does_not_exist_is_not_found(marketplace: Running, category: str):
    status, page = get(marketplace, f"/?category={category}")
    assert status == 404
    assert "There is no shelf called" in page
    assert "<script>" not in page


def test_without_recommendations_the_page_answers_with_a_note(start: Start):
    service = start_marketplace(start, free_port())
    status, page = get(service)
    assert status == 200
    assert "taking a break" in page
    assert "data-book-id" not in page
    assert '"code": "UNAVAILABLE"' in service.log


def test_it_recovers_when_recommendations_comes_back(start: Start):
    port = free_port()
    service = start_marketplace(start, port)
    assert "taking a break" in get(service)[1]
    start(["recommendations.py"], RECOMMENDATIONS, PORT=str(port))
    waiting = threading.Event()
    pages = (get(service)[1] for _ in range(100) if not waiting.wait(0.1))
    assert any("data-book-id" in page for page in pages)


def test_a_late_answer_is_a_note_too(start: Start):
    stranger = start(["-c", STRANGER], RECOMMENDATIONS, DELAY=str(DEADLINE_SECONDS + 1))
    service = start_marketplace(start, stranger.port)
    status, page = get(service)
    assert status == 200
    assert "taking a break" in page
    assert "DEADLINE_EXCEEDED" in service.log


def test_one_that_says_not_serving_is_sent_no_call(start: Start):
    resting = start(["-c", RESTING], RECOMMENDATIONS)
    service = start_marketplace(start, resting.port)
    for _ in range(5):
        assert "taking a break" in get(service)[1]
    assert (service.stop(), resting.stop()) == (0, 0)
    assert "backend unhealthy" in service.log
    assert '"message": "call"' not in resting.log


def test_titles_are_text_not_markup(start: Start):
    stranger = start(["-c", STRANGER], RECOMMENDATIONS, DELAY="0")
    page = get(start_marketplace(start, stranger.port))[1]
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert "<script>" not in page


def test_probes_answer_with_and_without_recommendations(start: Start, marketplace: Running):
    assert get(marketplace, "/healthz") == (200, '{"status":"alive"}\n')
    assert json.loads(get(marketplace, "/readyz")[1]) == {"status": "ready", "recommendations": "reachable"}
    status, body = get(start_marketplace(start, free_port()), "/readyz")
    assert (status, json.loads(body)["recommendations"]) == (200, "unreachable")


def test_each_request_leaves_one_json_line_and_probes_leave_none(marketplace: Running):
    for path in ("/", "/healthz", "/readyz", "/nothing"):
        get(marketplace, path)
    assert marketplace.stop() == 0
    lines = [json.loads(line) for line in marketplace.log.splitlines()]
    requests = [(line["path"], line["code"]) for line in lines if line["message"] == "request"]
    assert requests == [("/", 200), ("/nothing", 404)]


def test_sigterm_lets_the_request_in_flight_finish(start: Start):
    stranger = start(["-c", STRANGER], RECOMMENDATIONS, DELAY=str(DEADLINE_SECONDS * 0.8))
    service = start_marketplace(start, stranger.port)
    answers: list[tuple[int, str]] = []
    request = threading.Thread(target=lambda: answers.append(get(service)))
    request.start()
    asked = threading.Event()
    while "asked" not in stranger.log and not asked.wait(0.01):
        pass
    assert service.stop() == 0
    request.join()
    assert answers[0][0] == 200
    assert "data-book-id" in answers[0][1]


def test_the_page_names_nothing_by_an_absolute_path(start: Start):
    """So it works behind any prefix; test_page_in_browser.py tries one."""
    page = get(start_marketplace(start, free_port()))[1]
    assert 'href="/' not in page
    assert 'src="/' not in page


def test_a_port_that_is_taken_ends_it_with_one_sentence(marketplace: Running):
    second = run_to_its_end(["server.py"], MARKETPLACE, PORT=str(marketplace.port))
    assert second.returncode == 1
    assert f"cannot listen on port {marketplace.port}" in second.stdout
    assert "Traceback" not in second.stdout + second.stderr
