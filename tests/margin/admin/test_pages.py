"""Every page opens, leads down to its journals, stays within its broker and asks the database little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger.models import Location
from margin.brokers import open_broker
from margin.calls import review_calls
from margin.models import Broker, Fill, InterestPosting, MarginCall, Staff
from margin.sales.execution import advance_sales
from margin.sales.release import approve_sale, submit_for_release
from margin.valuations import run_valuation
from tests.builders import D, World, at, user, v01

from .conftest import SitDown

pytestmark = pytest.mark.django_db

QUERIES_MAX = 35


def shown_models() -> Iterator[type]:
    return (model for model in admin.site._registry if model._meta.app_label == "margin")


def list_page(model: type) -> str:
    return reverse(f"admin:margin_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]


def row_page(row: object) -> str:
    return reverse(f"admin:margin_{row._meta.model_name}_change", args=[row.pk])  # type: ignore[attr-defined]


@pytest.fixture
def sold(planned):
    with at("2026-04-08 15:00"):
        submit_for_release(sale=planned, maker=user("wong"))
        approve_sale(sale=planned, checker=user("lee"), plan_hash=planned.plan_hash)
        advance_sales(broker=planned.call.facility.client.broker)
    return planned


def test_every_list_and_every_row_of_the_room_opens(sold, sit_down: SitDown):
    browser = sit_down("admin", is_superuser=True)

    for model in shown_models():
        assert browser.get(list_page(model)).status_code == 200, model
        row = model._default_manager.first()  # type: ignore[attr-defined]
        if row is not None:
            assert browser.get(row_page(row)).status_code == 200, row


def test_a_call_leads_to_its_valuation_its_lines_and_their_journals(called, sit_down: SitDown):
    _world, call = called
    browser = sit_down("mei")

    of_call = browser.get(row_page(call)).content.decode()
    assert row_page(call.valuation) in of_call
    assert "HKD 77,147.67" in of_call

    of_valuation = browser.get(row_page(call.valuation)).content.decode()
    for line in call.valuation.lines.select_related("price", "haircut"):
        assert reverse("admin:collateral_price_change", args=[line.price_id]) in of_valuation
        assert reverse("admin:collateral_lendinghaircut_change", args=[line.haircut_id]) in of_valuation
    account = call.facility.client.broker.book.account_set.get(owner="C001", role="loan_principal")
    of_account = reverse("admin:ledger_account_change", args=[account.pk])
    assert of_account in of_valuation
    assert "/admin/ledger/journal/" in browser.get(of_account).content.decode()


def test_a_sale_shows_expected_against_actual_with_fees_and_journals(sold, sit_down: SitDown):
    fill = Fill.objects.get()
    shown = sit_down("mei").get(row_page(sold)).content.decode()

    assert "246,400.79" in shown
    assert "492.80" in shown
    assert "Cures at the least cost: as much as is needed" in shown
    assert reverse("admin:ledger_journal_change", args=[fill.trade_journal_id]) in shown


def test_a_valuation_is_replayed_to_the_cent(called, sit_down: SitDown):
    _world, call = called
    browser = sit_down("mei")

    answer = browser.get(
        reverse("admin:margin_valuation_replay_valuation", args=[call.valuation_id]), follow=True
    )
    assert "Replayed: every figure comes out the same to the cent." in answer.content.decode()


def test_staff_of_one_broker_see_nothing_of_another(called, sit_down: SitDown):
    _world, call = called
    peak = open_broker(
        code="PEAK",
        name="Peak Brokers",
        clearing_location=Location.objects.get(code="CCASS"),
        commission_rate=D("0.0025"),
        commission_minimum=D("50.00"),
        virtual_asset_fee_rate=D("0"),
        actor="wong",
    )
    browser = sit_down("ho")
    Staff.objects.create(user=User.objects.get(username="ho"), broker=peak)

    for model in shown_models():
        assert "Chan Siu Ming" not in browser.get(list_page(model)).content.decode(), model
    assert browser.get(row_page(call)).status_code == 302
    assert browser.get(row_page(call.valuation)).status_code == 302
    assert browser.get(row_page(Broker.objects.get(code="HARBOUR"))).status_code == 302
    button = reverse("admin:margin_client_deposit_cash", args=[call.facility.client_id])
    assert browser.post(button, {"_form_submitted": "on"}).status_code == 403


def test_a_list_asks_the_same_number_of_questions_whatever_its_length(sit_down: SitDown):
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        review_calls(run=run_valuation(broker=world.broker))
    browser = sit_down("mei")
    short = {model: queries(browser, list_page(model)) for model in shown_models()}

    with at("2026-03-23 16:30"):
        more_clients(world)
    with at("2026-04-02 16:31"):
        review_calls(run=run_valuation(broker=world.broker))
    assert MarginCall.objects.count() == 4

    assert {model: queries(browser, list_page(model)) for model in shown_models()} == short


def test_a_page_asks_few_questions_and_counts_no_large_table(sold, sit_down: SitDown):
    browser = sit_down("mei")

    for model in shown_models():
        row = model._default_manager.first()  # type: ignore[attr-defined]
        if row is not None:
            assert queries(browser, row_page(row)) <= QUERIES_MAX, row
    with CaptureQueriesContext(connection) as asked:
        browser.get(list_page(MarginCall))
    counts = [query["sql"] for query in asked if "COUNT(*)" in query["sql"]]
    assert all("LIMIT 10000" in sql for sql in counts), counts


def test_a_posting_of_interest_leads_to_its_journal(called, sit_down: SitDown):
    from margin.accrual import accrue_due, post_due

    world, _call = called
    with at("2026-05-04 09:00"):
        accrue_due(broker=world.broker)
        post_due(broker=world.broker)
    posting = InterestPosting.objects.earliest("pk")

    shown = sit_down("mei").get(row_page(posting)).content.decode()
    assert reverse("admin:ledger_journal_change", args=[posting.journal_id]) in shown


def queries(browser, address: str) -> int:
    browser.get(address)
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(address).status_code == 200
    return len(asked)


def more_clients(world: World) -> None:
    for number, name in (("C002", "Wong Tai Man"), ("C003", "Lee Ka Yan"), ("C004", "Ho Mei Ling")):
        facility = world.client(number, name)
        world.pledge(facility, s00005="8000", s00700="1200", BTC="1.5")
        world.draw(facility, "1500000.00")
