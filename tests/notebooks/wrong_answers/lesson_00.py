"""Plausible wrong answers to lesson 00, and a part of the nudge that each must get."""


def forgets_the_braces(host, port):
    return f"{host}:port"


def writes_the_number_down(host, port):
    return f"{host}:50051"


def prints_instead(host, port):
    print(f"{host}:{port}")


def adds_a_space(host, port):
    return f"{host}: {port}"


def adds_instead_of_formatting(host, port):
    return host + ":" + port


WRONG = [
    ("00-1", "forgets the braces", forgets_the_braces, "word for word"),
    ("00-1", "writes the number down", writes_the_number_down, "not a number"),
    ("00-1", "prints instead of returning", prints_instead, "still say `return`"),
    ("00-1", "adds a space", adds_a_space, "nothing else"),
    ("00-1", "adds a number to a text", adds_instead_of_formatting, "TypeError"),
]
