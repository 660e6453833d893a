"""Take the bytes of a message apart and show what each of them is for.

This is the whole wire format but for groups, which proto3 does not have; it is written down at
https://protobuf.dev/programming-guides/encoding/.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from workshop.svg import COLOURS

WIRE_TYPES = {0: "VARINT", 1: "I64", 2: "LEN", 5: "I32"}
SIZES = {"I64": 8, "I32": 4}
LONGEST_VARINT = 10  # Seven bits in a byte, so ten bytes hold 64 bits.

_LEN_TYPES = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
_LONG = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_SINT64)
_SIGNED = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_ENUM)
_ZIGZAG = (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64)
_FIXED = {  # The wire type, and how `struct` reads it.
    FieldDescriptor.TYPE_DOUBLE: ("I64", "<d"),
    FieldDescriptor.TYPE_FIXED64: ("I64", "<Q"),
    FieldDescriptor.TYPE_SFIXED64: ("I64", "<q"),
    FieldDescriptor.TYPE_FLOAT: ("I32", "<f"),
    FieldDescriptor.TYPE_FIXED32: ("I32", "<I"),
    FieldDescriptor.TYPE_SFIXED32: ("I32", "<i"),
}


class Malformed(ValueError):
    """The bytes are no message: they end too early, or say something that the format does not know."""


@dataclass(frozen=True)
class Row:
    """One field as it stands in the bytes. Tag, length and payload of all rows, joined, are the message.

    Attributes:
        offset: where it begins, counted from the first byte of the outermost message.
        tag: the bytes with the field's number and wire type.
        length: the bytes that say how long the value is; empty unless the wire type is LEN.
        payload: the bytes of the value; empty for a message, whose fields are rows of their own.
        number: the field's number.
        wire_type: VARINT, I64, LEN or I32.
        field: what the contract says of this number; None where it has none, or the wire type does not fit.
        value: what the payload means; a guess where there is no field.
        depth: 0 for a field of the outermost message, 1 for a field of a message in it, and so on.
    """

    offset: int
    tag: bytes
    length: bytes
    payload: bytes
    number: int
    wire_type: str
    field: FieldDescriptor | None
    value: Any
    depth: int

    @property
    def name(self) -> str | None:
        """The field's name, which only the contract knows."""
        return self.field.name if self.field else None


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read one whole number: seven bits in a byte, the lowest first; a byte's top bit says “more follows”.

    Returns:
        the number, and the position behind it.

    Raises:
        Malformed: the bytes end inside the number, or it is longer than 64 bits can be.
    """
    number = 0
    for count, byte in enumerate(data[position : position + LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return number % 2**64, position + count + 1
    if len(data) < position + LONGEST_VARINT:
        raise Malformed(f"the message is cut off inside the number that begins at byte {position}")
    raise Malformed(f"the number at byte {position} does not end within {LONGEST_VARINT} bytes")


def rows(data: bytes, message: type[Message] | Descriptor | None = None) -> list[Row]:
    """Take a serialised message apart, field by field, in the order of the bytes.

    Args:
        data: the bytes.
        message: the message's class or descriptor; without it the fields have no names, since names are
            not in the bytes.

    Raises:
        Malformed: the bytes are no message; it says where they stop being one.
    """
    descriptor: Any = getattr(message, "DESCRIPTOR", message)
    return list(_rows(data, 0, descriptor, 0))


def _rows(data: bytes, position: int, message: Descriptor | None, depth: int) -> Iterator[Row]:
    """The rows of the message that begins at `position` and ends where `data` ends."""
    while position < len(data):
        offset = position
        tag, length_at = read_varint(data, offset)
        number, wire_type = tag >> 3, WIRE_TYPES.get(tag & 7)
        if not number or not wire_type:
            raise Malformed(f"byte {offset} says field {number}, wire type {tag & 7}: no message has that")
        size, value_at = _size(data, length_at, wire_type)
        position = value_at + size
        if position > len(data):
            raise Malformed(
                f"the message is cut off: the value of field {number}, at byte {value_at}, has {size} bytes, "
                f"of which {len(data) - value_at} are here"
            )
        field, payload = _declared(message, number, wire_type), data[value_at:position]
        nested = field.message_type if field else None
        yield Row(
            offset,
            data[offset:length_at],
            data[length_at:value_at],
            b"" if nested else payload,
            number,
            wire_type,
            field,
            None if nested else _value(field, wire_type, payload),
            depth,
        )
        if nested:
            yield from _rows(data[:position], value_at, nested, depth + 1)


def _size(data: bytes, position: int, wire_type: str) -> tuple[int, int]:
    """How many bytes the value has, and where they begin."""
    if wire_type == "LEN":
        return read_varint(data, position)
    if wire_type == "VARINT":
        return read_varint(data, position)[1] - position, position
    return SIZES[wire_type], position


def _wire_type(field: FieldDescriptor) -> str:
    """The wire type that one value of the field has."""
    if field.type in _LEN_TYPES:
        return "LEN"
    return _FIXED[field.type][0] if field.type in _FIXED else "VARINT"


def _declared(message: Descriptor | None, number: int, wire_type: str) -> FieldDescriptor | None:
    """The contract's field of this number, unless its wire type does not fit: then readers do not know it."""
    field = message.fields_by_number.get(number) if message else None
    if field and (wire_type == _wire_type(field) or (wire_type == "LEN" and field.is_repeated)):
        return field
    return None


