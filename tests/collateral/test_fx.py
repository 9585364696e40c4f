"""Exchange rates: two sides, a peg that is believed, and never a rate that nobody observed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from collateral.fx import latest_rate, record_rate
from collateral.models import FxRate
from ledger.core.errors import Conflict, Invalid, NotFound
from ledger.core.models import Event

from .market import at, hkt

pytestmark = pytest.mark.django_db

NOW = "2026-03-09 10:00"


def rate(base: str, bid: object, ask: object, *, quote: str = "HKD", when: str = NOW) -> FxRate:
    with at(NOW):
        return record_rate(
            base=base, quote=quote, bid=bid, ask=ask, observed_at=hkt(when), source="hkab", actor="feed"
        )


def test_assets_find_the_bid_and_debts_the_ask_of_the_last_rate() -> None:
    rate("USD", "7.7800", "7.7810", when="2026-03-08 10:00")
    latest = rate("USD", "7.7850", "7.7860")
    found = latest_rate("USD", "HKD", at=hkt(NOW))
    assert (found.rate_id, found.bid, found.ask) == (latest.pk, Decimal("7.7850"), Decimal("7.7860"))
    assert latest_rate("USD", "HKD", at=hkt("2026-03-09 09:59")).bid == Decimal("7.78")


def test_a_currency_against_itself_is_one_and_an_unknown_pair_is_not_guessed() -> None:
    assert latest_rate("HKD", "HKD", at=hkt(NOW)).bid == 1
    with pytest.raises(NotFound) as refused:
        latest_rate("CNY", "HKD", at=hkt(NOW))
    assert refused.value.reason == "no_rate"


@pytest.mark.parametrize(
    ("base", "quote", "bid", "ask", "code"),
    [
        ("USD", "HKD", "7.7499", "7.7600", "OUT_OF_PEG"),
        ("USD", "HKD", "7.8400", "7.8501", "OUT_OF_PEG"),
        ("HKD", "USD", "0.1273", "0.1280", "OUT_OF_PEG"),
        ("HKD", "USD", "0.1280", "0.1291", "OUT_OF_PEG"),
        ("USD", "HKD", "7.80", "7.79", "BID_ABOVE_ASK"),
        ("CNY", "HKD", "0", "1.08", "NOT_POSITIVE"),
        ("CNY", "HKD", "NaN", "1.08", "INEXACT"),
        ("CNY", "HKD", "1.08", 1.09, "INEXACT"),
        ("HKD", "HKD", "1", "1", "SAME_CURRENCY"),
        ("BTC", "HKD", "741000", "741000", "UNKNOWN_CURRENCY"),
        ("CNY", "JPY", "20", "20", "UNKNOWN_CURRENCY"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(base: str, quote: str, bid: object, ask: object, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        rate(base, bid, ask, quote=quote)
    assert refused.value.reason == code
    assert not FxRate.objects.exists()


@pytest.mark.parametrize(
    ("base", "quote", "bid", "ask"), [("USD", "HKD", "7.75", "7.85"), ("HKD", "USD", "0.1275", "0.129")]
)
def test_the_edges_of_the_peg_are_inside(base: str, quote: str, bid: str, ask: str) -> None:
    assert rate(base, bid, ask, quote=quote).pk


def test_a_rate_from_the_future_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        rate("USD", "7.80", "7.80", when="2026-03-09 10:01")
    assert refused.value.reason == "FROM_THE_FUTURE"


def test_the_same_rate_twice_is_one_row_and_other_values_are_a_conflict() -> None:
    assert rate("CNY", "1.0862", "1.0870").pk == rate("CNY", "1.0862", "1.0870").pk
    assert Event.objects.filter(topic="collateral.fx_rate.recorded").count() == 1
    with pytest.raises(Conflict) as refused:
        rate("CNY", "1.0862", "1.0871")
    assert refused.value.reason == "CONFLICT"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE collateral_fxrate SET bid = 1",
        "DELETE FROM collateral_fxrate",
        "INSERT INTO collateral_fxrate (base, quote, bid, ask, source, observed_at, received_at)"
        " VALUES ('USD', 'HKD', 7.70, 7.80, 'sql', now(), now())",
        "INSERT INTO collateral_fxrate (base, quote, bid, ask, source, observed_at, received_at)"
        " VALUES ('CNY', 'HKD', 1.09, 1.08, 'sql', now(), now())",
    ],
    ids=["change", "delete", "outside the peg", "bid above ask"],
)
def test_the_database_refuses_it_too(statement: str) -> None:
    rate("CNY", "1.0862", "1.0870")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
