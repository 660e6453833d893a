"""Dockerfiles: what is in them, and what is wrong with them, in the words of the classic builder."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket_engine.build import golang, healthcheck, words
from pocket_engine.build.arguments import Arguments
from pocket_engine.build.dockerfile import Dockerfile, find_stage, parse
from pocket_engine.errors import BadRequest


def parsed(text: str) -> Dockerfile:
    return parse(text.encode())


def statements(text: str) -> list[tuple]:
    """Keyword and words of all that follows a FROM scratch."""
    found = parsed(f"FROM scratch\n{text}").stages[0].statements
    return [(statement.keyword, *statement.words) for statement in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM scratch\n\nRNU x\n", "dockerfile parse error line 3: unknown instruction: RNU"),
        ("# only\n\n", "failed to parse Dockerfile: file with no instructions"),
        ("RUN x\n", "no build stage in current context"),
        ("ARG x\nRUN x\n", "no build stage in current context"),
        ("ARG x\n", "no build stage in current context"),
        ("FROM\n", "dockerfile parse error line 1: FROM requires either one or three arguments"),
        ("FROM a b\n", "dockerfile parse error line 1: FROM requires either one or three arguments"),
        ("FROM a ax b\n", "dockerfile parse error line 1: FROM requires either one or three arguments"),
        (
            "FROM scratch AS 9a\n",
            'dockerfile parse error line 1: invalid name for build stage: "9a", '
            "name can't start with a number or contain symbols",
        ),
        ("FROM --x=y scratch\n", "dockerfile parse error line 1: Unknown flag: x"),
        (
            "# escape=x\nFROM scratch\n",
            "failed to parse Dockerfile: invalid escape token 'x' does not match ` or \\",
        ),
        (
            "# escape=`\n# escape=`\nFROM scratch\n",
            "failed to parse Dockerfile: only one escape parser directive can be used",
        ),
        (
            f"FROM scratch\nLABEL a={'x' * 70000}\n",
            "failed to parse Dockerfile: dockerfile line greater than max allowed size of 65535",
        ),
    ],
)
def test_what_is_no_dockerfile(text: str, message: str):
    with pytest.raises(BadRequest) as refusal:
        parsed(text)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("COPY --link a /", "Unknown flag: link"),
        ("ADD --from=x a /", "Unknown flag: from"),
        ("COPY --from a /", "Missing a value on flag: from"),
        ("COPY --chown=1 --chown=2 a /", "Duplicate flag specified: chown"),
        ("RUN --network=none true", "Unknown flag: network"),
        ("ENV --x=y", "Unknown flag: x"),
        (
            "COPY a",
            "COPY requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        ),
        (
            'COPY ["a","b"',
            "COPY requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        ),
        ("ENV", "ENV requires at least one argument"),
        ("ENV =b", "ENV names can not be blank"),
        ("LABEL =b", "LABEL names can not be blank"),
        ("ARG", "ARG requires at least one argument"),
        ("ARG a=b =x", "ARG names can not be blank"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("USER", "USER requires exactly one argument"),
        ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument"),
        ("MAINTAINER", "MAINTAINER requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("SHELL /bin/sh -c", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK FOO", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK --interval=x CMD y", 'time: invalid duration "x"'),
        ("HEALTHCHECK --interval=0.1ms CMD y", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --retries=0 CMD y", "--retries must be at least 1 (not 0)"),
        ("HEALTHCHECK --retries=x CMD y", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
    ],
)
def test_what_is_no_statement(line: str, message: str):
    with pytest.raises(BadRequest) as refusal:
        parsed(f"FROM scratch\n{line}\n")
    assert refusal.value.message == f"dockerfile parse error line 2: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ENV a", "ENV must have two arguments"),
        ("LABEL a", "LABEL must have two arguments"),
        ("ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ('CMD ["a", null]', "when using JSON array syntax, arrays must be comprised of strings only"),
    ],
)
def test_what_spoils_the_whole_file(line: str, message: str):
    with pytest.raises(BadRequest) as refusal:
        parsed(f"FROM scratch\n{line}\nNOSUCH\n")
    assert refusal.value.message == f"failed to parse Dockerfile: {message}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run  a  b ", ("RUN", "a  b")),
        ("RUN", ("RUN",)),
        ("RUN []", ("RUN",)),
        ('CMD  [ "a", "b c" ]  ', ("CMD", "a", "b c")),
        ('CMD ["a"] x', ("CMD", "a")),
        ('CMD ["\\u0041", "<&>"]', ("CMD", "A", "<&>")),
        ("CMD ['a']", ("CMD", "['a']")),
        ('CMD ["a",]', ("CMD", '["a",]')),
        ('CMD {"a": 1}', ("CMD", '{"a": 1}')),
        ("CMD [[[[", ("CMD", "[[[[")),
        (
            'ENV a=1 b=\'x y\' c=x\\ y d="q\\" r"',
            ("ENV", "a", "1", "b", "'x y'", "c", "x\\ y", "d", '"q\\" r"'),
        ),
        ("ENV a b=c  d ", ("ENV", "a", "b=c  d")),
        ("LABEL a= b=''", ("LABEL", "a", "", "b", "''")),
        ("ARG a b=c 'd e'=f", ("ARG", "a", "b=c", "'d e'=f")),
        ("EXPOSE 1\t 2", ("EXPOSE", "1", "2")),
        ("VOLUME a  b", ("VOLUME", "a", "b")),
        ('VOLUME ["a b"]', ("VOLUME", "a b")),
        ("USER a # b", ("USER", "a # b")),
        ("COPY -- --x /", ("COPY", "--x", "/")),
        ('copy ["a b", "/x y/"]', ("COPY", "a b", "/x y/")),
        ("HEALTHCHECK none", ("HEALTHCHECK", "none")),
        ("HEALTHCHECK --retries=3 CMD a || b", ("HEALTHCHECK", "CMD", "a || b")),
        ('HEALTHCHECK CMD ["a", "b"]', ("HEALTHCHECK", "CMD", "a", "b")),
        ("ONBUILD   COPY   a  b", ("ONBUILD", "COPY   a  b")),
        ("ONBUILD NOPE x", ("ONBUILD", "NOPE x")),
    ],
)
def test_statements(line: str, expected: tuple):
    assert statements(line) == [expected]


def test_flags_are_unquoted():
    statement = parsed("FROM scratch\nCOPY --from=a --chown='b c' x y\n").stages[0].statements[0]
    assert statement.flags == {"from": "a", "chown": "b c"}
    assert statement.words == ("x", "y")


def test_continued_lines_leave_out_comments_and_warn_of_gaps():
    dockerfile = parsed(
        "FROM scratch\nLABEL a=1 \\\n# comment\n\n  b=2 \\  \n   # another\n c=3\nlabel d=4\n"
    )
    first, second = dockerfile.stages[0].statements
    assert (first.text, first.line) == ("LABEL a=1   b=2  c=3", 2)
    assert (second.text, second.line) == ("label d=4", 8)
    assert dockerfile.warnings == [
        "[WARNING]: Empty continuation line found in:\n    LABEL a=1   b=2  c=3\n",
        "[WARNING]: Empty continuation lines will become errors in a future release.\n",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffFROM scratch\nLABEL a=b c=d",
        "FROM scratch\r\nLABEL a=b \\\r\n c=d\r\n",
        "FROM scratch\nLABEL a=b c=d \\\n",
        "# escape=`\nFROM scratch\nLABEL a=b `\n c=d\n",
        "# syntax=docker/dockerfile:1\n#escape = `\nFROM scratch\nLABEL a=b `\n c=d\n",
        "# comment\n# escape=`\nFROM scratch\nLABEL a=b \\\n c=d\n",
        "\n# escape=`\nFROM scratch\nLABEL a=b \\\n c=d\n",
    ],
)
def test_ways_to_write_the_same(text: str):
    (statement,) = parsed(text).stages[0].statements
    assert statement.pairs == [("a", "b"), ("c", "d")]


def test_an_unknown_directive_ends_the_directives():
    assert parsed("# foo=bar\n# escape=`\nFROM scratch\n").escape == "\\"


def test_a_heredoc_is_no_part_of_the_classic_language():
    with pytest.raises(BadRequest, match="line 3: unknown instruction: ECHO"):
        parsed("FROM scratch\nRUN <<EOF\necho hi\nEOF\n")


def test_stages_and_arguments_before_them():
    dockerfile = parsed("ARG a=1\nFROM x:$a AS Base\nRUN b\nFROM base\n")
    assert [statement.words for statement in dockerfile.arguments] == [("a=1",)]
    assert [(stage.base, stage.name, len(stage.statements)) for stage in dockerfile.stages] == [
        ("x:$a", "base", 1),
        ("base", "", 0),
    ]
    assert find_stage(dockerfile.stages, "BASE") == 0
    assert find_stage(dockerfile.stages, "0") is None


@given(st.text())
def test_any_text_is_a_dockerfile_or_refused(text: str):
    try:
        parsed(text)
    except BadRequest as refusal:
        assert refusal.message


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ("FROM", "RUN", "COPY", "ENV", "ONBUILD", "HEALTHCHECK", "LABEL", "ARG", "# escape=`")
            ),
            st.text(string.printable + "é\\`'\"$", max_size=30),
        )
    )
)
def test_any_statements_are_a_dockerfile_or_refused(lines: list[tuple[str, str]]):
    try:
        parsed("FROM scratch\n" + "\n".join(f"{keyword} {rest}" for keyword, rest in lines))
    except BadRequest as refusal:
        assert refusal.message


# Words.

VARIABLES = {"a": "1", "b": "$a", "e": "", "s": "7 8"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$a", "1"),
        ("${a}b", "1b"),
        ("$a_b", ""),
        ("$b", "$a"),
        ("'$a'", "$a"),
        ('"$a x"', "1 x"),
        ("\\$a", "$a"),
        ('"\\$a \\x \\""', '$a \\x "'),
        ("a\\ b", "a b"),
        ("x'y'z\"w\"", "xyzw"),
        ("$", "$"),
        ("a$-b", "ab"),
        ("$$", ""),
        ("$@x$*y", "xy"),
        ("$1z${1}", "z"),
        ("${a:-x}${no:-y}${e:-z}", "1yz"),
        ("${a:+x}${no:+y}${e:+z}", "x"),
        ("${no:-${b}}", "$a"),
        ("${no:-'q }'}", "q }"),
        ("${a:?x}", "1"),
        ("${a?x}", "1"),
        ("a\\", "a"),
        ("", ""),
    ],
)
def test_expansion(word: str, expected: str):
    assert words.expand(word, VARIABLES, "\\") == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("${b", "missing ':' in substitution"),
        ("${no-w}", "missing ':' in substitution"),
        ("${b!c}", "missing ':' in substitution"),
        ("${", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${no:?}", "no: is not allowed to be unset"),
        ("${no?gone}", "no: gone"),
        ("${no:=x}", "unsupported modifier (=) in substitution"),
        ("'b", "unexpected end of statement while looking for matching single-quote"),
        ('"b', "unexpected end of statement while looking for matching double-quote"),
        ("${a:-b", "unexpected end of statement while looking for matching }"),
    ],
)
def test_what_cannot_be_expanded(word: str, reason: str):
    with pytest.raises(BadRequest) as refusal:
        words.expand(word, VARIABLES, "\\")
    assert refusal.value.message == f"failed to process {golang.quoted(word)}: {reason}"


def test_white_space_of_variables_separates_words():
    assert words.expand_to_words("$s", VARIABLES, "\\") == ["7", "8"]
    assert words.expand_to_words('"$s"', VARIABLES, "\\") == ["7 8"]
    assert words.expand_to_words("$no", VARIABLES, "\\") == []


@given(st.text(string.printable), st.sampled_from("\\`"))
def test_any_word_is_expanded_or_refused(word: str, escape: str):
    try:
        words.expand(word, VARIABLES, escape)
    except BadRequest as refusal:
        assert refusal.message.startswith("failed to process")


def test_nesting_without_end_is_refused():
    with pytest.raises(BadRequest, match="nested too deeply"):
        words.expand("${a:+" * 5000, VARIABLES, "\\")


# Arguments.


def test_an_argument_has_the_clients_value_or_its_default():
    arguments = Arguments({"given": "client", "named": None, "extra": "x", "http_proxy": "p"})
    arguments.declare_before_from("base", "outer")
    arguments.begin_stage()
    assert arguments.visible() == {"http_proxy": "p"}
    for name, default in (("given", "own"), ("default", "own"), ("base", None), ("named", None)):
        arguments.declare(name, default)
    assert arguments.visible() == {"http_proxy": "p", "given": "client", "default": "own", "base": "outer"}
    assert arguments.before_from() == {"base": "outer"}
    assert arguments.unused() == ["extra"]
    arguments.begin_stage()
    assert arguments.visible() == {"http_proxy": "p"}


def test_the_cache_does_not_look_at_a_proxy_that_nobody_declared():
    arguments = Arguments({"http_proxy": "p"})
    assert arguments.relevant_to_cache({"http_proxy": "p", "b": "2", "a": "1"}) == {"a": "1", "b": "2"}
    arguments.declare("http_proxy", None)
    assert arguments.relevant_to_cache({"http_proxy": "p"}) == {"http_proxy": "p"}


# How Go writes it.


def test_healthchecks_are_shown_as_go_prints_them():
    flags = {"interval": "1m30s", "timeout": "1.5s", "start-period": "90m", "retries": "40"}
    check = healthcheck.read(("cmd", "a || b"), False, flags)
    assert str(check) == """&{["CMD-SHELL" "a || b"] "1m30s" "1.5s" "1h30m0s" '('}"""
    assert check.config() == {
        "Test": ["CMD-SHELL", "a || b"],
        "Interval": 90 * 10**9,
        "Timeout": 1_500_000_000,
        "StartPeriod": 5400 * 10**9,
        "Retries": 40,
    }
    assert str(healthcheck.read(("NONE",), False, {})) == """&{["NONE"] "0s" "0s" "0s" '\\x00'}"""


@given(st.integers(0, 2**63 - 1))
def test_durations_survive(nanoseconds: int):
    assert golang.parse_duration(golang.duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "shown"),
    [('a"b\\', r'"a\"b\\"'), ("\x00\n\t", r'"\x00\n\t"'), ("é<&>", '"é<&>"'), ("\u2028", r'"\u2028"')],
)
def test_quoting(text: str, shown: str):
    assert golang.quoted(text) == shown