def _value(field: FieldDescriptor | None, wire_type: str, payload: bytes) -> Any:
    """What the bytes of a value mean; a list where many numbers share one tag."""
    if field is None:
        return _guess(wire_type, payload)
    if wire_type == (one := _wire_type(field)):
        return _single(field, payload)
    values, position = [], 0
    while position < len(payload):
        size, position = _size(payload, position, one)
        if position + size > len(payload):
            raise Malformed(f"the numbers of {field.full_name} are cut off: the last needs {size} bytes")
        values.append(_single(field, payload[position : position + size]))
        position += size
    return values


def _single(field: FieldDescriptor, payload: bytes) -> Any:
    if field.type in _FIXED:
        return struct.unpack(_FIXED[field.type][1], payload)[0]
    if field.type in _LEN_TYPES:
        return payload.decode(errors="replace") if field.type == FieldDescriptor.TYPE_STRING else payload
    number = read_varint(payload, 0)[0]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return bool(number)
    bits = 64 if field.type in _LONG else 32
    number %= 2**bits
    if field.type in _ZIGZAG:
        return (number >> 1) ^ -(number & 1)
    return number - 2**bits if field.type in _SIGNED and number >= 2 ** (bits - 1) else number


def _guess(wire_type: str, payload: bytes) -> Any:
    """What a reader without the contract can say: a number, a text if it looks like one, else bytes."""
    if wire_type == "VARINT":
        return read_varint(payload, 0)[0]
    if wire_type != "LEN":
        return int.from_bytes(payload, "little")
    text = payload.decode(errors="replace")
    return text if text.isprintable() and "\ufffd" not in text else payload


class Table:
    """The bytes of a message as a table: where, which bytes, which field, what they mean.

    Args:
        data: a serialised message.
        message: its class or descriptor, to name the fields.

    Raises:
        Malformed: the bytes are no message.
    """

    HEADINGS = ("Byte", "Bytes", "Field", "Wire type", "Value")
    PARTS = {"tag": ("tag", "lit"), "length": ("length", "cool"), "payload": ("value", "good")}
    SHOWN, LETTERS = 10, 44  # How much of a long value is shown: bytes, and letters of what they mean.

    def __init__(self, data: bytes, message: type[Message] | Descriptor | None = None) -> None:
        self.rows = rows(data, message)
        self.size = len(data)

    def __str__(self) -> str:
        lines = [self.HEADINGS] + [
            (
                str(row.offset),
                self._hex(row),
                "    " * row.depth + self._name(row),
                row.wire_type,
                self._says(row),
            )
            for row in self.rows
        ]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, f"{self.size} bytes"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": str(self)}

    def to_html(self) -> str:
        style = 'style="text-align:left;padding:.25em .9em .25em 0;white-space:nowrap"'
        head = "".join(f'<th scope="col" {style}>{heading}</th>' for heading in self.HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td {style}>{cell}</td>" for cell in self._html_cells(row)) + "</tr>"
            for row in self.rows
        )
        legend = " ".join(_coloured(part, colour) for part, colour in self.PARTS.values())
        return (
            '<div style="overflow-x:auto"><table style="border-collapse:collapse">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<small>{self.size} bytes: {legend}</small></div>"
        )

    def _html_cells(self, row: Row) -> tuple[str, ...]:
        indent = f'<span style="padding-left:{1.6 * row.depth:g}em"></span>'
        hexed = f'<code style="background:none;white-space:nowrap">{self._hex(row, coloured=True)}</code>'
        return (str(row.offset), hexed, indent + self._name(row), row.wire_type, escape(self._says(row)))

    def _hex(self, row: Row, coloured: bool = False) -> str:
        pieces = []
        for part, (_, colour) in self.PARTS.items():
            piece: bytes = getattr(row, part)
            cut = " …" if len(piece) > self.SHOWN else ""
            text = piece[: self.SHOWN].hex(" ") + cut
            if piece:
                pieces.append(_coloured(text, colour) if coloured else text)
        return " ".join(pieces)

    def _name(self, row: Row) -> str:
        return f"{row.number} {row.name or '(no name)'}"

    def _says(self, row: Row) -> str:
        if row.field and row.field.message_type:
            return f"a {row.field.message_type.name}"
        if row.field and row.field.enum_type and row.value in row.field.enum_type.values_by_number:
            return f"{row.value} = {row.field.enum_type.values_by_number[row.value].name}"
        text = repr(row.value)
        return text if len(text) <= self.LETTERS else text[: self.LETTERS] + "…"


def _coloured(text: str, colour: str) -> str:
    return f'<span style="background:{COLOURS[colour]};padding:.1em .35em;border-radius:4px">{text}</span>'
