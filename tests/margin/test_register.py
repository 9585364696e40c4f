"""The register of margin calls: what an inspector asks for, in one line for each call."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from margin import tasks
from margin.accrual import accrue_due
from margin.acknowledgements import acknowledge
from margin.calls import review_calls
from margin.custody import deposit_cash
from margin.decisions import approve_decision, propose_decision
from margin.models import Client, MarginCall
from margin.register import COLUMNS, UNDOCUMENTED, csv_response, entries
from margin.valuations import run_valuation
from tests.builders import D, World, at, hong_kong, user, v01

from .admin.conftest import sit_down  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def called() -> tuple[World, MarginCall]:
    world, chan = v01()
    Client.objects.filter(pk=chan.client_id).update(email="chan@example.com", name="=Chan Siu Ming")
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
        tasks.send_notices()
    return world, call


def line() -> dict[str, str]:
    [entry] = entries(MarginCall.objects.all())
    return entry


def prices(world: World, when: str) -> None:
    for code, price in (("BTC", "95000"), ("00005", "98.40"), ("00700", "512.50")):
        world.price(code, price, when)


def test_a_line_says_when_why_how_much_by_which_prices_and_through_what(called):
    _world, call = called
    with at("2026-04-02 17:00"):
        acknowledge(call=call, by="Chan Siu Ming", channel="phone", actor="wong")
    told = line()
    assert told["reference"] == "MC-C001-1"
    assert (told["issued_at"], told["due_at"]) == ("2026-04-02T16:30:00+08:00", "2026-04-08T15:00:00+08:00")
    assert (told["utilisation"], told["loan"], told["margin_value"]) == (
        "1.054095",
        "1503287.67",
        "1426140.00",
    )
    assert told["amount_called"] == "77147.67"
    assert told["prices_used"].split("; ")[2] == (
        "BTC x 1.5 at USD 95000 (feed, 2026-04-02T16:29:30+08:00) USD/HKD 7.8 haircut 0.6"
    )
    assert told["notices"] == "issued by email to chan@example.com: sent 2026-04-02T16:30:00+08:00"
    assert (told["acknowledged_by"], told["acknowledged_through"]) == ("Chan Siu Ming", "phone")
    assert told["not_sold_because"] == "not due for sale"
    assert "call.issued by system" in told["follow_up"]


def test_an_overdue_call_without_sale_or_reason_is_named_undocumented_and_a_deviation_names_its_reason(
    called,
):
    world, call = called
    prices(world, "2026-04-08 14:59")
    with at("2026-04-08 15:00"):
        from margin.calls import advance_due

        advance_due(broker=world.broker)
        assert line()["not_sold_because"] == UNDOCUMENTED
        deviation = propose_decision(
            call=call,
            kind="deviation",
            reason_code="payment_in_transit",
            reason="Cheque clears tomorrow",
            risk_assessment="Covered at -8%",
            expires_at=hong_kong("2026-04-09 12:00"),
            maker=user("wong"),
        )
        approve_decision(deviation, checker=user("lee"))
    told = line()
    assert told["not_sold_because"] == "deviation: Cheque clears tomorrow"
    assert told["decisions"] == (
        "deviation approved by lee, proposed by wong, until 2026-04-09T12:00:00+08:00: payment_in_transit,"
        " Cheque clears tomorrow [Covered at -8%]"
    )


def test_a_sale_and_what_was_brought_in_are_told(called):
    world, call = called
    with at("2026-04-02 16:31"):
        prices(world, "2026-04-02 16:31")
        deposit_cash(
            client=call.facility.client, currency="HKD", amount=D("30000.00"), key="part", actor="wong"
        )
        review_calls(run=run_valuation(broker=world.broker))
    prices(world, "2026-04-08 14:59")
    with at("2026-04-08 15:00"):
        tasks.advance_calls()
    told = line()
    assert told["brought_in"] == "2026-04-02T16:31:00+08:00 cash 30000.00 collateral 0.00"
    assert (told["forced_sales"], told["not_sold_because"]) == ("plan 1: planned", "")


def test_the_file_is_csv_that_no_spreadsheet_takes_for_a_formula_and_a_person_downloads_it(called, sit_down):  # noqa: F811
    text = b"".join(csv_response(MarginCall.objects.all()).streaming_content).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert tuple(row) == COLUMNS
    assert row["client_name"] == "'=Chan Siu Ming"
    answer = sit_down("mei").get(reverse("admin:margin_margincall_download_register"))
    assert b"MC-C001-1" in b"".join(answer.streaming_content)


def test_the_register_asks_the_same_number_of_questions_whatever_its_length(called):
    world, _call = called
    with CaptureQueriesContext(connection) as short:
        list(entries(MarginCall.objects.all()))
    with at("2026-03-23 16:30"):
        for number in ("C002", "C003"):
            facility = world.client(number, "Wong Tai Man")
            world.pledge(facility, s00005="8000", s00700="1200", BTC="1.5")
            world.draw(facility, "1500000.00")
    with at("2026-04-02 16:31"):
        prices(world, "2026-04-02 16:31")
        review_calls(run=run_valuation(broker=world.broker))
    assert MarginCall.objects.count() == 3
    with CaptureQueriesContext(connection) as longer:
        assert len(list(entries(MarginCall.objects.all()))) == 3
    assert len(longer) <= len(short) + 1
