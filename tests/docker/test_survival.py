"""Whatever happens to Recommendations, visitors get a page, in time, and soon one with books again.

The machines that run this are shared: a few pages may be late for reasons of their own.
"""

from collections.abc import Callable
from contextlib import ExitStack

import grpc
import pytest

from workshop import cleanup

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from visitors import Visits, visit
from waiting import page, published_port, until

RATE = 100  # Pages a second.
PAGE_SECONDS = 0.5 + 0.1  # The Marketplace's deadline for Recommendations, and something for the rest.
RECOVERY_SECONDS = 2

LOCKED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}

# The service as it is; but while there is a file /tmp/slow, every call takes so many seconds.
MOODY = """
import asyncio, os, recommendations
class Moody(recommendations.RecommendationsServicer):
    async def Recommend(self, request, context):
        if os.path.exists("/tmp/slow"):
            await asyncio.sleep(float(open("/tmp/slow").read()))
        return await super().Recommend(request, context)
recommendations.RecommendationsServicer = Moody
recommendations.main()
"""


class Shop:
    """Both services on a network of their own, locked down as everywhere."""

    def __init__(self, client, run, replicas: int = 1) -> None:
        self._client, self._run = client, run
        self.network = client.networks.create("survival", labels=cleanup.LABELS)
        self.replicas = [self.start_recommendations() for _ in range(replicas)]
        self.recommendations = self.replicas[0]
        self.marketplace = run(
            "marketplace",
            network="survival",
            environment={"RECOMMENDATIONS_HOST": "recommendations"},
            ports={"5000/tcp": ("127.0.0.1", None)},
            **LOCKED,
        )
        self.port = published_port(self.marketplace, "5000/tcp")
        until(lambda: "data-book-id" in page(self.port), "the shop shows books")

    def start_recommendations(self):
        container = self._run(
            "recommendations",
            command=["python", "-c", MOODY],
            network="survival",
            networking_config={"survival": self._endpoint()},
            tmpfs={"/tmp": "mode=1777"},
            ports={"50051/tcp": ("127.0.0.1", None)},
            **LOCKED,
        )
        self.wait_until_it_answers(container)
        return container

    def wait_until_it_answers(self, container) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{published_port(container, '50051/tcp')}") as channel:
            grpc.channel_ready_future(channel).result(timeout=60)

    def disconnect(self) -> None:
        self.network.disconnect(self.recommendations)

    def connect(self) -> None:
        self.network.connect(self.recommendations, aliases=["recommendations"])

    def kill(self) -> None:
        self.recommendations.kill("SIGKILL")

    def start_again(self) -> None:
        self.recommendations.start()
        self.wait_until_it_answers(self.recommendations)

    def freeze(self) -> None:
        self.recommendations.pause()

    def thaw(self) -> None:
        self.recommendations.unpause()

    def slow_down(self, seconds: float = 5) -> None:
        write = ["sh", "-c", f"echo {seconds} > /tmp/new && mv /tmp/new /tmp/slow"]
        assert self.recommendations.exec_run(write).exit_code == 0

    def speed_up(self) -> None:
        assert self.recommendations.exec_run(["rm", "/tmp/slow"]).exit_code == 0

    def visit(self, seconds: float, *events, rate: int = RATE) -> tuple[Visits, list[float]]:
        return visit(f"http://127.0.0.1:{self.port}/", rate, seconds, *events)

    def _endpoint(self):
        return self._client.api.create_endpoint_config(aliases=["recommendations"])


@pytest.fixture
def shop(client, run) -> Shop:
    cleanup.start_over(client)
    return Shop(client, run)


@pytest.fixture
def shop_of_two(client, run) -> Shop:
    cleanup.start_over(client)
    return Shop(client, run, replicas=2)


def check_that_nobody_suffered(visits: Visits) -> None:
    assert visits.failed == 0
    assert visits.late(PAGE_SECONDS) <= len(visits) // 100
    assert visits.late(2 * PAGE_SECONDS) == 0


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        pytest.param(Shop.kill, Shop.start_again, id="kill -9"),
        pytest.param(Shop.disconnect, Shop.connect, id="no network"),
        pytest.param(Shop.freeze, Shop.thaw, id="frozen"),
        pytest.param(Shop.slow_down, Shop.speed_up, id="slow"),
    ],
)
def test_the_page_answers_in_time_and_recovers_by_itself(
    shop: Shop, harm: Callable[[Shop], None], mend: Callable[[Shop], None]
):
    visits, (_, mended) = shop.visit(10, (1, lambda: harm(shop)), (4, lambda: mend(shop)))
    check_that_nobody_suffered(visits)
    assert visits.without_books(since=2, until=4) == 2 * RATE, "the harm was felt"
    assert visits.without_books(since=mended + RECOVERY_SECONDS) == 0


@pytest.mark.parametrize("seconds", [0.03, 0.07, 0.3])
def test_a_recommendations_that_is_a_little_slow_does_not_slow_the_page_down_more_and_more(
    shop: Shop, seconds: float
):
    shop.slow_down(seconds)
    visits, _ = shop.visit(5, rate=2 * RATE)
    check_that_nobody_suffered(visits)
    assert visits.without_books() < len(visits), "whom it has time for, it serves"


def test_of_two_behind_one_name_a_frozen_one_is_left_out(shop_of_two: Shop):
    shop = shop_of_two
    visits, _ = shop.visit(7, (1, shop.freeze))
    check_that_nobody_suffered(visits)
    assert visits.without_books(since=1, until=2), "it was felt"
    assert visits.without_books(since=4) == 0


def test_a_recommendations_with_no_room_left_does_not_stop_the_page(shop: Shop):
    shop.slow_down()
    address = f"127.0.0.1:{published_port(shop.recommendations, '50051/tcp')}"
    with ExitStack() as channels:
        taken = []
        for _ in range(6):  # One connection may have 200 calls, all together 1000.
            own = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
            stub = pb_grpc.RecommendationsStub(channels.enter_context(own))
            taken += [stub.Recommend.future(pb.RecommendationRequest(max_results=1)) for _ in range(200)]
        until(lambda: any(call.done() for call in taken), "somebody is refused")
        refused = {call.code() for call in taken if call.done()}
        visits, _ = shop.visit(2)
    assert refused == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    check_that_nobody_suffered(visits)
    assert visits.without_books() == len(visits)


def calls(container) -> int:
    return container.logs().count(b'"message": "call"')


def test_two_behind_one_name_are_replaced_under_load_with_no_failed_page(shop_of_two: Shop):
    shop, old = shop_of_two, list(shop_of_two.replicas)

    def replace_one() -> None:
        shop.start_recommendations()
        going = old.pop()
        going.stop(timeout=10)
        assert going.wait()["StatusCode"] == 0

    visits, moments = shop.visit(8, (1, replace_one), (4, replace_one), rate=500)
    assert len(moments) == 2
    assert visits.failed == 0
    assert visits.without_books() == 0
    first, second = map(calls, shop.replicas)
    assert min(first, second) > 200, f"the calls went to both in turn: {first} and {second}"
