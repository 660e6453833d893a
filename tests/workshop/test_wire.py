"""The table of bytes says what the bytes say; every byte here is worked out by hand."""

from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import SourceCodeInfo, UninterpretedOption
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st

from workshop import wire
from workshop.checks.contract import compiled, messages

from recommendations_pb2 import BookRecommendation, RecommendationRequest, RecommendationResponse

EMMA = bytes.fromhex("08 ac 02 12 04 45 6d 6d 61")


def summary(row: wire.Row) -> tuple[Any, ...]:
    return (row.offset, row.depth, row.number, row.wire_type, row.name, row.value)


@pytest.mark.parametrize(
    ("data", "number", "behind"),
    [
        ("00", 0, 1),
        ("01", 1, 1),
        ("7f", 127, 1),
        ("80 01", 128, 2),
        ("ac 02", 300, 2),
        ("ff" * 9 + "01", 2**64 - 1, 10),
    ],
)
def test_a_varint_has_seven_bits_a_byte_lowest_first(data: str, number: int, behind: int):
    assert wire.read_varint(bytes.fromhex(data), 0) == (number, behind)


def test_a_varint_is_read_where_it_begins():
    assert wire.read_varint(EMMA, 1) == (300, 3)


def test_each_field_is_a_row_with_its_name_and_value():
    rows = wire.rows(EMMA, BookRecommendation)
    assert [summary(row) for row in rows] == [
        (0, 0, 1, "VARINT", "id", 300),
        (3, 0, 2, "LEN", "title", "Emma"),
    ]
    assert (rows[1].tag, rows[1].length, rows[1].payload) == (b"\x12", b"\x04", b"Emma")


def test_without_a_class_there_are_no_names():
    assert [(row.number, row.name, row.value) for row in wire.rows(EMMA)] == [
        (1, None, 300),
        (2, None, "Emma"),
    ]


def test_a_message_in_a_message_stands_one_step_deeper():
    data = bytes.fromhex("0a 09") + EMMA
    assert [summary(row) for row in wire.rows(data, RecommendationResponse)] == [
        (0, 0, 1, "LEN", "recommendations", None),
        (2, 1, 1, "VARINT", "id", 300),
        (5, 1, 2, "LEN", "title", "Emma"),
    ]


def test_a_negative_number_takes_ten_bytes():
    (row,) = wire.rows(bytes.fromhex("08 ff ff ff ff ff ff ff ff ff 01"), RecommendationRequest)
    assert (row.value, len(row.payload)) == (-1, 10)


def test_a_double_has_eight_bytes_and_is_read_with_its_class():
    data = bytes.fromhex("11 00 00 00 00 00 00 f8 3f")
    assert summary(wire.rows(data, Value)[0]) == (0, 0, 2, "I64", "number_value", 1.5)


def test_four_bytes_without_a_class_are_a_whole_number():
    assert summary(wire.rows(bytes.fromhex("0d 01 02 00 00"))[0]) == (0, 0, 1, "I32", None, 513)


def test_many_numbers_behind_one_tag_are_a_list():
    (row,) = wire.rows(bytes.fromhex("0a 03 04 ac 02"), SourceCodeInfo.Location)
    assert (row.name, row.value) == ("path", [4, 300])


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("sint32", "08 03", -2),
        ("uint32", "08 ff ff ff ff 0f", 4294967295),
        ("int64", "08 fe ff ff ff ff ff ff ff ff 01", -2),
        ("bool", "08 01", True),
        ("bytes", "0a 02 ff 00", b"\xff\x00"),
        ("float", "0d 00 00 c0 3f", 1.5),
        ("sfixed64", "09 fe ff ff ff ff ff ff ff", -2),
        ("repeated fixed32", "0a 08 01 00 00 00 02 01 00 00", [1, 258]),
    ],
)
def test_a_value_is_read_as_its_declared_type(kind: str, data: str, value: Any):
    declared = messages(compiled(f'syntax = "proto3"; message One {{ {kind} field = 1; }}')).One
    assert [row.value for row in wire.rows(bytes.fromhex(data), declared)] == [value]


