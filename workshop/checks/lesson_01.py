"""What judges the answers of lesson 01, the contract."""

from types import SimpleNamespace
from typing import Any

from workshop import wire
from workshop.checks.contract import compiled, messages
from workshop.exercises import Answer, NotYet, check, expect
from workshop.repository import PROTO
from workshop.stubs import InvalidContract

# Worked out by hand: a tag, then a value; a text has its length between the two.
ID_2 = bytes.fromhex("08 02")
ID_300 = bytes.fromhex("08 ac 02")
TITLE = bytes.fromhex("12 0d") + b"The Moonstone"
LONG_TITLE = bytes.fromhex("12 c8 01") + 200 * b"a"
# An author who, to a reader that steps over him wrongly, looks like a title.
AUTHOR = bytes.fromhex("1a 05") + b"Poe" + bytes.fromhex("12 01")
USER_7_WANTS_3_OF_SHELF_1 = bytes.fromhex("08 07 10 01 18 03")

LONGEST_MESSAGE = 1000  # More numbers than this are in none of the messages above.


@check(
    "01-1",
    first_nudge="A value is a name, an equals sign and a number that no other value has.",
    can_now="You can let a contract grow: what is new gets a number of its own, and old programs work on.",
)
def a_shelf_for_poetry(answer: Answer) -> None:
    changed, old_program_reads = _pair(answer(_contract()), "the new contract and what the old program reads")
    numbers = {value.name: value.number for enum in _compiled(changed).enum_type for value in enum.value}
    old = {"MYSTERY": 0, "SCIENCE_FICTION": 1, "SELF_HELP": 2}
    for name, number in old.items():
        expect(
            numbers.get(name) == number,
            f"{name} was {number}, and now it is {numbers.get(name, 'gone')}. Old programs go on sending "
            f"{number}. Leave the old values as they are.",
        )
    expect(
        "POETRY" in numbers,
        f"The enum has {', '.join(numbers)}, and no POETRY. By habit the names of values are in capitals.",
    )
    request = _classes(changed).RecommendationRequest(category=numbers["POETRY"])
    read = _classes(_contract()).RecommendationRequest.FromString(request.SerializeToString())
    expect(
        old_program_reads == read.category,
        f"Your contract sends poetry as {numbers['POETRY']}. We had a program of the old contract read that, "
        f"and it did not find {old_program_reads!r}. An enum is a number on the wire. Does reading it need "
        "the name?",
    )


@check(
    "01-2",
    first_nudge="The lowest three bits of a tag are the wire type; what is above them is the field's number.",
    can_now="You can read a message without its class: tag, length, value, and a step over the rest.",
)
def the_bytes_of_the_title(answer: Answer) -> None:
    found = answer(ID_2 + TITLE, _patient_reader())
    expect(
        isinstance(found, bytes | bytearray),
        f"You returned {found!r}. A slice of `message` is wanted: bytes, not yet a text.",
    )
    expect(
        not found or found == b"The Moonstone" or not b"The Moonstone".startswith(found),
        f"You found where the title begins, but returned only {found!r}. A slice ends at a position; the "
        "length counts from where the value begins.",
    )
    expect(
        found == b"The Moonstone",
        f"In 08 02 12 0d 54 68 65 … the title is b'The Moonstone', and you returned {found!r}. Take the "
        "first tag, 08, apart on paper: wire type 0, field 1. Do your shift and your mask give the same?",
    )
    cases = [
        (AUTHOR + TITLE, b"The Moonstone", "with another text, field 3, in front of the title"),
        (ID_300 + TITLE, b"The Moonstone", "with the id 300, which takes two bytes"),
        (ID_2 + LONG_TITLE, 200 * b"a", "with a title so long that its length takes two bytes"),
        (ID_2 + AUTHOR, b"", "without a title"),
    ]
    for message, title, description in cases:
        found = answer(message, _patient_reader())
        expect(
            found == title,
            f"For a message {description} you returned {found!r}. Step over a field that you do not want: "
            "after a length come as many bytes.",
        )


@check(
    "01-3",
    first_nudge="In the bytes a field is only a number. Which number stands in front of the user's?",
    can_now="You can tell a harmless change from one that lies: no number ever gets a second meaning.",
)
def a_silent_break(answer: Answer) -> None:
    changed, reason = _pair(answer(_contract()), "the new contract and the reason")
    read = _classes(changed).RecommendationRequest.FromString(USER_7_WANTS_3_OF_SHELF_1)
    expect(
        read.max_results != 3,
        "User 7 asked for 3 books, and the new reader still reads 3. Nothing is broken yet.",
    )
    expect(
        read.max_results != 0,
        "User 7 asked for 3 books, and the new reader reads 0. The value is lost, and the service would "
        "notice. It is worse where a reader takes one value for another.",
    )
    expect(
        read.max_results == 7,
        f"User 7 asked for 3 books of shelf 1, and the new reader reads max_results = {read.max_results}. "
        "It shall read 7. Which number does the old contract give to user_id?",
    )
    expect(reason in ("A", "B", "C"), f'You gave {reason!r} as the reason; answer with "A", "B" or "C".')
    expect(
        reason != "A",
        "Not A: look for the names in the table of bytes of any message above. They are not there.",
    )
    expect(
        reason != "C",
        "Not C: unknown is only a number that the reader's contract does not have. It has both 1 and 3.",
    )


def _contract() -> str:
    return PROTO.read_text(encoding="utf-8")


def _pair(result: Any, wanted: str) -> tuple[Any, Any]:
    expect(
        isinstance(result, tuple) and len(result) == 2, f"Leave the last line as it was: it returns {wanted}."
    )
    return result


def _compiled(text: Any) -> Any:
    expect(isinstance(text, str), "The contract should be a text. Which line made it something else?")
    try:
        return compiled(text)
    except InvalidContract as refusal:
        raise NotYet(f"The compiler refuses the new contract. In its words:\n{refusal}") from None


def _classes(text: Any) -> SimpleNamespace:
    return messages(_compiled(text))


def _patient_reader() -> Any:
    """A `read_varint` that stops a loop which does not get anywhere."""
    calls = iter(range(LONGEST_MESSAGE))

    def read_varint(data: bytes, position: int) -> tuple[int, int]:
        expect(
            next(calls, None) is not None,
            "Your loop never comes to the end of the message. After each field `position` has to have grown.",
        )
        return wire.read_varint(data, position)

    return read_varint
