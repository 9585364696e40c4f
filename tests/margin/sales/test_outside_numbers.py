"""Other systems' own numbers, asked of the planner itself and not only of the closed forms.

Copied from the published tests of drift-labs/protocol-v2 (commit 0ae3e3b, math/liquidation/tests.rs and
math/margin/tests.rs), aave/aave-v4 (commit 0051c6e, LiquidationLogic) and pmorissette/bt (pull request 557).
`test_sizing` has the rest of them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from collateral.valuation import Holding
from margin.sales.fees import FeeSchedule
from margin.sales.planner import Outcome, plan_sale

from .offers import D, lots

FINE = "0.00000001"


def sale(holding, loan, cost="0", target="1", step=FINE):
    offer = lots(holding, step, FeeSchedule(venue_fee_rate=D(cost)))
    return plan_sale(loan=D(loan), holdings=[holding], candidates=[offer], target=D(target))


class TestDriftPerpetuals:
    """A position at 100 with a margin ratio of 10% that is 10 short: loan = 90% of its value + 10."""

    @pytest.mark.parametrize(("cost", "base"), [("0", "1.0"), ("0.01", "1.11111112"), ("0.02", "1.25")])
    def test_base_to_cover_a_shortage_rounded_up_to_a_step(self, cost, base):
        position = Holding("SOL", D(10), D(100), D("0.1"))

        plan = sale(position, "910.00", cost)

        assert plan.shortage_before == 10
        assert plan.outcome is Outcome.CURES
        assert abs(plan.legs[0].quantity - D(base)) <= D("0.0011")
        assert plan.shortage_after <= 0

    def test_what_can_never_improve_is_refused(self):
        sol, cash = Holding("SOL", D(10), D(100), D("0.01")), Holding("USDC", D(1000), D(1), D("0.10"))
        offer = lots(sol, FINE, FeeSchedule(venue_fee_rate=D("0.02")))

        plan = plan_sale(loan=D("1900.00"), holdings=[sol, cash], candidates=[offer], target=D(1))

        assert plan.outcome is Outcome.NOTHING_TO_SELL
        assert ("SOL", "cannot_cure") in plan.excluded

    def test_a_weight_that_falls_with_the_platforms_total_sells_more_and_still_just_enough(self):
        """Deposits of 20,000 keep their weight of 0.9, of 40,000 have 0.45, of 60,000 have 0.3."""
        quantities = []
        for weight in ("0.9", "0.45", "0.3"):
            holding = Holding("SOL", D(20000), D(25), 1 - D(weight))
            plan = sale(holding, D(500000) * D(weight) + 100, step="0.01")
            assert plan.shortage_before == 100
            assert 0 <= -plan.shortage_after <= D("0.25")
            quantities.append(plan.legs[0].quantity)

        assert quantities == [D("40.00"), D("7.28"), D("5.72")]


class TestAave:
    """Target health factor 1.25 is a target of 0.8; a bonus of 1.25 is a cost of 0.2; factor 0.5 a haircut of 0.5."""

    @pytest.mark.parametrize(("debt", "health", "collateral"), [(10000, "0.8", 16000), (50000, "0.9", 90000)])
    def test_debt_to_target_is_what_the_sale_repays(self, debt, health, collateral):
        """debt x (target - health) / (target - bonus x factor), with a target of 1.25 and a bonus of 1.25."""
        holding = Holding("WETH", D(collateral), D(1), D("0.5"))
        repaid = debt * (D("1.25") - D(health)) / (D("1.25") - D("1.25") * D("0.5"))

        plan = sale(holding, debt, "0.2", "0.8", "0.01")

        assert abs(plan.loan_before - plan.loan_after - repaid) <= D("0.02")
        assert plan.utilisation_after == D("0.800000")

    def test_too_little_collateral_is_sold_in_full(self):
        plan = sale(Holding("WETH", D(3000), D(1), D("0.5")), "10000.00", "0.2", "1", "1")

        assert plan.outcome is Outcome.INSOLVENT
        assert plan.total_gross == 3000
        assert plan.loan_before - plan.loan_after == 2400


class TestMaintenanceRestore:
    """bt: keep invested what the equity carries; the wrong answers are what others gave."""

    @pytest.mark.parametrize(
        ("equity", "invested", "requirement", "after", "wrong"),
        [
            (1000, 1500, "0.8", "1250.00", "1312.50"),
            (1000, 3000, "0.5", "2000.00", "1500.00"),
            (700, 1200, "0.6", "1166.67", "1171.43"),
        ],
    )
    def test_what_stays_invested(self, equity, invested, requirement, after, wrong):
        holding = Holding("SPY", D(invested), D(1), D(requirement))

        plan = sale(holding, invested - equity, step="0.01")

        left = plan.after.lines[0].market_value
        assert abs(left - D(after)) <= D("0.01")
        assert abs(left - D(wrong)) > 4

    def test_four_times_the_least_is_not_what_we_sell(self):
        """A broker emulator closes four times the least amount; one step less of ours leaves the account short."""
        holding = Holding("SPY", D(1200), D(1), D("0.6"))

        plan = sale(holding, 500, step="0.01")

        less = replace(holding, quantity=holding.quantity - plan.legs[0].quantity + D("0.05"))
        assert (
            plan_sale(
                loan=500 - plan.total_gross + D("0.05"), holdings=[less], candidates=[], target=D(1)
            ).shortage_before
            > 0
        )
