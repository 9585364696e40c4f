"""What the firm has out, added up from the latest valuations."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from margin.calls import review_calls
from margin.exposure import exposure, latest_valuations, stale_prices, within_band
from margin.models import Facility, MarginPolicy, Valuation
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, v01

pytestmark = pytest.mark.django_db


def called() -> World:
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        review_calls(run=run_valuation(broker=world.broker))
    return world


def test_exposure_adds_up_what_v01_owes():
    world = called()

    with at("2026-04-02 16:31"):
        today = exposure(broker=world.broker)

    assert (today.loan_total, today.market_value, today.margin_value, today.lendable) == (
        D("1500000.00"),
        D("2513700.00"),
        D("1426140.00"),
        D("1426140.00"),
    )
    assert (today.client_count, today.borrower_count, today.call_count, today.overdue_count) == (1, 1, 1, 0)
    assert [(band.key, band.count) for band in today.utilisation_bands if band.count] == [("100-130", 1)]
    [day] = today.loan_history
    assert (day.on.isoformat(), day.loan, day.margin_value) == (
        "2026-04-02",
        D("1500000.00"),
        D("1426140.00"),
    )


def test_the_last_run_of_a_day_speaks_for_the_day():
    world, chan = v01()
    with at("2026-03-23 17:00"):
        run_valuation(broker=world.broker)
    with at("2026-04-02 16:30"):
        run_valuation(broker=world.broker)
        world.pledge(chan, s00005="4000")
    with at("2026-04-02 16:40"):
        run_valuation(broker=world.broker)
        days = exposure(broker=None).loan_history

    assert [day.on.isoformat() for day in days] == ["2026-03-23", "2026-04-02"]
    assert days[-1].margin_value == D("1426140.00") + D("4000") * D("98.40") * D("0.70")


def test_stale_prices_are_counted_by_what_is_pledged():
    world = called()
    with at("2026-04-02 16:30:10"):
        assert stale_prices(broker=world.broker) == []
    with at("2026-04-02 17:30"):
        assert [(price.code, price.state.value) for price in stale_prices(broker=world.broker)] == [
            ("BTC", "hard")
        ]


def test_a_house_without_loans_has_nothing_out():
    world = harbour()

    nothing = exposure(broker=world.broker)
    assert (nothing.loan_total, nothing.utilisation, nothing.loan_history) == (D("0"), D("0"), [])


@pytest.mark.parametrize(
    ("loan", "utilisation", "band"),
    [
        ("0.00", "0", None),
        ("50.00", "0.5", "to-50"),
        ("50.00", "0.500001", "50-70"),
        ("100.00", "1", "85-100"),
        ("100.00", "1.000001", "100-130"),
        ("130.00", "1.300001", "over-130"),
        ("1.00", None, "over-130"),
    ],
)
def test_each_account_stands_in_one_band(loan: str, utilisation: str | None, band: str | None):
    world = harbour()
    Valuation.objects.create(
        facility=world.client("C009", "Ng Siu Fong"),
        policy=MarginPolicy.objects.get(),
        valued_at="2026-04-02T16:30:00+08:00",
        **dict.fromkeys(("interest", "cash", "market_value", "margin_value", "deficiency"), D("0.00")),
        principal=D(loan),
        loan=D(loan),
        securities_margin_value=D("0.00"),
        credit_limit=D("5000000.00"),
        utilisation=None if utilisation is None else D(utilisation),
        level="normal",
    )

    bands = exposure(broker=world.broker).utilisation_bands
    assert [found.key for found in bands if found.count] == ([band] if band else [])
    if band:
        assert Valuation.objects.filter(within_band(band)).count() == 1


def test_a_closed_facility_is_out_of_the_figures():
    world = called()
    Facility.objects.update(closed_on="2026-04-03")

    assert not latest_valuations(world.broker).exists()


def test_the_number_of_questions_does_not_grow_with_the_clients():
    world = called()
    with CaptureQueriesContext(connection) as few:
        exposure(broker=world.broker)
    with at("2026-03-23 16:30"):
        for number in ("C002", "C003"):
            world.draw(_pledged(world, number), "1500000.00")
    with at("2026-04-02 16:31"):
        run_valuation(broker=world.broker)
    with CaptureQueriesContext(connection) as many:
        assert exposure(broker=world.broker).borrower_count == 3

    assert len(many) == len(few)


def _pledged(world: World, number: str) -> Facility:
    facility = world.client(number, f"Client {number}")
    world.pledge(facility, s00005="8000", s00700="1200", BTC="1.5")
    return facility
