"""What selling costs beyond the charges: interest until settlement, the market's own reaction, its depth."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collateral.valuation import Holding, value_account
from margin.sales.fees import SEHK_JUNE_2025, FeeSchedule
from margin.sales.impact import Impact, floor_at, floor_pieces, impact_of, merged
from margin.sales.lines import participation
from margin.sales.lots import SaleBook
from margin.sales.planner import LegReason, Outcome, plan_sale

from .offers import SATOSHI, D, coins, lots, random_account, sold

HSBC = Holding("00005", D(8000), D("98.40"), D("0.30"))
BITCOIN = Holding("BTC", D("1.5"), D("80000"), D("0.60"), D("7.8"))
TWO_DAYS_AT_8_PERCENT = D("0.0004383562")


def ask(short, offers, holdings=(HSBC, BITCOIN), **more):
    loan = value_account(holdings, []).margin_value + D(short)
    return plan_sale(loan=loan, holdings=holdings, candidates=offers, target=D(1), **more)


class TestInterestUntilSettlement:
    def test_two_days_of_interest_are_part_of_the_cost(self):
        offer = lots(HSBC, 400, interest_rate=TWO_DAYS_AT_8_PERCENT)

        (leg,) = ask("50000.00", [offer]).legs

        assert leg.quantity == 2000
        assert leg.interest == D("86.27")
        assert leg.net == leg.gross - leg.fees.total - D("86.27")
        assert leg.cost == leg.fees.total + D("86.27")
        assert leg.cost_rate == SEHK_JUNE_2025.marginal_rate + TWO_DAYS_AT_8_PERCENT

    def test_it_makes_a_coin_that_settles_at_once_the_cheaper_of_two(self):
        stock = Holding("00001", D(10**6), D(1), D("0.60"))
        free = FeeSchedule(venue_fee_rate=D("0.0018"))
        offers = [lots(stock, 1, free), coins(BITCOIN)]
        later = [replace(offers[0], interest_rate=TWO_DAYS_AT_8_PERCENT), offers[1]]
        both = (stock, BITCOIN)

        assert set(sold(ask("50000.00", offers, both))) == {"00001"}
        assert set(sold(ask("50000.00", later, both))) == {"BTC"}

    @pytest.mark.parametrize("rate", ["-0.1", "1", "0.00000000001"])
    def test_a_rate_out_of_range_is_refused(self, rate):
        with pytest.raises(ValueError, match=r"interest_rate|decimal places"):
            lots(HSBC, 400, interest_rate=D(rate))


class TestImpact:
    def test_the_square_root_law_rounded_up_to_the_cent(self):
        law = Impact(D("0.016"), D("3000000"))

        # 0.016 x 300,000 x sqrt(300,000 / 3,000,000) = 1,517.8933...
        assert law.cents(300_000_00) == 151_790
        assert law.cents(0) == 0

    @pytest.mark.parametrize("wrong", [("1.1", "1"), ("-0.1", "1"), ("0.1", "0")])
    def test_out_of_range_is_refused(self, wrong):
        with pytest.raises(ValueError, match=r"impact coefficient|daily value"):
            Impact(D(wrong[0]), D(wrong[1]))

    def test_a_thin_share_is_spread_over_with_another_of_the_same_charges(self):
        first, second = (Holding(code, D(100000), D(10), D("0.60")) for code in ("00001", "00002"))
        law = Impact(D("0.05"), D(2000000))
        alike = [lots(holding, 100, FeeSchedule(venue_fee_rate=D("0.001"))) for holding in (first, second)]
        thin = [replace(offer, impact=law) for offer in alike]

        unmoved = ask("300000.00", alike, (first, second))
        moved = ask("300000.00", thin, (first, second))

        assert len(unmoved.legs) == 1
        assert len(moved.legs) == 2
        assert abs(moved.legs[0].quantity - moved.legs[1].quantity) <= 200
        assert moved.is_optimality_proved
        assert all(leg.impact > 0 for leg in moved.legs)
        assert moved.outcome is Outcome.CURES

    @settings(max_examples=100, deadline=None)
    @given(st.integers(1, 10**40), st.integers(0, 10**5), st.integers(1, 10**5))
    def test_the_straight_pieces_never_rise_above_the_law(self, squared, low, length):
        high = low + length
        total, at = impact_of(squared, low), low
        for slope, steps in floor_pieces(squared, low, high):
            for share in (1, 2, 3):
                inside = at + steps * share // 3
                assert total + slope * (inside - at) <= impact_of(squared, inside) + 1
            total += slope * steps
            at += steps
        assert at == high

    def test_and_stay_close_to_it_at_the_end(self):
        whole = impact_of(10**40, 10**4)
        assert sum(slope * steps for slope, steps in floor_pieces(10**40, 0, 10**4)) > whole * 0.93

    @given(
        st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), min_size=1, max_size=5),
        st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), min_size=1, max_size=5),
    )
    def test_rows_of_pieces_add_step_by_step(self, one, other):
        spread = [[slope for slope, length in row for _ in range(length)] for row in (one, other)]
        length = min(len(each) for each in spread)
        cut = [[(slope, 1) for slope in each[:length]] for each in spread]

        added = [slope for slope, steps in merged(*cut) for _ in range(steps)]

        assert added == [a + b for a, b in zip(spread[0], spread[1], strict=False)]

    @pytest.mark.parametrize("seed", range(12))
    def test_no_choice_of_lots_is_cheaper(self, seed):
        rng = random.Random(seed)
        holdings = [
            Holding(
                f"A{i}", D(100 * rng.randint(3, 8)), D(rng.randint(10, 90)), D(rng.choice(["0.4", "0.6"]))
            )
            for i in range(4)
        ]
        day = D(rng.randint(20_000, 90_000))
        offers = [lots(each, 100, impact=Impact(D("0.03"), day)) for each in holdings]
        whole = value_account(holdings, []).margin_value
        question = {
            "loan": whole * D("1.04") // 1,
            "holdings": holdings,
            "candidates": offers,
            "target": D(1),
            "credit_limit": whole * D("0.99") // 1 if seed % 2 else None,
        }
        book = SaleBook(**question)

        plan = plan_sale(**question)

        choices = itertools.product(*(range(most + 1) for most in book.steps_max))
        cheapest = min(book.charges(choice) for choice in choices if book.is_cured(choice))
        assert plan.is_optimality_proved
        assert plan.total_cost <= D(cheapest) / 100 + D("1.11") * max(len(plan.legs), 3)

    def test_twenty_assets_with_impact_are_planned_and_proved(self):
        account = random_account(random.Random(4), assets=20)
        account["candidates"] = [
            replace(offer, impact=Impact(D("0.016"), D(50_000_000))) for offer in account["candidates"]
        ]

        plan = plan_sale(**account)

        assert plan.outcome is Outcome.CURES
        assert plan.is_optimality_proved
        assert sum(leg.impact for leg in plan.legs) > 0


def test_a_tangent_where_the_optimum_lies_closes_the_gap_there():
    squared, high = 10**40, 10**6
    without = floor_pieces(squared, 0, high)
    touched = floor_pieces(squared, 0, high, [123_456])

    law = impact_of(squared, 123_456)
    assert law - floor_at(squared, 0, 123_456, without) > law // 1000
    assert 0 <= law - floor_at(squared, 0, 123_456, touched) <= law // 10**4
    assert floor_at(squared, 0, high, touched) <= impact_of(squared, high)


class TestParticipation:
    def test_a_tenth_of_a_day_in_whole_lots(self):
        assert participation(D(250_000), D("0.10"), D(1), D(400)) == 24_800
        assert participation(D(250_000), D("0.10"), D("0.5"), D(400)) == 12_400
        assert participation(D(3_999), D("0.10"), D(1), D(400)) == 0

    @pytest.mark.parametrize("wrong", [("1", "1.1", "1"), ("-1", "0.1", "1"), ("1", "0.1", "-1")])
    def test_out_of_range_is_refused(self, wrong):
        with pytest.raises(ValueError, match="out of range"):
            participation(*map(D, wrong), D(400))

    def test_what_the_market_does_not_take_is_cured_by_the_next_best_and_the_plan_says_so(self):
        thin = replace(coins(BITCOIN, quantity_max=D("0.05")), step=D("0.01"))

        plan = ask("53500.00", [thin, lots(HSBC, 400)])

        assert sold(plan)["BTC"] == D("0.05")
        assert [leg.why for leg in plan.legs] == [
            LegReason.ALL_THE_MARKET_TAKES,
            LegReason.LEAST_COST_IN_PART,
        ]
        assert plan.outcome is Outcome.CURES

    def test_a_market_that_takes_less_than_a_lot_takes_nothing(self):
        plan = ask("50000.00", [lots(HSBC, 400, quantity_max=D(399))])

        assert plan.outcome is Outcome.NOTHING_TO_SELL
        assert ("00005", "below_one_step") in plan.excluded

    def test_a_satoshi_more_than_is_held_is_no_cap(self):
        assert not coins(BITCOIN, quantity_max=D("1.5") + SATOSHI).is_capped_by_market

    def test_a_negative_cap_is_refused(self):
        with pytest.raises(ValueError, match="quantity_max"):
            coins(BITCOIN, quantity_max=D(-1))


def test_the_law_agrees_with_arithmetic_on_the_side():
    law = Impact(D("0.02"), D(1_000_000))
    for dollars in (1, 777, 100_000, 5_000_000):
        expected = 0.02 * dollars * math.sqrt(dollars / 1_000_000)
        assert law.cents(dollars * 100) == pytest.approx(expected * 100, abs=1)
