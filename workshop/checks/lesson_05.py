"""What judges the answers of lesson 05, watching a service."""

import math
from typing import Any

import grpc

from workshop import recorded_traces
from workshop.checks.limited_server import METHOD, LimitedServer
from workshop.exercises import Answer, check, expect
from workshop.waterfall import Span

CALLS = 3  # In any second, for the server of the check.


class _Clock:
    """A clock that stands still until it is moved, so that no check has to wait."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@check(
    "05-1",
    first_nudge="An interceptor may answer by itself: it returns a handler of its own in place of the next.",
    can_now=(
        "You can protect a service from too many calls, in a code that tells callers to slow down, and "
        "without refusing those who ask whether it is well."
    ),
)
def a_rate_limit(answer: Answer) -> None:
    clock = _Clock()
    interceptor = answer(CALLS, clock)
    expect(
        isinstance(interceptor, grpc.aio.ServerInterceptor),
        "Return the interceptor; the last line of the function does that.",
    )
    with LimitedServer(interceptor) as server:
        first = [server.call() for _ in range(CALLS)]
        _expect_all_pass(first, f"The first {CALLS} calls in a second are allowed")
        expect(
            server.answered == CALLS,
            f"{CALLS} calls came back with OK, and the service has seen {server.answered} of them. "
            "`continuation` finds the handler that should answer.",
        )
        _expect_refused([server.call() for _ in range(CALLS)])
        code, _ = server.check_health()
        expect(
            code == "OK",
            f"While the limit was reached, a health check got {code}. Whoever looks after the service would "
            "restart it, just because it is busy. Which methods are limited?",
        )
        clock.seconds += 0.9
        expect(
            server.call()[0] == "RESOURCE_EXHAUSTED",
            "After 0.9 s a call passed again. The limit is for any second, so those calls still count.",
        )
        clock.seconds += 0.2
        _expect_all_pass(
            [server.call() for _ in range(CALLS)], "More than a second later there is room again"
        )
        clock.seconds += 1.1
        for _ in range(CALLS + 1):
            server.check_health()
        _expect_all_pass([server.call()], "Only health checks came in this second, and they do not count")


def _expect_all_pass(ended: list[tuple[str, str]], why: str) -> None:
    for number, (code, details) in enumerate(ended, start=1):
        expect(
            code != "UNIMPLEMENTED",
            "The server says UNIMPLEMENTED: your interceptor returned no handler. For a call that may "
            "pass, `continuation` finds it.",
        )
        expect(
            code != "UNKNOWN", f"The call ended in UNKNOWN: {details}. Something in your lines raised that."
        )
        expect(code == "OK", f"{why}, but call {number} ended in {code}. When is there no room any more?")


def _expect_refused(ended: list[tuple[str, str]]) -> None:
    passed = [code for code, _ in ended].count("OK")
    expect(
        passed < len(ended),
        f"{CALLS} calls a second are allowed; we made {2 * CALLS}, and none was refused. The methods that "
        f"are limited begin like {METHOD}: with a slash, and the service's name.",
    )
    expect(
        passed == 0,
        f"{CALLS} calls a second are allowed, and {CALLS + passed} of {2 * CALLS} passed. "
        f"With {CALLS} in the list, is there room for one more?",
    )
    code, details = ended[0]
    expect(
        code != "UNKNOWN", f"A call beyond the limit ended in UNKNOWN: {details}. Is that a code of gRPC's?"
    )
    expect(
        code == "RESOURCE_EXHAUSTED",
        f"A call beyond the limit ended in {code}. One code means that a share is used up; the list of "
        "grpc.StatusCode has it.",
    )


@check(
    "05-2",
    first_nudge="The longest span is always the first: it waits for all others. What is left without them?",
    can_now="You can say who is slow, and not only who waits for whom: what tracing tools call self time.",
)
def the_slow_span(answer: Answer) -> None:
    for spans, wanted, story in (
        (recorded_traces.SLOW_SHELF, "d05d25f61cd78c68", "one of three calls is slow"),
        (recorded_traces.SLOW_PAGE, "41712f7e0ca11dfc", "the page itself is slow, after its last call"),
        (recorded_traces.SLOW_WAY, "d18e0aba6b6c5477", "the call is slow before it arrives anywhere"),
    ):
        found = answer(spans)
        expect(isinstance(found, Span), f"Return one of the spans; we got {_short(found)}.")
        longest = max(spans, key=lambda span: span.ms)
        right = next(span for span in spans if span.id == wanted)
        expect(
            found == right or found != longest,
            f"In the trace where {story}, you named {_named(found)}. It is the longest, "
            "but most of that it spends waiting for the spans whose `parent` it is.",
        )
        expect(
            found == right,
            f"In the trace where {story}, you named {_named(found)}, which took {found.ms:.1f} ms "
            "with its children. Take off what its children took, only once, and compare what is left.",
        )


def _named(span: Span) -> str:
    return f"“{span.name}” of {span.service}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}…"


# Bound in seconds → how many requests took at most that long; worked out by hand.
BUSY = {0.01: 900, 0.05: 985, 0.1: 990, 0.5: 990, math.inf: 990}
SLOW = {0.01: 0, 0.05: 0, 0.1: 2, 0.5: 10, math.inf: 10}
QUIET = {0.01: 10, 0.05: 10, 0.1: 10, 0.5: 10, math.inf: 10}


@check(
    "05-3",
    first_nudge="Percentiles of two replicas cannot be put together any more; their buckets can.",
    can_now=(
        "You can take the percentile of a whole service from the buckets of its replicas, which no "
        "average of percentiles gives you."
    ),
)
def a_percentile_of_all_replicas(answer: Answer) -> None:
    alone = answer([BUSY], 0.5)
    expect(
        alone == 0.01,
        f"One replica; half of its 990 requests took at most 0.01 s. You say {alone}. Which is the first "
        "bucket that holds enough?",
    )
    both = answer([BUSY, SLOW], 0.99)
    expect(
        both == 0.1,
        "Two replicas have answered 1000 requests together, of which 985 took at most 0.05 s and 992 at most "
        f"0.1 s. So the 99th percentile is 0.1, and you say {both}. "
        "What is added up, bound by bound, and how many are wanted of how many?",
    )
    edge = answer([QUIET, QUIET], 1.0)
    expect(
        edge == 0.01,
        f"All of 20 requests took at most 0.01 s, and you say that 100 % of them needed {edge}. "
        "A bucket that holds exactly as many as are wanted is enough.",
    )
