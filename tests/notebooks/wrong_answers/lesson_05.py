"""Plausible wrong answers to lesson 05, and a part of the nudge that each must get."""

import math
from collections import deque

import grpc

OURS = "/Recommendations/"


def rate_limit(
    code=grpc.StatusCode.RESOURCE_EXHAUSTED,
    prefix=OURS,
    full=lambda passed, calls: len(passed) >= calls,
    go_on=None,
    counts_refused=False,
    window=1.0,
    forgets=True,
    returns=True,
):
    async def carry_on(continuation, handler_call_details):
        return await continuation(handler_call_details)

    def answer(calls, clock):
        passed = deque()

        async def refuse(request, context):
            await context.abort(code, "too many")

        class RateLimit(grpc.aio.ServerInterceptor):
            async def intercept_service(self, continuation, handler_call_details):
                now = clock()
                while forgets and passed and now - passed[0] >= window:
                    passed.popleft()
                if handler_call_details.method.startswith(prefix):
                    if counts_refused:
                        passed.append(now)
                    if full(passed, calls):
                        return grpc.unary_unary_rpc_method_handler(refuse)
                    if not counts_refused:
                        passed.append(now)
                return await (go_on or carry_on)(continuation, handler_call_details)

        return RateLimit() if returns else None

    return answer


async def answers_itself(continuation, handler_call_details):
    async def ok(request, context):
        return b""

    return grpc.unary_unary_rpc_method_handler(ok)


async def finds_nothing(continuation, handler_call_details):
    await continuation(handler_call_details)


def knocks_do_not_count(calls, clock):
    """Refused calls go into the list, too; who keeps on knocking stays outside."""
    return rate_limit(counts_refused=True, full=lambda passed, calls: len(passed) > calls)(calls, clock)


def longest(spans):
    return max(spans, key=lambda span: span.ms)


def last_to_begin(spans):
    return max(spans, key=lambda span: span.start)


def slowest_leaf(spans):
    parents = {span.parent for span in spans}
    return max((span for span in spans if span.id not in parents), key=lambda span: span.ms)


def takes_its_own_time_off(spans):
    def own_ms(span):
        return span.ms - sum(other.ms for other in spans if other.id == span.id)

    return max(spans, key=own_ms)


def takes_the_parent_off(spans):
    def own_ms(span):
        return span.ms - sum(other.ms for other in spans if other.id == span.parent)

    return max(spans, key=own_ms)


def name_of_the_slow_one(spans):
    children = {s.id: sum(other.ms for other in spans if other.parent == s.id) for s in spans}
    return max(spans, key=lambda span: span.ms - children[span.id]).name


def percentile(add=sum, total=lambda replicas, together: together[math.inf], enough=lambda c, w: c >= w):
    def answer(replicas, share):
        together = {bound: add(replica[bound] for replica in replicas) for bound in replicas[0]}
        wanted = share * total(replicas, together)
        return next((bound for bound, count in together.items() if enough(count, wanted)), None)

    return answer


def average_of_percentiles(replicas, share):
    one = percentile()
    return sum(one([replica], share) for replica in replicas) / len(replicas)


def the_count(replicas, share):
    bound = percentile()(replicas, share)
    return sum(replica[bound] for replica in replicas)


WRONG = [
    ("05-1", "says unavailable", rate_limit(code=grpc.StatusCode.UNAVAILABLE), "ended in UNAVAILABLE"),
    ("05-1", "names no code of gRPC", rate_limit(code="RESOURCE_EXHAUSTED"), "Is that a code of gRPC's?"),
    ("05-1", "limits health checks, too", rate_limit(prefix="/"), "a health check got RESOURCE_EXHAUSTED"),
    ("05-1", "forgets the slash", rate_limit(prefix="Recommendations"), "none was refused"),
    ("05-1", "lets one too many pass", rate_limit(full=lambda p, n: len(p) > n), "4 of 6 passed"),
    ("05-1", "lets one too few pass", rate_limit(full=lambda p, n: len(p) >= n - 1), "call 3 ended in"),
    ("05-1", "stops the service", rate_limit(go_on=finds_nothing), "returned no handler"),
    ("05-1", "answers by itself", rate_limit(go_on=answers_itself), "the service has seen 0 of them"),
    ("05-1", "forgets too early", rate_limit(window=0.5), "After 0.9 s a call passed again"),
    ("05-1", "never forgets", rate_limit(forgets=False), "there is room again"),
    ("05-1", "counts what it refused", knocks_do_not_count, "there is room again"),
    ("05-1", "returns nothing", rate_limit(returns=False), "Return the interceptor"),
    ("05-2", "takes the longest", longest, "It is the longest"),
    ("05-2", "takes the last", last_to_begin, "the page itself is slow"),
    ("05-2", "looks at the lowest only", slowest_leaf, "the page itself is slow"),
    ("05-2", "takes off its own time", takes_its_own_time_off, "It is the longest"),
    ("05-2", "takes off its parent's time", takes_the_parent_off, "It is the longest"),
    ("05-2", "returns the name", name_of_the_slow_one, "Return one of the spans; we got"),
    ("05-3", "takes the largest replica", percentile(add=max), "and you say 0.05"),
    ("05-3", "counts the first replica", percentile(total=lambda r, t: r[0][math.inf]), "and you say 0.05"),
    ("05-3", "averages", average_of_percentiles, "and you say 0.275"),
    ("05-3", "returns the count", the_count, "You say 900"),
    ("05-3", "wants one more", percentile(enough=lambda c, w: c > w), "is enough"),
]
