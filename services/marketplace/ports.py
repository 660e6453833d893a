"""A port that the environment names, or one sentence on what is wrong with it.

Both services have this file, each its own copy: a shared library would tie their releases together.
"""

import os


def port_from(variable: str, default: int) -> int:
    """The port number in an environment variable; `default` where it is not set.

    Raises:
        ValueError: the variable holds something else.
    """
    text = os.environ.get(variable, str(default))
    if text.isascii() and text.isdigit() and int(text) < 2**16:
        return int(text)
    raise ValueError(f"{variable} is {text[:60]!r}, which is no port; set it to a number below 65536")
