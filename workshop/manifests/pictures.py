"""Where gRPC calls go, behind an ordinary and behind a headless Service."""

from collections.abc import Mapping, Sequence

from workshop import svg

WIDTH, HEIGHT, GAP = 350, 150, 20


def spread(measured: Mapping[tuple[str, str], Sequence[int]]) -> svg.Picture:
    """Draw who answered how many calls.

    Args:
        measured: the calls that each pod answered, by the kind of Service, `ordinary` or `headless`, and the
            client's policy.
    """
    pieces, said = [], []
    for number, ((service, policy), calls) in enumerate(measured.items()):
        x, y = number % 2 * (WIDTH + GAP), number // 2 * (HEIGHT + GAP)
        pieces.append(f'<g transform="translate({x} {y})">{_panel(service, policy, calls)}</g>')
        answered = ", ".join(f"pod {name} answered {count}" for name, count in zip("ab", calls, strict=True))
        said.append(f"{service} Service, {policy}: {answered}")
    rows = (len(measured) + 1) // 2
    return svg.Picture(
        "".join(pieces), 2 * WIDTH + GAP, rows * HEIGHT + (rows - 1) * GAP, ".\n".join(said) + "."
    )


def _panel(service: str, policy: str, calls: Sequence[int]) -> str:
    pieces = [
        svg.words(2, 18, f"{service} Service, {policy}", 14, bold=True, anchor="start"),
        svg.box(2, 62, 78, 44, "cool"),
        svg.words(41, 89, "client", 14),
    ]
    start, entry = 84, (148 if service == "ordinary" else None)
    if entry:  # The one address that an ordinary Service has.
        pieces += [svg.box(entry, 66, 64, 36, dashed=True), svg.words(entry + 32, 89, "address", 13)]
        pieces.append(svg.arrow(start, 84, entry - 4, 84))
        start = entry + 68
    for place, (name, count) in enumerate(zip("ab", calls, strict=True)):
        y = 34 + place * 62
        pieces.append(svg.box(252, y, 94, 46, "good" if count else "plain"))
        pieces.append(svg.words(299, y + 20, f"pod {name}", 14, bold=True))
        pieces.append(svg.words(299, y + 37, f"{count} calls", 13))
        if count:
            pieces.append(svg.arrow(start, 84, 248, y + 23))
    return "".join(pieces)
