"""The exchange is closed for the night, coins trade on: enough now to survive, the rest at the opening."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collateral.valuation import Holding
from margin.sales.fees import FeeSchedule
from margin.sales.hours import plan_around_hours
from margin.sales.planner import Outcome, plan_to_level

from .offers import D, lots, sold

TENCENT = Holding("00700", D(8000), D(500), D("0.30"))
HSBC = Holding("00005", D(24000), D(100), D("0.30"))
SMALL = Holding("08000", D(1000000), D("1.20"), D("0.60"))
BITCOIN = Holding("BTC", D(2), D(700000), D("0.60"))
ETHER = Holding("ETH", D(30), D(25000), D("0.60"))
WORKED = (TENCENT, HSBC, SMALL, BITCOIN, ETHER)
COSTS = {"00700": "0.00248", "00005": "0.00272", "08000": "0.03147", "BTC": "0.00252", "ETH": "0.00292"}
STEPS = {"00700": "100", "00005": "400", "08000": "1000", "BTC": "0.001", "ETH": "0.001"}
SHARES = frozenset({"00700", "00005", "08000"})
OFFERS = [lots(each, STEPS[each.code], FeeSchedule(venue_fee_rate=D(COSTS[each.code]))) for each in WORKED]


def ask(loan, closed=SHARES, offers=OFFERS, **more):
    question = {"target": D("0.95"), "survival": D("1.20")} | more
    return plan_around_hours(loan=D(loan), holdings=WORKED, candidates=offers, closed=closed, **question)


def test_coins_alone_can_cure_so_they_do():
    plan = ask("6100000.00")

    assert plan.now.outcome is Outcome.CURES
    assert set(sold(plan.now)) <= {"BTC", "ETH"}
    assert plan.later is None
    assert ("00700", "venue_closed") in plan.now.excluded


def test_a_deep_case_is_brought_to_the_survival_level_and_cured_at_the_opening():
    plan = ask("7400000.00")

    assert plan.now.shortage_before == D("416000.00")
    assert plan.now.outcome is Outcome.CURES
    assert plan.now.utilisation_after <= D("1.20")
    assert set(sold(plan.now)) <= {"BTC", "ETH"}
    assert abs(plan.now.total_gross - D(803899)) < 700
    assert plan.later.loan_before == plan.now.loan_after
    assert plan.later.outcome is Outcome.CURES
    assert plan.later.utilisation_after <= D("0.95")
    both = sold(plan.now).get("BTC", 0) + sold(plan.later).get("BTC", 0)
    assert both <= 2


def test_an_account_that_can_survive_the_night_waits_for_the_opening():
    offers = [
        replace(offer, quantity=D("0.1")) if offer.code in ("BTC", "ETH") else offer for offer in OFFERS
    ]

    plan = ask("6100000.00", offers=offers)

    assert plan.now.legs == ()
    assert plan.later.outcome is Outcome.CURES
    assert plan.later.utilisation_after <= D("0.95")


def test_with_every_venue_open_there_is_no_later():
    plan = ask("7400000.00", closed=frozenset())

    assert plan.later is None
    assert plan.now.utilisation_after <= D("0.95")


def test_where_nothing_open_helps_all_waits():
    plan = ask("7400000.00", closed=frozenset(COSTS))

    assert plan.now.outcome is Outcome.NOTHING_TO_SELL
    assert plan.later.outcome is Outcome.CURES


def test_what_the_market_takes_is_not_taken_twice():
    offers = [replace(offer, quantity_max=D(1)) if offer.code == "BTC" else offer for offer in OFFERS]

    plan = ask("7400000.00", offers=offers)

    assert sold(plan.now).get("BTC", 0) + sold(plan.later).get("BTC", 0) <= 1


def test_a_survival_level_below_the_target_is_refused():
    with pytest.raises(ValueError, match=r"survival 0\.9 is below the target 0\.95"):
        ask("7400000.00", survival=D("0.9"))


def test_a_level_must_be_positive():
    with pytest.raises(ValueError, match="level 0"):
        plan_to_level(loan=D(1), holdings=WORKED, candidates=OFFERS, level=D(0))
