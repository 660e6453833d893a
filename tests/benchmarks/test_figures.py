"""The figures are read off the reports as they are, and compared the right way round."""

import pytest

from benchmarks import loads
from benchmarks.report import Ratio

WRK = """Running 3s test @ http://172.18.0.3:5000/
  Latency Distribution
     50%   21.96ms
     99%   {p99}
  8344 requests in 3.00s, 10.10MB read
Requests/sec:   2781.40
"""

H2LOAD = """finished in 4.00s, 7869.50 req/s, 1.09MB/s
requests: 23609 total, 23659 started, 23609 done, {done} succeeded, {failed} failed, 0 errored, 0 timeout
"""


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch):
    def say(text: str) -> None:
        monkeypatch.setattr(loads, "_run", lambda *_: text)

    return say


@pytest.mark.parametrize(("p99", "seconds"), [("36.21ms", 0.03621), ("1.25s", 1.25), ("950.00us", 0.00095)])
def test_pages(reports, p99: str, seconds: float):
    reports(WRK.format(p99=p99))
    assert loads.pages("x") == pytest.approx((2781.4, seconds))
    assert loads.visit("x") == 8344


def test_calls(reports):
    reports(H2LOAD.format(done=23609, failed=0))
    assert loads.calls("x") == 7869.5


def test_failures_are_no_throughput(reports):
    reports(H2LOAD.format(done=9, failed=23600))
    with pytest.raises(SystemExit, match="23600 calls failed"):
        loads.calls("x")
    reports(WRK.format(p99="1.00ms") + "  Non-2xx or 3xx responses: 7\n")
    with pytest.raises(SystemExit, match="pages failed"):
        loads.pages("x")


@pytest.mark.parametrize(("target", "more", "met"), [(2, True, True), (3, True, False), (2, False, False)])
def test_a_ratio_is_that_of_the_medians(target: float, more: bool, met: bool):
    ratio = Ratio("pages", "baseline", [5, 1000, 4], [2, 0.1, 2], target, more)
    assert ratio.value == 2.5
    assert ratio.met is met
