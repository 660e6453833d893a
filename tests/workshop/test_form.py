"""The form says in one sentence what came of a call."""

import grpc

from workshop.form import Form


class Failure(grpc.RpcError):
    """What a failed call raises."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code, self.details = lambda: code, lambda: details


def answer(outcome: object) -> str:
    def ask(category: str, books: int, user: int) -> list[str]:
        if isinstance(outcome, Exception):
            raise outcome
        assert (category, books, user) == ("MYSTERY", 3, 1)
        return outcome

    return Form(ask, ["MYSTERY", "SELF_HELP"]).answer()


def test_titles_stand_in_a_list_as_text_not_markup():
    html = answer(["Rebecca", "<b>Ubik</b>"])
    assert "<li>Rebecca</li><li>&lt;b&gt;Ubik&lt;/b&gt;</li>" in html


def test_a_service_that_is_not_there_is_one_sentence_with_the_remedy():
    html = answer(Failure(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"))
    assert "<b>UNAVAILABLE</b>. Nobody answers there. Run the cell that starts the service" in html


def test_the_service_s_own_words_are_shown_for_other_codes():
    assert "max_results is -1" in answer(Failure(grpc.StatusCode.INVALID_ARGUMENT, "max_results is -1"))


def test_a_mistake_in_the_learner_s_function_is_shown_too():
    html = answer(NameError("name 'stub' is not defined"))
    assert "<b>NameError</b>. name &#x27;stub&#x27; is not defined" in html
