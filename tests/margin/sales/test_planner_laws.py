"""Laws of the forced sale planner, on small accounts that can be reckoned by trying everything."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collateral.valuation import Debt, Holding, value_account
from ledger.core.decimals import round_half_up
from margin.sales.lots import SaleBook
from margin.sales.planner import Outcome, plan_sale

from .offers import SCHEDULES, D, lots, random_account, rounded_shortage


@pytest.mark.parametrize("seed", range(5))
def test_twenty_assets_are_planned_and_proved(seed):
    plan = plan_sale(**random_account(random.Random(seed), assets=20))

    assert plan.outcome is Outcome.CURES
    assert plan.is_optimality_proved
    assert plan.shortage_after <= 0


@st.composite
def accounts(draw, *, lots_max=4, assets_max=3):
    holdings, offers = [], []
    for number in range(draw(st.integers(1, assets_max))):
        lot = draw(st.sampled_from([100, 400, 1000]))
        odd = draw(st.sampled_from([0, 0, 37]))
        quantity = D(lot * draw(st.integers(1, lots_max)) + odd)
        price = D(draw(st.integers(50, 60000))) / 100
        haircut = D(draw(st.sampled_from(["0", "0.05", "0.1", "0.3", "0.5", "0.6", "0.9"])))
        holdings.append(Holding(f"A{number}", quantity, price, haircut))
        offers.append(lots(holdings[-1], lot, draw(st.sampled_from(SCHEDULES))))
    margin_value = value_account(holdings, []).margin_value
    loan = round_half_up(margin_value * draw(st.integers(960, 1300)) / 1000)
    limit = round_half_up(loan * draw(st.integers(600, 1050)) / 1000) if draw(st.booleans()) else None
    target = D(draw(st.sampled_from(["1", "0.95", "0.9"])))
    return {
        "loan": loan,
        "holdings": holdings,
        "candidates": offers,
        "target": target,
        "credit_limit": limit,
    }


def steps_of(plan, offers):
    quantities = Counter()
    for leg in plan.legs:
        quantities[leg.code] += leg.quantity
    return [int(quantities[offer.code] / offer.step) for offer in offers]


def unrounded_shortage(account, steps):
    """The shortage after a sale none of whose figures is rounded; the account before it is in cents."""
    loan = account["loan"]
    margin_value = value_account(account["holdings"], []).margin_value
    for holding, offer, number in zip(account["holdings"], account["candidates"], steps, strict=True):
        if number:
            gross = offer.step * number * offer.price
            fees = offer.fees
            commission = max(fees.commission_minimum, gross * fees.commission_rate)
            settlement = max(fees.settlement_fee_minimum, gross * fees.settlement_fee_rate)
            if fees.settlement_fee_maximum is not None:
                settlement = min(settlement, fees.settlement_fee_maximum)
            rest = fees.marginal_rate - fees.commission_rate - fees.settlement_fee_rate
            loan -= gross - commission - settlement - gross * rest - fees.trading_tariff
            margin_value -= offer.step * number * holding.price * (1 - holding.haircut)
    limit = account["credit_limit"]
    return loan - account["target"] * (margin_value if limit is None else min(margin_value, limit))


class TestLaws:
    @settings(max_examples=60, deadline=None)
    @given(accounts(lots_max=12))
    def test_a_plan_adds_up_and_never_sells_what_is_not_there(self, account):
        plan = plan_sale(**account)

        held = {holding.code: holding.quantity for holding in account["holdings"]}
        for leg in plan.legs:
            assert 0 < leg.quantity <= held[leg.code]
            assert leg.net == leg.gross - leg.fees.total > 0
            held[leg.code] -= leg.quantity
        left = [replace(holding, quantity=held[holding.code]) for holding in account["holdings"]]
        after = value_account(
            left,
            [Debt("loan", account["loan"])],
            cash=sum(leg.net for leg in plan.legs),
            credit_limit=account["credit_limit"],
        )
        assert plan.margin_value_after == after.margin_value
        assert plan.loan_after == after.loan
        assert (plan.outcome is Outcome.CURES) == (plan.shortage_after <= 0)

    @settings(max_examples=60, deadline=None)
    @given(accounts(lots_max=12))
    def test_one_step_less_of_any_leg_does_not_cure(self, account):
        plan = plan_sale(**account)
        assume(plan.outcome is Outcome.CURES and plan.legs)

        steps = steps_of(plan, account["candidates"])
        for index, number in enumerate(steps):
            if number:
                less = [*steps[:index], number - 1, *steps[index + 1 :]]
                question = account["holdings"], account["loan"], account["credit_limit"], account["target"]
                rounded, _ = rounded_shortage(*question, account["candidates"], less)
                assert max(rounded, unrounded_shortage(account, less)) > 0

    @settings(max_examples=60, deadline=None)
    @given(accounts())
    def test_no_choice_of_lots_cures_for_less_than_the_plan_beyond_rounding(self, account):
        plan = plan_sale(**account)
        question = account["holdings"], account["loan"], account["credit_limit"], account["target"]
        offers = account["candidates"]

        cheapest = None
        for steps in itertools.product(*(range(offer.steps_max + 1) for offer in offers)):
            short, cost = rounded_shortage(*question, offers, steps)
            if short <= 0 and unrounded_shortage(account, steps) <= 0:
                cheapest = cost if cheapest is None else min(cheapest, cost)

        assert (plan.outcome is Outcome.CURES) == (cheapest is not None)
        if cheapest is not None:
            assert plan.is_optimality_proved
            assert plan.total_cost <= cheapest + D("1.11") * max(len(plan.legs), 3)

    @settings(max_examples=40, deadline=None)
    @given(accounts(lots_max=3, assets_max=5))
    def test_nor_among_five_assets_where_two_limits_may_bind(self, account):
        plan = plan_sale(**account)
        book = SaleBook(**account)

        choices = itertools.product(*(range(most + 1) for most in book.steps_max))
        cheapest = min((book.charges(choice) for choice in choices if book.is_cured(choice)), default=None)

        assert (plan.outcome is Outcome.CURES) == (cheapest is not None)
        if cheapest is not None:
            assert plan.is_optimality_proved
            assert plan.total_cost <= D(cheapest) / 100 + D("1.11") * max(len(plan.legs), 3)
