"""The check of lesson 00's warm-up."""

from workshop.exercises import Answer, check, expect


@check(
    "00-1",
    first_nudge="Put the function's second argument there, in braces.",
    can_now="You can fill in a blank, run the cell and read what its check says. So it goes from here on.",
)
def address(answer: Answer) -> None:
    found = answer("localhost", 50051)
    expect(isinstance(found, str), f"The function gave {found!r}, not a text. Does it still say `return`?")
    expect(
        found != "localhost:port",
        "It says “localhost:port”, word for word. Braces make Python put in the value: `{port}`.",
    )
    expect(
        found == "localhost:50051",
        f"For the host “localhost” and the port 50051 it says “{found}”. Host, colon, port: nothing else.",
    )
    other = answer("marketplace", 5000)
    expect(
        other == "marketplace:5000",
        f"Marketplace on port 5000 gets “{other}”. Take the argument, not a number.",
    )
