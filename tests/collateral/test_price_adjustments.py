"""A split changes the price as it changes the quantity: value stays, and nothing gets fresher than it was."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import Error, transaction

from collateral.models import Instrument, Price, PriceAdjustment
from collateral.price_import import PriceRow, import_prices
from collateral.prices import PriceState, latest_prices
from ledger.core.errors import Invalid
from ledger.core.models import Event
from ledger.corporate_actions.actions import carry_out
from ledger.models import CorporateAction, Location
from tests.ledger.books import sql
from tests.ledger.corporate_actions.issuers import announced

from .market import at, hkt, observe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("policies")]
D = Decimal
EX = date(2026, 3, 9)  # a Monday


@pytest.fixture
def seen(tencent: Instrument) -> Instrument:
    """Tencent closed at 512.50 on Friday; a second source said 512.00 a little earlier."""
    with at("2026-03-06 16:30"):
        observe(tencent, "511.00", "2026-03-06 15:00")
        observe(tencent, "512.00", "2026-03-06 16:07", source="other")
        observe(tencent, "512.50", "2026-03-06 16:08")
    return tencent


def split(new: int, old: int, *, on: str = "2026-03-09 00:01", **terms: object) -> CorporateAction:
    action = announced(**{"asset": "00700", "ratio_new": new, "ratio_old": old, "ex_on": EX} | terms)
    with at(on):
        carry_out(action=action)
    return action


def price_at(instrument: Instrument, when: str) -> Decimal:
    return latest_prices([instrument], at=hkt(when))[instrument.code].price


def test_v18_512_50_before_is_102_50_after(seen: Instrument) -> None:
    split(5, 1)

    assert price_at(seen, "2026-03-08 23:59:59") == D("512.50")
    assert price_at(seen, "2026-03-09 00:00") == D("102.50")


def test_a_price_is_as_old_as_what_was_seen(seen: Instrument) -> None:
    before = latest_prices([seen], at=hkt("2026-03-09 00:00"))["00700"]
    split(5, 1)
    after = latest_prices([seen], at=hkt("2026-03-09 00:00"))["00700"]

    assert (after.observed_at, after.state, after.source) == (before.observed_at, before.state, "feed")
    assert latest_prices([seen], at=hkt("2026-03-12 09:00"))["00700"].state is PriceState.HARD
    assert price_at(seen, "2026-03-12 09:00") == D("102.50")


def test_of_two_sources_the_lower_is_taken_at_the_new_ratio(seen: Instrument) -> None:
    """During Monday's session Friday's prices are soft-stale: the lower of two sources, both times ten."""
    assert price_at(seen, "2026-03-09 10:00") == D("512.00")
    split(1, 10)

    quote = latest_prices([seen], at=hkt("2026-03-09 10:00"))["00700"]
    assert (quote.state, quote.price, quote.source) == (PriceState.SOFT, D(5120), "other")


def test_the_first_price_after_a_split_is_within_its_band(seen: Instrument) -> None:
    with at("2026-03-09 09:30"), pytest.raises(Invalid) as refused:
        observe(seen, "102.70", "2026-03-09 09:30")
    assert refused.value.reason == "OUT_OF_BAND"
    split(5, 1)

    with at("2026-03-09 09:30"):
        observe(seen, "102.70", "2026-03-09 09:30")

    assert price_at(seen, "2026-03-09 09:30") == D("102.70")
    assert price_at(seen, "2026-03-09 09:29") == D("102.50")


def test_a_price_of_the_ex_date_that_came_before_a_late_split_stands(tencent: Instrument) -> None:
    with at("2026-03-06 16:30"):
        observe(tencent, "200.00", "2026-03-06 16:08")
    with at("2026-03-09 09:31"):
        observe(tencent, "100.50", "2026-03-09 09:31")

    split(2, 1, on="2026-03-09 09:40")

    assert price_at(tencent, "2026-03-09 09:30") == D(100)
    assert price_at(tencent, "2026-03-09 09:40") == D("100.50")


def test_a_price_without_an_end_is_rounded_up_at_the_eighteenth_decimal(seen: Instrument) -> None:
    split(3, 1)
    assert price_at(seen, "2026-03-09 00:00") == D("170.833333333333333334")


def test_one_split_after_another(seen: Instrument) -> None:
    split(5, 1)
    split(1, 10, reference="again", ex_on=date(2026, 3, 10), on="2026-03-10 00:01")

    assert price_at(seen, "2026-03-08 12:00") == D("512.50")
    assert price_at(seen, "2026-03-09 00:30") == D("102.50")
    assert price_at(seen, "2026-03-10 00:30") == D(1025)
    assert Price.objects.filter(adjustment=None).count() == 3


def test_two_splits_on_one_day(seen: Instrument) -> None:
    split(5, 1)
    split(1, 2, reference="again")
    assert price_at(seen, "2026-03-09 00:30") == D(205)


def test_a_split_before_one_that_was_applied_is_refused(seen: Instrument) -> None:
    split(5, 1)
    with pytest.raises(Invalid) as refused:
        split(2, 1, reference="late", ex_on=date(2026, 3, 6))
    assert refused.value.reason == "overtaken"


def test_history_that_arrives_late_is_told_in_the_terms_of_its_day(seen: Instrument) -> None:
    split(5, 1)
    rows = [
        PriceRow("00700", "513.00", "HKD", "2026-03-06T16:09:00+08:00"),
        PriceRow("00700", "512.50", "HKD", "2026-03-06T16:10:00+08:00"),
    ]
    with at("2026-03-09 08:00"):
        done = import_prices(rows, source="history", actor="wong")
        again = import_prices(rows, source="history", actor="wong")

    assert (done.created, again.unchanged) == (2, 2)
    assert price_at(seen, "2026-03-06 16:30") == D("512.50")
    assert price_at(seen, "2026-03-09 08:00") == D("102.50")


def test_the_same_price_again_answers_with_what_was_seen_and_not_with_what_became_of_it(
    seen: Instrument,
) -> None:
    split(5, 1)
    with at("2026-03-09 08:00"):
        row = observe(seen, "512.50", "2026-03-06 16:08")
    assert row.adjustment is None


def test_one_event_tells_of_it(seen: Instrument) -> None:
    split(5, 1)
    event = Event.objects.get(topic="collateral.price.adjusted")
    assert event.payload == {"code": "00700", "corporate_action": "2026-0402", "ratio": "5:1", "prices": 2}


def test_dividends_bonus_shares_and_one_place_alone_leave_prices_to_the_market(seen: Instrument) -> None:
    Location.objects.create(code="VAULT", name="Vault", kind=Location.Kind.CUSTODIAN)
    split(5, 1, location="VAULT")
    paid = {"record_on": EX, "pay_on": EX, "on": "2026-03-10 00:01"}
    split(1, 20, reference="b", kind="bonus", **paid)

    assert not PriceAdjustment.objects.exists()
    assert price_at(seen, "2026-03-09 00:00") == D("512.50")


def test_where_nothing_was_seen_there_is_nothing_to_adjust(tencent: Instrument) -> None:
    split(5, 1)
    assert latest_prices([tencent], at=hkt("2026-03-09 09:00"))["00700"].state is PriceState.MISSING


@pytest.mark.parametrize(
    "change",
    [
        "price = price + 1e-17",
        "price = price / 2",
        "source = 'mine'",
        "observed_at = observed_at + interval '1s'",
    ],
)
def test_raw_sql_cannot_make_up_what_a_price_became(seen: Instrument, change: str) -> None:
    split(5, 1)
    names = "instrument_id, source, price, currency, observed_at, received_at, adjustment_id, adjusts_id"
    column, _is, value = change.partition(" = ")
    adjusted = Price.objects.exclude(adjustment=None).latest("pk")
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(Error, match="at the ratio of its split"), transaction.atomic():
        sql(
            f"INSERT INTO collateral_price ({names})"
            f" SELECT {names.replace(column, value, 1)} FROM collateral_price WHERE id = {adjusted.pk}"
        )
    with pytest.raises(Error, match="append-only"), transaction.atomic():
        sql("UPDATE collateral_priceadjustment SET effective_at = now()")
