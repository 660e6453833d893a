import pytest

from pocket_engine.errors import BadRequest
from pocket_engine.images.references import parse, parse_repository

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "domain", "path", "tag", "digest", "shown"),
    [
        ("python", "docker.io", "library/python", "", "", "python"),
        ("python:3.13", "docker.io", "library/python", "3.13", "", "python:3.13"),
        ("library/python", "docker.io", "library/python", "", "", "python"),
        ("docker.io/python", "docker.io", "library/python", "", "", "python"),
        ("index.docker.io/a/b", "docker.io", "a/b", "", "", "a/b"),
        ("a/b/c:x", "docker.io", "a/b/c", "x", "", "a/b/c:x"),
        ("localhost/x", "localhost", "x", "", "", "localhost/x"),
        ("localhost:5000/x/y:v1", "localhost:5000", "x/y", "v1", "", "localhost:5000/x/y:v1"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000", "x", "", "", "127.0.0.1:5000/x"),
        ("[::1]:5000/x", "[::1]:5000", "x", "", "", "[::1]:5000/x"),
        ("example.org/library/x", "example.org", "library/x", "", "", "example.org/library/x"),
        (f"python@{DIGEST}", "docker.io", "library/python", "", DIGEST, f"python@{DIGEST}"),
        (f"python:3@{DIGEST}", "docker.io", "library/python", "3", DIGEST, f"python:3@{DIGEST}"),
        ("a--b__c.d", "docker.io", "library/a--b__c.d", "", "", "a--b__c.d"),
        ("sha256:abc", "docker.io", "library/sha256", "abc", "", "sha256:abc"),
    ],
)
def test_names_are_taken_apart(name: str, domain: str, path: str, tag: str, digest: str, shown: str) -> None:
    reference = parse(name)
    assert (reference.domain, reference.path, reference.tag, reference.digest) == (domain, path, tag, digest)
    assert str(reference) == shown


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "invalid reference format"),
        ("Python", "invalid reference format: repository name must be lowercase"),
        ("a/B:x", "invalid reference format: repository name must be lowercase"),
        ("a..b", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:!!", "invalid reference format"),
        ("a:" + "x" * 129, "invalid reference format"),
        ("a@sha256:12", "invalid reference format"),
        ("a@", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("x" * 256, "invalid reference format: repository name must not be more than 255 characters"),
        ("a" * 64, f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_is_no_name_is_refused_in_dockers_words(name: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(name)
    assert refused.value.message == message


def test_the_tag_is_latest_when_nobody_says() -> None:
    assert parse("python").with_default_tag().tag == "latest"
    assert parse("python:3").with_default_tag().tag == "3"
    assert parse(f"python@{DIGEST}").with_default_tag().tag == ""


def test_a_name_to_give_comes_in_two_parameters() -> None:
    assert str(parse_repository("a/b", "v1")) == "a/b:v1"
    assert str(parse_repository("a/b:v2", "")) == "a/b:v2"
    assert str(parse_repository("a/b", "")) == "a/b:latest"
    with pytest.raises(BadRequest, match="invalid tag format"):
        parse_repository("a", "!!")
    with pytest.raises(BadRequest, match="refusing to create a tag with a digest reference"):
        parse_repository(f"a@{DIGEST}")
