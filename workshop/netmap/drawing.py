"""A state as a picture, and in words."""

import textwrap
from html import escape

from workshop import svg
from workshop.netmap.state import Box, Endpoint, Network, State

BOX_WIDTH, COLUMN, MARGIN, NAME_COLUMN, BAND_GAP = 232, 256, 12, 190, 18
LINE, LETTERS = 17, 34  # The height of a line in a box, and how many letters one holds.


def draw(state: State) -> svg.Picture:
    """Draw a state: this machine on top, a dashed box for each network, a column for each container."""
    if not state.networks:
        text = "Nothing of the workshop is on this engine yet: no network, no container."
        return svg.Picture(svg.box(2, 2, 536, 48, dashed=True) + svg.words(270, 31, text), 540, 52, text)
    width = NAME_COLUMN + max(len(state.boxes), 1) * COLUMN + MARGIN
    # The arrows to published ports start below this machine and leave room for their labels.
    top: float = 52 + max([LINE * len(box.ports) + 16 for box in state.boxes if box.ports], default=8)
    pieces = [svg.box(2, 2, width - 4, 44, "cool"), svg.words(width / 2, 29, "this machine", 15, bold=True)]
    bottoms: dict[str, float] = {}  # Where each container's last box ended.
    for network in state.networks:
        height = _height(state, network)
        pieces.append(svg.box(2, top, width - 4, height, "plain", dashed=True))
        pieces += _name(network, top)
        for number, box in enumerate(state.boxes):
            if endpoint := box.on(network.name):
                x = NAME_COLUMN + number * COLUMN
                pieces += _link(box, x + BOX_WIDTH / 2, top + MARGIN, bottoms.get(box.name))
                pieces += _container(box, endpoint, x, top + MARGIN, height - 2 * MARGIN)
                bottoms[box.name] = top + height - MARGIN
        top += height + BAND_GAP
    return svg.Picture("".join(pieces), width, top - BAND_GAP + 2, describe(state))


def describe(state: State) -> str:
    """The map in words, one line for each network and each container on it."""
    lines = []
    for network in state.networks:
        lines.append(f"network {network.name}" + "".join(f" · {note}" for note in network.notes))
        members = [(box, endpoint) for box in state.boxes if (endpoint := box.on(network.name))]
        for box, endpoint in members:
            lines.append("  " + " · ".join([box.name, *_lines(box, endpoint), *_arrows(box)]))
        if not members:
            lines.append("  nobody is connected")
    return "\n".join(lines)


def _arrows(box: Box) -> list[str]:
    return [f"published on {port}" for port in box.ports]


def _lines(box: Box, endpoint: Endpoint) -> list[str]:
    """What stands in a container's box below its name."""
    lines = [box.state, endpoint.address or "no address"]
    if endpoint.names:
        lines.append("found as " + ", ".join(endpoint.names))
    return lines


def _height(state: State, network: Network) -> float:
    """The height of a network's band: that of the tallest box on it, or of its own notes."""
    endpoints = [(box, box.on(network.name)) for box in state.boxes]
    boxes = [len(_wrapped(box, endpoint)) + 1 for box, endpoint in endpoints if endpoint]
    return LINE * max([*boxes, len(network.notes) + 2]) + 16 + 2 * MARGIN


def _wrapped(box: Box, endpoint: Endpoint) -> list[str]:
    return [part for line in _lines(box, endpoint) for part in textwrap.wrap(line, LETTERS)]


def _name(network: Network, top: float) -> list[str]:
    """A network's name and notes, in the column at the left."""
    y = top + MARGIN + 20
    pieces = [svg.words(14, y, "network", 12, anchor="start", faint=True)]
    pieces.append(svg.words(14, y + LINE, network.name, 15, bold=True, anchor="start"))
    return pieces + [
        svg.words(14, y + LINE * (number + 2), note, 12, anchor="start", faint=True)
        for number, note in enumerate(network.notes)
    ]


def _link(box: Box, x: float, y: float, above: float | None) -> list[str]:
    """The arrows from this machine to a container, or the line to its box on the network above."""
    if above is not None:
        return [f'<path d="M{x:g} {above:g}V{y:g}" stroke="currentColor" stroke-dasharray="2 4"/>']
    if not box.ports:
        return []
    labels = [
        svg.words(x + 8, 46 + LINE * (number + 1), port, 12, anchor="start")
        for number, port in enumerate(box.ports)
    ]
    return [svg.arrow(x, 48, x, y - 2), *labels]


def _container(box: Box, endpoint: Endpoint, x: float, y: float, height: float) -> list[str]:
    """A container's box on one network."""
    middle = x + BOX_WIDTH / 2
    pieces = [
        f"<g><title>{escape(box.name)}</title>",
        svg.box(x, y, BOX_WIDTH, height, box.colour),
        svg.words(middle, y + 22, box.name, 15, bold=True),
    ]
    for number, line in enumerate(_wrapped(box, endpoint)):
        pieces.append(svg.words(middle, y + 22 + LINE * (number + 1), line, 12, faint=number > 0))
    return [*pieces, "</g>"]
