"""A real browser before a real server and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from .chromium import ARGUMENTS, chromium

collect_ignore_glob = [] if chromium() else ["test_*.py"]

PASSWORD = "a quiet harbour at dusk"
PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # While the driver's loop runs, Django keeps another connection for this thread; the one from before would be
    # ended with the database that the stories give back, and be found dead by the test after them.
    connection.close()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # The browser's driver runs an event loop in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()


@dataclass
class Desk:
    """One person at a screen of their own."""

    page: Page
    address: str

    def visit(self, path: str) -> None:
        self.page.goto(f"{self.address}{path}")

    def follow(self, text: str, *, within: str = "body") -> None:
        self.page.locator(within).get_by_role("link", name=text).first.click()

    def press(self, button: str) -> None:
        """Press one of the buttons at the head of a page, which opens a dialog."""
        self.page.get_by_role("link", name=button).click()
        expect(self.page.locator("#dialog form")).to_be_visible()

    def confirm(self, button: str) -> None:
        """Send the dialog and wait for the page that follows."""
        self.page.locator("#dialog").get_by_role("button", name=button).click()

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


@pytest.fixture
def sit_down(browser: Browser, live_server: LiveServer) -> Iterator[Callable[[str], Desk]]:
    """Give a person a screen of their own and sign them in."""
    contexts = []

    def _sit_down(name: str) -> Desk:
        person, _made = User.objects.get_or_create(username=name)
        person.is_staff = person.is_superuser = True
        person.set_password(PASSWORD)
        person.save()
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        desk = Desk(page, live_server.url)
        desk.visit("/admin/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#nav-sidebar-apps")).to_be_visible()
        return desk

    yield _sit_down
    for context in contexts:
        context.close()
