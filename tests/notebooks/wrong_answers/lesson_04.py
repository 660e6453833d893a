"""Plausible wrong answers to lesson 04, and a part of the nudge that each must get.

Every answer is a test, and its check hands its text to pytest: so they are plain functions.
"""

import psutil
import pytest
import requests


def test_asks_for_three(ask):
    code, books = ask(user_id=1, category="MYSTERY", max_results=3)
    assert code == "OK"
    assert len({book.id for book in books}) == 3


def test_asks_for_exactly_the_shelf(ask):
    code, books = ask(user_id=1, category="MYSTERY", max_results=24)
    assert code == "OK"
    assert len({book.id for book in books}) == 24


def test_looks_at_the_code_only(ask):
    code, books = ask(user_id=1, category="MYSTERY", max_results=1000)
    assert code == "OK"
    assert books


def test_counts_lines(ask):
    code, books = ask(user_id=1, category="MYSTERY", max_results=1000)
    assert code == "OK"
    assert len(books) == 24


def test_expects_an_error(ask):
    code, books = ask(user_id=1, category="MYSTERY", max_results=1000)
    assert code == "INVALID_ARGUMENT"


def test_wants_another_fixture(asking):
    assert asking(max_results=1000)


def test_equal_values(ask, shelves):
    user, shelf, count = 3, "SELF_HELP", 3
    code, books = ask(user_id=user, category=shelf, max_results=count)
    assert (code, len(books)) == ("OK", count)
    for book in books:
        assert shelves[shelf].get(book.id) == book.title


def test_user_like_the_shelf(ask, shelves):
    user, shelf, count = 1, "SCIENCE_FICTION", 3
    code, books = ask(user_id=user, category=shelf, max_results=count)
    assert (code, len(books)) == ("OK", count)
    for book in books:
        assert shelves[shelf].get(book.id) == book.title


def test_the_first_shelf(ask, shelves):
    user, shelf, count = 5, "MYSTERY", 3
    code, books = ask(user_id=user, category=shelf, max_results=count)
    assert (code, len(books)) == ("OK", count)
    for book in books:
        assert shelves[shelf].get(book.id) == book.title


def test_count_like_the_shelf(ask, shelves):
    user, shelf, count = 5, "SELF_HELP", 2
    code, books = ask(user_id=user, category=shelf, max_results=count)
    assert (code, len(books)) == ("OK", count)
    for book in books:
        assert shelves[shelf].get(book.id) == book.title


def test_ids_only(ask, shelves):
    code, books = ask(user_id=5, category="SELF_HELP", max_results=3)
    assert (code, len(books)) == ("OK", 3)
    assert all(book.id in shelves["SELF_HELP"] for book in books)


def test_titles_only(ask, shelves):
    code, books = ask(user_id=5, category="SELF_HELP", max_results=3)
    assert (code, len(books)) == ("OK", 3)
    assert all(book.title in shelves["SELF_HELP"].values() for book in books)


def test_title_against_id(ask, shelves):
    code, books = ask(user_id=5, category="SELF_HELP", max_results=3)
    for book in books:
        assert shelves["SELF_HELP"].get(book.title) == book.id


def test_does_not_count(ask, shelves):
    code, books = ask(user_id=1, category="SELF_HELP", max_results=3)
    assert code == "OK"
    assert all(shelves["SELF_HELP"].get(book.id) == book.title for book in books)


def test_patient_visitor(visit, recommendations):
    assert visit("/").text.count("data-book-id") == 3
    psutil.Process(recommendations.pid).suspend()
    with pytest.raises(requests.Timeout):
        visit("/", timeout=0.1)


def test_waits_ten_seconds(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    page = visit("/", timeout=10)
    assert page.status_code == 200
    assert "taking a break" in page.text


def test_waits_for_ever(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    page = visit("/", timeout=None)
    assert page.status_code == 200
    assert "taking a break" in page.text


def test_nothing_freezes(visit, recommendations):
    page = visit("/", timeout=1)
    assert page.status_code == 200


def test_expects_bad_gateway(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    assert visit("/", timeout=1).status_code == 502


def test_any_page_will_do(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    assert "Online Books" in visit("/", timeout=1).text


def test_any_page_with_any_status(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    assert visit("/", timeout=1)  # A response is true when its status says that all is well.


def test_status_of_no_interest(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    assert visit("/", timeout=1).text


def test_impatient(visit, recommendations):
    psutil.Process(recommendations.pid).suspend()
    page = visit("/", timeout=0.1)
    assert "taking a break" in page.text


def test_freezes_the_service_not_its_process(visit, recommendations):
    psutil.Process(recommendations).suspend()


not_a_function = lambda ask: None  # noqa: E731

WRONG = [
    ("04-1", "asks for three", test_asks_for_three, "more than the 24"),
    ("04-1", "asks for exactly the shelf", test_asks_for_exactly_the_shelf, "more than the 24"),
    ("04-1", "looks at the code only", test_looks_at_the_code_only, "One of 24 is missing"),
    ("04-1", "counts lines", test_counts_lines, "Count the different ones"),
    ("04-1", "expects an error", test_expects_an_error, "'OK' == 'INVALID_ARGUMENT'"),
    ("04-1", "wants another fixture", test_wants_another_fixture, "fixture 'asking' not found"),
    ("04-1", "is no function", not_a_function, "`def test_…`"),
    ("04-2", "takes equal values", test_equal_values, "no two are alike"),
    (
        "04-2",
        "takes the shelf's number",
        test_user_like_the_shelf,
        "The shelf has a number, too",
    ),
    ("04-2", "asks for the shelf's number", test_count_like_the_shelf, "Ask for another number of books"),
    ("04-2", "takes the first shelf", test_the_first_shelf, "0 is not even sent"),
    ("04-2", "looks at ids only", test_ids_only, "does not look at the title"),
    ("04-2", "looks at titles only", test_titles_only, "does not look at the id"),
    ("04-2", "takes the title for the id", test_title_against_id, "fails against the healthy services"),
    ("04-2", "does not count", test_does_not_count, "how many books came"),
    ("04-3", "expects the page to hang", test_patient_visitor, "waits three seconds"),
    ("04-3", "waits ten seconds", test_waits_ten_seconds, "Does your visitor give up soon after that?"),
    ("04-3", "waits for ever", test_waits_for_ever, "Does your visitor give up soon after that?"),
    ("04-3", "freezes nothing", test_nothing_freezes, "Is it Recommendations that you suspend"),
    ("04-3", "expects bad gateway", test_expects_bad_gateway, "assert 200 == 502"),
    ("04-3", "takes any page", test_any_page_will_do, "words of the note"),
    ("04-3", "takes any status", test_status_of_no_interest, "Which status"),
    ("04-3", "takes any good status", test_any_page_with_any_status, "words of the note"),
    ("04-3", "is impatient", test_impatient, "Read timed out"),
    (
        "04-3",
        "suspends an object",
        test_freezes_the_service_not_its_process,
        "psutil.Process(recommendations)",
    ),
]
