"""The first page of the back office: right figures, each a link, the same few questions at any size."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger.core.events import record_event
from ledger.models import Location
from margin.accrual import accrue_due
from margin.brokers import open_broker
from margin.calls import advance_due, review_calls
from margin.models import Broker, Staff
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user, v01

pytestmark = pytest.mark.django_db

FRONT = reverse("admin:index")


@pytest.fixture
def risk_officer() -> Browser:
    browser = Browser()
    browser.force_login(user("mei", is_superuser=True))
    return browser


def called(*, with_interest: bool = False) -> World:
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        if with_interest:
            accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
    return world


def overdue() -> World:
    world = called(with_interest=True)
    with at("2026-04-08 15:00"):
        world.price("BTC", "80000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
    return world


def shown(browser: Browser) -> str:
    answer = browser.get(FRONT)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_empty_house_says_what_to_do_next(risk_officer: Browser):
    page = shown(risk_officer)

    assert "No broker yet" in page
    assert "manage.py demo" in page
    assert reverse("admin:margin_broker_add") in page


def test_a_broker_without_clients_says_what_comes_next(risk_officer: Browser):
    harbour()

    page = shown(risk_officer)
    assert "No client yet" in page
    assert reverse("admin:margin_client_add") in page


def test_every_figure_of_the_front_page_is_a_link(risk_officer: Browser):
    called()

    page = shown(risk_officer)
    assert "HKD 1,500,000.00" in page
    assert "MC-C001-1" in page
    for model in ("valuation", "client", "margincall", "forcedsale"):
        assert reverse(f"admin:margin_{model}_changelist") in page
    for href in _links(page):
        if href.startswith("/admin/margin/") or href.startswith("/admin/collateral/"):
            assert risk_officer.get(href).status_code == 200, href


def test_a_band_leads_to_the_accounts_in_it(risk_officer: Browser):
    called()
    behind = reverse("admin:margin_valuation_changelist")

    assert "C001 Chan" in risk_officer.get(f"{behind}?which=latest&band=100-130").content.decode()
    assert "C001 Chan" not in risk_officer.get(f"{behind}?which=latest&band=85-100").content.decode()


def test_a_sale_that_waits_names_the_person_who_may_release_it(risk_officer: Browser):
    world = overdue()
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))

    assert "1 forced sale awaits your release." in shown(risk_officer)

    maker = Browser()
    User.objects.filter(username="wong").update(is_superuser=True)
    maker.force_login(user("wong"))
    assert "awaits your release" not in shown(maker)


def test_a_sale_in_flight_shows_how_much_it_has_brought(risk_officer: Browser):
    world = overdue()
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
        advance_sales(broker=world.broker)

    page = shown(risk_officer)
    assert "246,400.79 of HKD 246,400.79" in page
    assert 'aria-valuenow="100"' in page


def test_the_latest_audit_is_told(risk_officer: Browser):
    harbour()
    with transaction.atomic():
        record_event("ledger.audit.completed", None, actor="system", checks=12, findings=0, duration_ms=5)
    assert "No findings" in shown(risk_officer)

    with transaction.atomic():
        record_event("ledger.audit.completed", None, actor="system", checks=12, findings=3, duration_ms=5)
    assert "3 findings" in shown(risk_officer)


def test_staff_see_their_own_broker_only(db: None):
    world = called()
    clerk = user("ho")
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="margin"))
    Staff.objects.create(user=clerk, broker=_another_broker())
    browser = Browser()
    browser.force_login(clerk)

    page = shown(browser)
    assert "No client yet" in page
    assert "MC-C001-1" not in page
    assert world.broker.name not in page


def test_more_clients_ask_no_more_questions(risk_officer: Browser):
    world = called()
    shown(risk_officer)
    with CaptureQueriesContext(connection) as few:
        shown(risk_officer)

    with at("2026-03-23 16:30"):
        for number in ("C002", "C003", "C004"):
            facility = world.client(number, f"Client {number}")
            world.pledge(facility, s00005="8000", s00700="1200", BTC="1.5")
            world.draw(facility, "1500000.00")
    with at("2026-04-02 16:31"):
        review_calls(run=run_valuation(broker=world.broker))
    with CaptureQueriesContext(connection) as many:
        assert "MC-C004-1" in shown(risk_officer)

    assert len(many) == len(few)


def test_the_sidebar_shows_what_a_person_may_view(db: None):
    called()
    clerk = Browser()
    clerk.force_login(user("clerk"))

    page = shown(clerk)
    assert reverse("admin:margin_client_changelist") not in _links(page)
    assert "1,500,000.00" not in page


def _links(page: str) -> set[str]:
    return {part.split('"')[0].replace("&amp;", "&") for part in page.split('href="')[1:]}


def _another_broker() -> Broker:
    return open_broker(
        code="PEAK",
        name="Peak Brokers",
        clearing_location=Location.objects.get(code="CCASS"),
        commission_rate=D("0.0025"),
        commission_minimum=D("50.00"),
        virtual_asset_fee_rate=D("0"),
        actor="wong",
    )
