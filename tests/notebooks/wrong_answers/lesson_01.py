"""Answers to lesson 01 that learners plausibly give, and what each shall be told."""


def poetry(line, old_program_reads):
    def answer(contract):
        return contract.replace("  SELF_HELP = 2;", line), old_program_reads

    return answer


def title_bytes(take_apart, cut, step):
    def answer(message, read_varint):
        position = 0
        while position < len(message):
            tag, position = read_varint(message, position)
            field, wire_type = take_apart(tag)
            if wire_type == 0:
                _, position = read_varint(message, position)
            elif wire_type == 2:
                length, position = read_varint(message, position)
                if field == 2:
                    return cut(message, position, length)
                position = step(position, length)
        return b""

    return answer


def renumbered(user_id, max_results, reason):
    def answer(contract):
        changed = contract.replace("int32 user_id = 1;", f"int32 user_id = {user_id};")
        changed = changed.replace("int32 max_results = 3;", f"int32 max_results = {max_results};")
        return changed, reason

    return answer


def right_tag(tag):
    return tag >> 3, tag & 7


def right_cut(message, position, length):
    return message[position : position + length]


def right_step(position, length):
    return position + length


def swapped_tag(tag):
    return tag & 7, tag >> 3


WRONG = [
    ("01-1", "a number that is taken", poetry("SELF_HELP = 2; POETRY = 2;", 2), "uses the same enum value"),
    ("01-1", "no semicolon", poetry("SELF_HELP = 2; POETRY = 3", 3), 'Expected ";"'),
    (
        "01-1",
        "a later value moved up",
        poetry("POETRY = 2; SELF_HELP = 3;", 2),
        "SELF_HELP was 2, and now it is 3",
    ),
    ("01-1", "an old value replaced", poetry("POETRY = 3;", 3), "SELF_HELP was 2, and now it is gone"),
    ("01-1", "another name", poetry("SELF_HELP = 2; poetry = 3;", 3), "no POETRY"),
    ("01-1", "unknown taken for zero", poetry("SELF_HELP = 2; POETRY = 3;", 0), "did not find 0"),
    (
        "01-1",
        "a name the old program lacks",
        poetry("SELF_HELP = 2; POETRY = 3;", "POETRY"),
        "number on the wire",
    ),
    ("01-1", "one result", lambda contract: contract, "Leave the last line as it was"),
    ("01-2", "tag the wrong way round", title_bytes(swapped_tag, right_cut, right_step), "apart on paper"),
    (
        "01-2",
        "two bits of wire type",
        title_bytes(lambda tag: (tag >> 2, tag & 3), right_cut, right_step),
        "apart on paper",
    ),
    (
        "01-2",
        "slice ends at the length",
        title_bytes(right_tag, lambda message, position, length: message[position:length], right_step),
        "A slice ends at a position",
    ),
    (
        "01-2",
        "a text and not bytes",
        title_bytes(right_tag, lambda *where: right_cut(*where).decode(), right_step),
        "bytes, not yet a text",
    ),
    (
        "01-2",
        "goes to the length",
        title_bytes(right_tag, right_cut, lambda position, length: length),
        "Step over",
    ),
    (
        "01-2",
        "goes back to the start",
        title_bytes(right_tag, right_cut, lambda position, length: 0),
        "never comes to the end",
    ),
    ("01-3", "nothing changed", renumbered(1, 3, "B"), "Nothing is broken yet"),
    ("01-3", "new numbers for both", renumbered(4, 5, "B"), "The value is lost"),
    ("01-3", "one number twice", renumbered(1, 1, "B"), "has already been used"),
    ("01-3", "by name", renumbered(3, 1, "A"), "Not A"),
    ("01-3", "unknown fields", renumbered(3, 1, "C"), "Not C"),
    ("01-3", "no letter", renumbered(3, 1, "the numbers fit"), 'answer with "A", "B" or "C"'),
]
