"""Callers who get stuck leave room for the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bulkhead import Bulkhead, Full

NEVER = 3600.0


def test_a_free_place_costs_no_time():
    assert Bulkhead(places=1, patience=NEVER, limit=NEVER).enter() == 0


def test_while_nothing_moves_there_is_no_place_for_more():
    bulkhead = Bulkhead(places=2, patience=0.01, limit=NEVER)
    bulkhead.enter()
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()


def test_once_stuck_others_are_turned_away_without_waiting():
    bulkhead = Bulkhead(places=1, patience=0.01, limit=NEVER)
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()
    bulkhead._patience = NEVER  # Who waits now, waits for ever.
    with pytest.raises(Full):
        bulkhead.enter()


def test_a_place_that_was_given_back_can_be_taken_though_the_service_was_stuck():
    bulkhead = Bulkhead(places=1, patience=0.01, limit=NEVER)
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()
    bulkhead.leave(seconds=1)
    assert bulkhead.enter() == 0


def test_late_answers_are_no_sign_that_all_is_well():
    bulkhead = Bulkhead(places=2, patience=0.01, limit=NEVER)
    bulkhead.enter()
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()
    bulkhead._patience = NEVER  # Who waits now, waits for ever.
    bulkhead.leave(seconds=NEVER)
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()


def test_a_prompt_answer_makes_others_wait_again_until_they_have_a_place():
    bulkhead = Bulkhead(places=1, patience=0.01, limit=NEVER)
    bulkhead.enter()
    with pytest.raises(Full):
        bulkhead.enter()
    bulkhead.leave(seconds=0)
    bulkhead.enter()
    bulkhead._patience = NEVER
    waiting = threading.Event()

    def take() -> float:
        waiting.set()
        return bulkhead.enter()

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(take)
        assert waiting.wait(10)
        bulkhead.leave(seconds=0)
        assert taken.result(timeout=10) >= 0


def test_nobody_waits_beyond_the_limit_even_while_answers_come():
    bulkhead = Bulkhead(places=1, patience=0.01, limit=0.1)
    waits = []

    class OthersAreAlwaysFaster:
        def acquire(self, blocking: bool = True, timeout: float = 0) -> bool:
            if blocking:
                waits.append(timeout)
                time.sleep(timeout)
                bulkhead._prompt_answers += 1
            return False

    bulkhead._places = OthersAreAlwaysFaster()
    with pytest.raises(Full):
        bulkhead.enter()
    assert len(waits) > 1, "it was not turned away as from a service that is stuck"
    assert sum(waits) <= 0.1
    assert not bulkhead._stuck


def test_a_place_cannot_be_given_back_twice():
    bulkhead = Bulkhead(places=1, patience=NEVER, limit=NEVER)
    bulkhead.enter()
    bulkhead.leave(seconds=0)
    with pytest.raises(ValueError):
        bulkhead.leave(seconds=0)