def test_a_list_of_numbers_that_ends_too_early_is_refused():
    declared = messages(compiled('syntax = "proto3"; message Many { repeated fixed32 all = 1; }')).Many
    with pytest.raises(wire.Malformed, match="Many.all are cut off"):
        wire.rows(bytes.fromhex("0a 03 01 00 00"), declared)


@pytest.mark.parametrize("data", ["18 07", "0a 01 37"], ids=["unknown number", "unexpected wire type"])
def test_what_does_not_fit_the_contract_has_no_name(data: str):
    assert [row.name for row in wire.rows(bytes.fromhex(data), BookRecommendation)] == [None]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("08", "cut off inside the number that begins at byte 1"),
        ("08 ac", "cut off inside the number that begins at byte 1"),
        ("08 01 12 04 45 6d", "the value of field 2, at byte 4, has 4 bytes, of which 2 are here"),
        ("11 00 00", "the value of field 2, at byte 1, has 8 bytes, of which 2 are here"),
        ("08" + "ff" * 10, "byte 1 does not end within 10 bytes"),
        ("00 01", "byte 0 says field 0, wire type 0"),
        ("0b", "byte 0 says field 1, wire type 3"),
    ],
)
def test_bytes_that_are_no_message_are_refused_with_the_place(data: str, says: str):
    with pytest.raises(wire.Malformed, match=says):
        wire.rows(bytes.fromhex(data), BookRecommendation)


def test_the_table_reads_as_text():
    data = bytes.fromhex("0a 09") + EMMA
    assert str(wire.Table(data, RecommendationResponse)).splitlines() == [
        "Byte  Bytes              Field              Wire type  Value",
        "0     0a 09              1 recommendations  LEN        a BookRecommendation",
        "2     08 ac 02               1 id           VARINT     300",
        "5     12 04 45 6d 6d 61      2 title        LEN        'Emma'",
        "11 bytes",
    ]


def test_the_table_names_the_values_of_an_enum():
    assert "2 = SELF_HELP" in str(wire.Table(bytes.fromhex("10 02"), RecommendationRequest))


def test_the_table_escapes_what_the_bytes_say():
    html = wire.Table(BookRecommendation(title="<b>").SerializeToString(), BookRecommendation).to_html()
    assert "&lt;b&gt;" in html and "<b>" not in html


PARTS = st.builds(UninterpretedOption.NamePart, name_part=st.text(max_size=20), is_extension=st.booleans())
ANY_MESSAGE = st.builds(
    UninterpretedOption,
    name=st.lists(PARTS, max_size=3),
    identifier_value=st.text(max_size=200),
    positive_int_value=st.integers(0, 2**64 - 1),
    negative_int_value=st.integers(-(2**63), 2**63 - 1),
    double_value=st.floats(allow_nan=False),
    string_value=st.binary(max_size=200),
)


@given(ANY_MESSAGE)
def test_the_rows_of_any_message_build_it_again(message: UninterpretedOption):
    data = message.SerializeToString()
    rows = wire.rows(data, UninterpretedOption)
    assert b"".join(row.tag + row.length + row.payload for row in rows) == data
    assert _built(rows) == message


@given(ANY_MESSAGE, st.data())
def test_any_part_of_a_message_is_a_message_or_malformed(message: UninterpretedOption, draw: st.DataObject):
    data = message.SerializeToString()
    cut = data[: draw.draw(st.integers(0, len(data)))]
    try:
        rows = wire.rows(cut, UninterpretedOption)
    except wire.Malformed:
        with pytest.raises(DecodeError):
            UninterpretedOption.FromString(cut)
    else:
        assert b"".join(row.tag + row.length + row.payload for row in rows) == cut


def _built(rows: list[wire.Row]) -> Message:
    """The message that the rows describe."""
    message = descriptor_pb2.UninterpretedOption()
    for row in rows:
        if row.value is None:
            message.name.add()
        else:
            setattr(message.name[-1] if row.depth else message, row.name or "", row.value)
    return message
