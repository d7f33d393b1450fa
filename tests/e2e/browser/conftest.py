"""Headless Chromium, and a site for it to visit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.browser.site import DEADLINE_S, Site, serving_site

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
"""The system's; the Makefile sees to it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a file: an open one keeps an event loop running, beside which no asynchronous test can run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # A container's user is root, whom the sandbox refuses; names under .test lead to this machine.
            args=["--no-sandbox", "--host-resolver-rules=MAP *.test 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as site:
        yield site


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(DEADLINE_S * 1000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which no error of a script may go unnoticed, unless the test asks for one."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    expected = [error for error in errors if "meant" in error]
    assert errors == expected


@pytest.fixture
def node_modules() -> Path:
    """The packages of this folder's lock file, which the Makefile installs."""
    return Path(__file__).parent / "node_modules"
