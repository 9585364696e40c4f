"""What a day in the back office looks like, clicked through."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from margin.calls import advance_due, review_calls
from margin.models import ForcedSale, MarginCall
from margin.positions import position_of
from margin.sales.planning import plan_overdue
from margin.valuations import run_valuation
from tests.builders import World, at, v01

from .conftest import PASSWORD, Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SitDown = Callable[[str], Desk]


def called() -> tuple[World, MarginCall]:
    """Ms Chan is called on 2 April at 16:30, as in V01."""
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return world, call


def planned() -> ForcedSale:
    """Her call is not met, and a sale is planned at its due time, as in V02."""
    world, _call = called()
    with at("2026-04-08 15:00"):
        world.price("BTC", "80000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
    return sale


def test_an_empty_house_says_what_to_do_next(sit_down: SitDown):
    desk = sit_down("mei")

    desk.sees("No broker yet")
    desk.sees("manage.py demo")


def test_from_the_front_page_a_call_is_followed_down_to_its_journals(sit_down: SitDown):
    __world, call = called()
    desk = sit_down("mei")

    desk.sees("Open calls by deadline")
    desk.follow(call.reference)
    desk.sees("Three ways to meet it")
    desk.follow("See the valuation behind it")
    desk.sees("How it was computed")
    desk.page.get_by_role("link", name="Replay").click()
    desk.sees("every figure comes out the same to the cent")
    desk.page.get_by_role("link", name="1.5", exact=True).click()
    expect(desk.page).to_have_url(re.compile("/admin/ledger/account/"))
    desk.page.locator("a[href*='/admin/ledger/journal/']").first.click()
    desk.sees("Deposit of collateral")


def test_a_forced_sale_needs_two_people(sit_down: SitDown):
    sale = planned()
    maker, checker = sit_down("mei"), sit_down("kwok")
    page = f"/admin/margin/forcedsale/{sale.pk}/change/"

    maker.visit(page)
    maker.press("Submit for release")
    maker.confirm("Submit for release")
    maker.sees("a second person can release it now")

    maker.press("Approve release")
    maker.page.get_by_label("Your password").fill(PASSWORD)
    maker.confirm("Approve release")
    maker.sees("The maker may not be the checker.")
    assert ForcedSale.objects.get(pk=sale.pk).status == ForcedSale.Status.SUBMITTED

    checker.visit("/admin/")
    checker.sees("1 forced sale awaits your release.")
    checker.follow(sale.reference, within="#sales")
    checker.press("Approve release")
    expect(checker.page.locator("[data-plan-hash]")).to_have_text(sale.plan_hash)
    checker.page.get_by_label("Your password").fill("a wrong guess")
    checker.confirm("Approve release")
    checker.sees("This is not your password.")
    checker.page.get_by_label("Your password").fill(PASSWORD)
    checker.confirm("Approve release")
    checker.sees("Released: the sale is being executed.")

    released = ForcedSale.objects.get(pk=sale.pk)
    assert (released.status, released.approved_hash) == (ForcedSale.Status.APPROVED, sale.plan_hash)
    assert (str(released.maker), str(released.checker)) == ("mei", "kwok")


def test_a_double_click_books_one_deposit(sit_down: SitDown):
    _world, call = called()
    desk = sit_down("mei")
    client = call.facility.client

    desk.visit(f"/admin/margin/client/{client.pk}/change/")
    desk.page.get_by_text("Collateral and cash").first.click()
    desk.page.get_by_role("link", name="Deposit cash").click()
    desk.page.get_by_label("Amount").fill("10,000.00")
    desk.page.locator("#dialog").get_by_role("button", name="Deposit cash").dblclick()
    expect(desk.page.get_by_role("link", name="Deposit of cash")).to_have_count(1)

    assert str(position_of(call.facility).cash["HKD"]) == "10000.00"


def test_the_back_office_speaks_chinese(sit_down: SitDown):
    called()
    desk = sit_down("mei")

    desk.page.get_by_text("unfold_more").last.click()
    desk.page.get_by_role("button", name="繁體中文").click()

    desk.sees("追繳保證金通知")
    expect(desk.page.locator("html")).to_have_attribute("lang", "zh-hant")
