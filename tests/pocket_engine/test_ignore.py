"""Which names the patterns of .dockerignore and COPY match."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket_engine.build import patterns
from pocket_engine.build.ignore import Ignored


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        ("a", ["a", "a/b"], ["b", "b/a", "ab"]),
        ("a/", ["a", "a/b"], ["b/a"]),
        ("/a", ["a"], ["b/a"]),
        ("./a/../b", ["b"], ["a"]),
        ("  a  \n\n# b\n#c", ["a"], ["b", "c", "# b"]),
        ("*", ["a", "a/b", ".c"], []),
        ("*.pyc", ["a.pyc"], ["b/a.pyc"]),
        ("*/*.pyc", ["b/a.pyc"], ["a.pyc", "c/b/a.pyc"]),
        ("**/*.pyc", ["a.pyc", "b/a.pyc", "c/b/a.pyc"], ["a.py"]),
        ("**", ["a", "a/b"], []),
        ("a/**", ["a/b", "a/b/c"], ["b"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/b"]),
        ("**/__pycache__", ["__pycache__/x", "a/__pycache__/x"], ["a/x"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("[a-c]x[^0-9]", ["bxy"], ["dxy", "bx1"]),
        ("*\n!a", ["b"], ["a", "a/b"]),
        ("a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]),
        ("*\n! a\na/b", ["a/b"], ["a/c"]),
        ("\\*", ["*"], ["a"]),
        ("[\na", ["a"], ["["]),
    ],
)
def test_what_is_ignored(text: str, ignored: list[str], kept: list[str]):
    found = Ignored(text)
    assert [name for name in ignored if name not in found] == []
    assert [name for name in kept if name in found] == []


@given(st.text(), st.text(min_size=1))
def test_any_text_is_a_dockerignore(text: str, name: str):
    assert (name in Ignored(text)) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a*", "abc", True),
        ("a*", "a/b", False),
        ("?", "é", True),
        ("[]a]", "]", None),
        ("[-]", "-", True),
        ("[a-]", "a", None),
        ("[\\]]", "]", True),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
        ("[b-a]", "a", False),
        ("a\\", "a", None),
        ("\\[", "[", True),
        ("a.c", "abc", False),
    ],
)
def test_patterns_are_gos(pattern: str, name: str, matches: bool | None):
    if matches is None:
        with pytest.raises(patterns.BadPattern):
            patterns.translate(pattern)
    else:
        assert bool(re.fullmatch(patterns.translate(pattern), name, re.DOTALL)) is matches


@given(st.text(alphabet="ab[]^-*?\\é/ "))
def test_any_pattern_is_translated_or_refused(pattern: str):
    with contextlib.suppress(patterns.BadPattern):
        re.compile(patterns.translate(pattern))


def test_wildcards_can_be_escaped():
    assert patterns.has_wildcards("a*") and patterns.has_wildcards("[a") and patterns.has_wildcards("a?")
    assert not patterns.has_wildcards("a\\*\\[")
