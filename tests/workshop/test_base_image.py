"""The base image: which one is taken, and what its stand-in carries over from this machine."""

import pytest

from workshop import base_image


@pytest.fixture(autouse=True)
def plain_pip(monkeypatch: pytest.MonkeyPatch):
    """No settings of pip but the test's own."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in (*base_image.PIP_SETTINGS.values(), "PYTHON_IMAGE"):
        monkeypatch.delenv(name, raising=False)


def test_pip_s_settings_go_along(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "90")
    carried = base_image._environment()
    assert carried["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert carried["PIP_DEFAULT_TIMEOUT"] == "90"


@pytest.mark.parametrize("index", ["https://me:secret@mirror.example/simple", "file:///opt/wheels"])
def test_passwords_and_paths_of_this_machine_stay_behind(monkeypatch: pytest.MonkeyPatch, index: str):
    monkeypatch.setenv("PIP_INDEX_URL", index)
    assert list(base_image._environment()) == ["PIP_CERT"]


def test_an_image_that_somebody_named_is_binding(client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHON_IMAGE", "localhost:1/no-such-image:1")
    with pytest.raises(base_image.NoBaseImage, match="which PYTHON_IMAGE names, cannot be pulled"):
        base_image.ensure(client, say=lambda line: None)


def test_who_cannot_make_a_stand_in_is_told_the_ways_out(client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base_image, "_is_root", lambda: False)
    with pytest.raises(base_image.NoBaseImage, match="docker load -i python.tar"):
        base_image.make_stand_in(client)
