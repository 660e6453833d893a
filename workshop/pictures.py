"""The picture of the system that opens every lesson."""

from workshop import beside, svg

PARTS = {"browser": "you", "marketplace": "Flask, HTTP 5000", "recommendations": "gRPC 50051"}
WIDTH, HEIGHT, GAP = 190, 76, 100


def system(today: str | tuple[str, ...] = (), network: bool = False) -> svg.Picture:
    """Draw the workshop's system with today's part lit and what runs beside the notebook marked.

    Args:
        today: the part, or parts, that the lesson is about: `browser`, `marketplace`,
            `recommendations`, `contract` or `network`.
        network: draw the containers' network around both services.
    """
    lit = {today} if isinstance(today, str) else set(today)
    network = network or "network" in lit
    pieces, said = [], []
    if network:
        colour = "lit" if "network" in lit else "plain"
        pieces.append(svg.box(WIDTH + GAP - 24, 10, 2 * WIDTH + GAP + 48, 150, colour, dashed=True))
        pieces.append(
            svg.words(1.5 * (WIDTH + GAP) + WIDTH / 2, 150, "network “microservices”", 13, faint=True)
        )
    for number, (name, note) in enumerate(PARTS.items()):
        x = 4 + number * (WIDTH + GAP)
        running = name in beside.running()
        pieces += [
            svg.box(x, 40, WIDTH, HEIGHT, "lit" if name in lit else "plain"),
            svg.words(x + WIDTH / 2, 70, name, 17, bold=True),
            svg.words(x + WIDTH / 2, 90, note, 13, faint=True),
        ]
        if running:
            pieces.append(svg.words(x + WIDTH / 2, 108, "● running now", 12))
        said.append(name + (" (today)" if name in lit else "") + (", running now" if running else ""))
    for number, protocol in enumerate(("HTTP", "gRPC")):
        start = 4 + number * (WIDTH + GAP) + WIDTH
        bold = "contract" in lit and protocol == "gRPC"
        pieces.append(svg.arrow(start + 4, 78, start + GAP - 4, 78))
        pieces.append(svg.words(start + GAP / 2, 68, protocol, 14, bold=bold))
        if bold:
            pieces.append(svg.box(start + 14, 88, GAP - 28, 24, "lit"))
            pieces.append(svg.words(start + GAP / 2, 105, "contract", 13))
    text = " → ".join(said)
    if "contract" in lit:
        text += "; today: the contract between marketplace and recommendations"
    if network:
        text += "; both services on the network “microservices”" + (" (today)" if "network" in lit else "")
    return svg.Picture("".join(pieces), 3 * WIDTH + 2 * GAP + 32, 172 if network else 130, text)
