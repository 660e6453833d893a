"""The Marketplace's page in a real browser: alone, behind a notebook's proxy, without JavaScript."""

import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from processes import MARKETPLACE, Running, Start, free_port

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser(tool) -> Iterator[Browser]:
    names = ["chromium", "chromium-browser", "google-chrome"]
    program = tool("No browser for the tests here: sudo apt-get install chromium", names)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def marketplace(start: Start, recommendations: Running) -> Running:
    environment = {"PORT": str(free_port()), "RECOMMENDATIONS_HOST": "localhost"}
    environment["RECOMMENDATIONS_PORT"] = str(recommendations.port)
    return start(["server.py"], MARKETPLACE, **environment)


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """A Jupyter server with jupyter-server-proxy, as on Binder; gives its address with the token's place."""
    port, token = free_port(), secrets.token_hex(8)
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", f"--port={port}"]
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    with (tmp_path / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    server = Running(process, port, tmp_path / "jupyter.log")
    try:
        server.wait_until_it_listens()
        yield f"http://localhost:{port}/proxy/{{port}}/?token={token}"
    finally:
        server.stop()


def works(page: Page) -> None:
    """Click through the shop: books, style, chooser."""
    expect(page.locator(".book")).to_have_count(3)
    assert page.locator("header").evaluate("e => getComputedStyle(e).display") == "flex", "the style is there"
    page.get_by_role("link", name="Science fiction").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Picked for you in science fiction")
    expect(page.locator("[aria-current=page]")).to_have_text("Science fiction")
    expect(page.locator(".book")).to_have_count(3)


def test_without_javascript_a_visitor_chooses_a_shelf(browser: Browser, marketplace: Running):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"http://localhost:{marketplace.port}/")
    works(page)


def test_behind_the_notebook_s_proxy_everything_stays_under_its_prefix(
    browser: Browser, marketplace: Running, jupyter: str
):
    page = browser.new_page()
    answers: list[tuple[str, int]] = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    page.goto(jupyter.format(port=marketplace.port))
    works(page)
    assert all(f"/proxy/{marketplace.port}/" in url and status < 400 for url, status in answers), answers


def test_on_a_phone_nothing_is_cut_off(browser: Browser, marketplace: Running):
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.goto(f"http://localhost:{marketplace.port}/?category=SELF_HELP")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_recommendations_a_note_is_read_out(browser: Browser, start: Start):
    port = str(free_port())
    service = start(["server.py"], MARKETPLACE, PORT=port, RECOMMENDATIONS_PORT=str(free_port()))
    assert urllib.request.urlopen(f"http://localhost:{service.port}/", timeout=20).status == 200
    page = browser.new_page()
    page.goto(f"http://localhost:{service.port}/")
    expect(page.get_by_role("status")).to_contain_text("taking a break")
