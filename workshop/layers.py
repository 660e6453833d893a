"""Pictures of what an image is made of: its layers and their sizes, to scale."""

import re
from typing import NamedTuple

from docker.models.images import Image

from workshop import svg

WIDTH = 820
TEXT_WIDTH, BAR_WIDTH = 470, 260
ROW = 30
MAX_CHARACTERS = 66

# What the builders write around an instruction in an image's history.
WRAPPING = [
    (re.compile(r"^\|\d+ .*?(?=/bin/sh -c )"), ""),  # The build arguments of a RUN.
    (re.compile(r"^/bin/sh -c #\(nop\)\s*"), ""),
    (re.compile(r"^(RUN )?/bin/sh -c "), "RUN "),
    (re.compile(r"\s*# buildkit$"), ""),
    # The classic builder keeps the content's checksum, not the names of what was copied.
    (re.compile(r"\bdir:[0-9a-f]{64} in "), "(a folder) to "),
    (re.compile(r"\bfile:[0-9a-f]{64} in "), "(a file) to "),
    (re.compile(r"\bmulti:[0-9a-f]{64} in "), "(files) to "),
    (re.compile(r"\s+"), " "),
]


class Layer(NamedTuple):
    """One entry of an image's history.

    Attributes:
        instruction: the Dockerfile's instruction, as far as the image remembers it.
        size: what it added, in bytes.
    """

    instruction: str
    size: int


def on_top(image: Image, base: Image) -> list[Layer]:
    """The layers that an image adds to its base, lowest first.

    Args:
        image: the image, e.g. `client.images.get("recommendations")`.
        base: the image that its last stage starts from.
    """
    history = image.history()
    added = history[: len(history) - len(base.history())]
    return [Layer(instruction(entry["CreatedBy"]), entry["Size"]) for entry in reversed(added)]


def instruction(created_by: str) -> str:
    """A history entry's `CreatedBy`, read back as the line of the Dockerfile."""
    for pattern, instead in WRAPPING:
        created_by = pattern.sub(instead, created_by)
    return created_by.strip()


def picture(image: Image, base: Image) -> svg.Picture:
    """Draw the layers of an image as a stack of bars, to scale: the base at the bottom.

    Args:
        image: the image.
        base: the image that its last stage starts from; its layers are drawn as one.
    """
    layers = on_top(image, base)
    weighty = [layer for layer in layers if layer.size]
    settings = len(layers) - len(weighty)
    rows = [Layer(f"the base, {_name(base)}", _size(base)), *weighty]
    largest = max(row.size for row in rows)
    pieces = []
    for number, row in enumerate(reversed(rows)):
        colour = "plain" if row is rows[0] else "cool"
        pieces.append(_bar_row(number * ROW, row, largest, colour))
    bottom = len(rows) * ROW
    total = f"{_name(image)}: {_megabytes(sum(row.size for row in rows))}"
    note = f"and {settings} instructions that only set something (0 B)"
    pieces.append(svg.words(0, bottom + 20, total, 14, bold=True, anchor="start"))
    pieces.append(svg.words(WIDTH, bottom + 20, note, 12, anchor="end", faint=True))
    lines = [f"{_megabytes(row.size):>9}  {row.instruction}" for row in reversed(rows)]
    return svg.Picture("".join(pieces), WIDTH, bottom + 28, "\n".join([*lines, f"{total}, {note}"]))


def compare(images: dict[str, Image], base: Image) -> svg.Picture:
    """Draw what several images add to the same base, to one scale.

    Args:
        images: the images, each under the words that stand beside its bar.
        base: the image that all of them start from.
    """
    rows = [Layer(name, sum(layer.size for layer in on_top(i, base))) for name, i in images.items()]
    largest = max(row.size for row in rows)
    pieces = [_bar_row(number * ROW, row, largest, "lit") for number, row in enumerate(rows)]
    note = f"on top of the base ({_megabytes(_size(base))}), which they share"
    pieces.append(svg.words(TEXT_WIDTH, len(rows) * ROW + 18, note, 12, anchor="start", faint=True))
    lines = [f"{_megabytes(row.size):>9}  {row.instruction}" for row in rows]
    return svg.Picture("".join(pieces), WIDTH, len(rows) * ROW + 26, "\n".join([*lines, note]))


def _bar_row(y: float, row: Layer, largest: int, colour: str) -> str:
    """The instruction on the left, its bar and size on the right."""
    width = max(2.0, BAR_WIDTH * row.size / max(largest, 1))
    text = row.instruction
    text = text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
    return (
        svg.words(0, y + 20, text, 13, anchor="start")
        + svg.box(TEXT_WIDTH, y + 5, width, ROW - 9, colour)
        + svg.words(TEXT_WIDTH + width + 6, y + 20, _megabytes(row.size), 13, anchor="start")
    )


def _size(image: Image) -> int:
    return sum(entry["Size"] for entry in image.history())


def _name(image: Image) -> str:
    return image.tags[0].removesuffix(":latest") if image.tags else image.short_id


def _megabytes(size: int) -> str:
    """1 MB is a million bytes, as the docker command counts; what is smaller shows in kB."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
