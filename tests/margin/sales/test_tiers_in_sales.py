"""Bitcoin lent against in slices: the dearest slice is sold first, and the plan counts what each one frees."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from collateral.valuation import Holding, Tier, value_account
from margin.sales.fees import FeeSchedule
from margin.sales.lines import line_of
from margin.sales.lots import SaleBook
from margin.sales.planner import Outcome, plan_sale

from .offers import SATOSHI, D, lots, random_account, sold

SLICES = (Tier(D(1000000), D("0.70")), Tier(D(2000000), D(1)))
BITCOIN = Holding("BTC", D(4), D(650000), D("0.60"), tiers=SLICES)
CHARGES = FeeSchedule(venue_fee_rate=D("0.0025"))


def gain(line, steps):
    """What one more dollar sold cures, after so many steps."""
    taken = line.margin_taken(steps + 1) - line.margin_taken(steps)
    return D(line.value - taken - line.marginal_charges) / line.value


def test_the_worked_gains_by_slice():
    line = line_of(lots(BITCOIN, "0.01", CHARGES), BITCOIN, D("0.95"))

    # 2.6m in slices of 1m, 1m and the rest; a step is 6,500.
    assert round(gain(line, 0), 10) == D("0.9975")
    assert round(gain(line, 100), 10) == D("0.7125")
    assert round(gain(line, 300), 10) == D("0.6175")
    assert line.margin_taken(400) == pytest.approx(700_000 * D("0.95") * 10**24, rel=D("1e-20"))


def test_a_step_across_a_bound_takes_of_both_slices():
    line = line_of(lots(BITCOIN, "0.01", CHARGES), BITCOIN, D(1))

    # 92.3 steps lie above the second bound.
    across = line.margin_taken(93) - line.margin_taken(92)
    free = 600_000 - 92 * 6_500
    assert across == pytest.approx((6_500 - free) * D("0.3") * 10**24, rel=D("1e-20"))


def test_the_excess_slice_frees_all_it_brings():
    loan = value_account([BITCOIN], []).margin_value + 100_000

    plan = plan_sale(loan=loan, holdings=[BITCOIN], candidates=[lots(BITCOIN, SATOSHI, CHARGES)], target=D(1))

    assert plan.total_gross == pytest.approx(D(100_000) / D("0.9975"), abs=D("0.02"))
    assert plan.margin_value_after == plan.margin_value_before
    assert plan.is_optimality_proved


def test_beyond_the_excess_slice_the_next_one_counts():
    loan = value_account([BITCOIN], []).margin_value + 700_000

    plan = plan_sale(loan=loan, holdings=[BITCOIN], candidates=[lots(BITCOIN, SATOSHI, CHARGES)], target=D(1))

    # 600,000 cure at 0.9975, the rest at 0.6975.
    expected = 600_000 + (700_000 - 600_000 * D("0.9975")) / D("0.6975")
    assert plan.total_gross == pytest.approx(expected, abs=D("0.05"))
    assert plan.deficiency_after == 0
    assert plan.is_optimality_proved


def test_an_excess_slice_is_sold_before_a_flat_share_of_the_same_charges():
    flat = Holding("00005", D(20000), D(100), D("0.60"))
    loan = value_account([BITCOIN, flat], []).margin_value + 500_000
    offers = [lots(flat, 400, CHARGES), lots(BITCOIN, SATOSHI, CHARGES)]

    plan = plan_sale(loan=loan, holdings=[BITCOIN, flat], candidates=offers, target=D(1))

    assert set(sold(plan)) == {"BTC"}


@pytest.mark.parametrize("seed", range(20))
def test_no_choice_of_lots_is_cheaper(seed):
    rng = random.Random(seed)
    holdings = []
    for number in range(4):
        quantity, price = D(100 * rng.randint(2, 6)), D(rng.randint(20, 90))
        worth = quantity * price
        tiers = (
            Tier(worth * rng.randint(2, 5) / 10, D("0.6")),
            Tier(worth * rng.randint(6, 9) / 10, D("0.9")),
        )
        holdings.append(Holding(f"A{number}", quantity, price, D("0.4"), tiers=tiers))
    whole = value_account(holdings, []).margin_value
    question = {
        "loan": whole * D("1.08") // 1,
        "holdings": holdings,
        "candidates": [lots(each, 100) for each in holdings],
        "target": D("0.95"),
        "credit_limit": whole * D("0.99") // 1 if seed % 2 else None,
    }
    book = SaleBook(**question)

    plan = plan_sale(**question)

    choices = itertools.product(*(range(most + 1) for most in book.steps_max))
    cheapest = min((book.charges(choice) for choice in choices if book.is_cured(choice)), default=None)
    assert (plan.outcome is Outcome.CURES) == (cheapest is not None)
    if cheapest is not None:
        assert plan.is_optimality_proved
        assert plan.total_cost <= D(cheapest) / 100 + D("1.11") * max(len(plan.legs), 3)


@pytest.mark.parametrize("seed", range(4))
def test_twenty_assets_in_slices_are_planned_and_proved(seed):
    account = random_account(random.Random(seed), assets=20)
    tiered = []
    for each in account["holdings"]:
        worth = each.quantity * each.price
        tiered.append(replace(each, tiers=(Tier(worth / 2, min(each.haircut + D("0.2"), D(1))),)))
    margin_value = value_account(tiered, []).margin_value
    question = account | {"holdings": tiered, "loan": margin_value * D("1.05") // 1}

    plan = plan_sale(**question)

    assert plan.outcome is Outcome.CURES
    assert plan.is_optimality_proved
