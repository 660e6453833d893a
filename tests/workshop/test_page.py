"""The page's address is one that the learner's browser can reach."""

import pytest

from workshop.page import Page


@pytest.fixture(autouse=True)
def a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTERHUB_SERVICE_PREFIX", "CODESPACE_NAME", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"):
        monkeypatch.delenv(name, raising=False)


def test_on_a_laptop_it_is_localhost():
    assert Page(5000, "?category=SELF_HELP").url == "http://localhost:5000/?category=SELF_HELP"


def test_behind_a_hub_it_comes_through_jupyter(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert Page(5000).url == "/user/ada/proxy/5000/"


def test_in_a_codespace_each_port_has_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CODESPACE_NAME", "ada-4711")
    assert Page(5000).url == "https://ada-4711-5000.app.github.dev/"


def test_markup_in_a_path_stays_text():
    assert "<script>" not in Page(5000, '"><script>')._repr_mimebundle_()["text/html"]
