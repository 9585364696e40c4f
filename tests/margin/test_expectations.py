"""Calls seen coming: a haircut that rises tomorrow at today's prices."""

from __future__ import annotations

from datetime import date

import pytest

from collateral.eligibility import approve_eligibility, propose_eligibility
from collateral.haircuts import approve_haircut, propose_haircut
from ledger import audit
from ledger.models import Asset
from margin import tasks
from margin.expectations import expect_calls
from margin.models import MarginCall
from tests.builders import D, World, at, user, v01

pytestmark = pytest.mark.django_db


def haircut(code: str, fraction: str, on: date) -> None:
    row = propose_haircut(
        asset=Asset.objects.get(code=code), haircut=D(fraction), valid_from=on, maker=user("wong")
    )
    approve_haircut(row, checker=user("lee"))


@pytest.fixture
def covered() -> World:
    """Ms Chan, covered on Thursday 26 March: 1,568,000 of margin value for her loan of 1.5 million."""
    world, _chan = v01()
    with at("2026-03-26 16:30"):
        for code, price in (("00005", "100.00"), ("00700", "520.00"), ("BTC", "110000")):
            world.price(code, price, "2026-03-26 16:29")
        tasks.value_accounts()
    assert not MarginCall.objects.exists()
    return world


def test_a_haircut_that_rises_tomorrow_is_a_call_expected_today_and_issued_tomorrow(covered):
    with at("2026-03-26 16:31"):
        haircut("00005", "0.40", date(2026, 3, 27))
        tasks.value_accounts()
        tasks.value_accounts()
        assert expect_calls(broker=covered.broker) == []
        call = MarginCall.objects.get()
        assert (call.status, call.number, call.is_open) == ("expected", 1, False)
        covered.price("BTC", "110000", "2026-03-26 16:30:50")
        covered.draw(call.facility, "1.00")
        assert audit.run().findings == ()
    with at("2026-03-27 09:31"):
        for code, price in (("00005", "100.00"), ("00700", "520.00"), ("BTC", "110000")):
            covered.price(code, price, "2026-03-27 09:30:50")
        tasks.value_accounts()
    call.refresh_from_db()
    assert (call.status, call.number, call.version) == ("issued", 1, 2)
    assert call.amount.amount == call.valuation.deficiency
    assert audit.run().findings == ()


def test_what_is_no_longer_expected_lapses(covered):
    with at("2026-03-26 16:31"):
        haircut("00005", "0.40", date(2026, 3, 27))
        tasks.value_accounts()
    with at("2026-03-26 16:40"):
        covered.price("BTC", "150000", "2026-03-26 16:39:50")
        tasks.value_accounts()
        tasks.value_accounts()
    call = MarginCall.objects.get()
    assert (call.status, call.closed_at is not None) == ("cancelled", True)
    assert audit.run().findings == ()


def test_an_asset_that_is_excluded_from_tomorrow_is_a_call_expected_today(covered):
    with at("2026-03-26 16:31"):
        assert expect_calls(broker=covered.broker) == []
        row = propose_eligibility(
            asset="00005", is_accepted=False, valid_from=date(2026, 3, 27), maker=user("wong")
        )
        approve_eligibility(row, checker=user("lee"))
        (call,) = expect_calls(broker=covered.broker)

    # 1,568,000 of margin value lose the 560,000 of HSBC against a loan of 1.5 million and its interest.
    assert call.status == MarginCall.Status.EXPECTED
    assert call.amount.amount > D("492000")
