"""What Harbour Securities would sell of a client's collateral, and that it is never more than needed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from collateral.valuation import Holding, value_account
from ledger.core.decimals import round_half_up
from margin.sales.fees import SEHK_JUNE_2025, VATP_EXAMPLE, FeeSchedule
from margin.sales.planner import Candidate, LegReason, Outcome, plan_sale

from .offers import SATOSHI, D, coins, lots, random_account, rounded_shortage, sold

USD = D("7.8000")
LOAN = D("1503287.67")

HSBC = Holding("00005", D(8000), D("98.40"), D("0.30"))
TENCENT = Holding("00700", D(1200), D("512.50"), D("0.30"))
BITCOIN = Holding("BTC", D("1.5"), D("95000"), D("0.60"), USD)
BITCOIN_FALLEN = replace(BITCOIN, price=D("80000"))


class TestExamples:
    def test_v02_just_enough_bitcoin_fees_included(self):
        holdings = [HSBC, TENCENT, BITCOIN_FALLEN]

        plan = plan_sale(loan=LOAN, holdings=holdings, candidates=[coins(BITCOIN_FALLEN)], target=D(1))

        (leg,) = plan.legs
        assert plan.outcome is Outcome.CURES
        assert leg.quantity == D("0.39487306")
        assert (leg.gross, leg.fees.total, leg.net) == (D("246400.79"), D("492.80"), D("245907.99"))
        assert leg.cure_per_dollar == D("0.598")
        assert leg.why is LegReason.LEAST_COST_IN_PART
        assert (plan.loan_before, plan.loan_after) == (LOAN, D("1257379.68"))
        assert (plan.margin_value_before, plan.margin_value_after) == (D("1355940.00"), D("1257379.68"))
        assert plan.deficiency_after == D("0.00")
        assert plan.after.lines[2].holding.quantity == D("1.10512694")
        assert plan.is_optimality_proved

    def test_v02_one_satoshi_less_leaves_a_cent(self):
        holdings = [HSBC, TENCENT, BITCOIN_FALLEN]

        short, _ = rounded_shortage(holdings, LOAN, None, D(1), [coins(BITCOIN_FALLEN)], [39487305])

        assert short == D("0.01")

    def test_v02_bitcoin_is_chosen_when_everything_is_offered(self):
        holdings = [HSBC, TENCENT, BITCOIN_FALLEN]
        offers = [lots(HSBC, 400), lots(TENCENT, 100), coins(BITCOIN_FALLEN)]

        plan = plan_sale(loan=LOAN, holdings=holdings, candidates=offers, target=D(1))

        assert sold(plan) == {"BTC": D("0.39487306")}
        assert plan.excluded == ()

    def test_v03_seven_lots_of_00005(self):
        holdings = [HSBC, TENCENT, BITCOIN]

        plan = plan_sale(loan=LOAN, holdings=holdings, candidates=[lots(HSBC, 400)], target=D(1))

        (leg,) = plan.legs
        assert leg.quantity == 2800
        assert (leg.gross, leg.fees.total) == (D("275520.00"), D("999.79"))
        assert plan.loan_after == D("1228767.46")
        assert plan.margin_value_after == D("1233276.00")
        assert plan.shortage_after == D("-4508.54")
        assert plan.excluded == (("00700", "not_offered"), ("BTC", "not_offered"))

    def test_v03_six_lots_leave_a_deficiency(self):
        short, cost = rounded_shortage([HSBC, TENCENT, BITCOIN], LOAN, None, D(1), [lots(HSBC, 400)], [6])

        assert (short, cost) == (D("7157.06"), D("857.39"))

    def test_v03b_fees_decide_between_four_lots_and_five(self):
        loan = value_account([HSBC], []).margin_value + D("47200.00")

        plan = plan_sale(loan=loan, holdings=[HSBC], candidates=[lots(HSBC, 400)], target=D(1))
        free = plan_sale(loan=loan, holdings=[HSBC], candidates=[lots(HSBC, 400, FeeSchedule())], target=D(1))

        assert sold(plan) == {"00005": 2000}
        assert plan.total_cost == D("714.00")
        assert plan.shortage_after == D("47200.00") - D("58326.00")
        assert sold(free) == {"00005": 1600}

    def test_v08_the_credit_limit_does_not_move_with_the_sale(self):
        plan = plan_sale(
            loan=LOAN,
            holdings=[HSBC, TENCENT, BITCOIN],
            candidates=[coins(BITCOIN)],
            target=D(1),
            credit_limit=D("1200000.00"),
        )

        assert plan.total_gross == D("303895.47")
        assert plan.margin_value_after == D("1304581.81")
        assert plan.loan_after == D("1199999.99")
        assert plan.is_optimality_proved

    def test_v11_whole_lots_first_and_the_odd_lot_last(self):
        pledged = replace(HSBC, quantity=D(8350))
        whole = Candidate("00005", D(8000), D(400), HSBC.price, SEHK_JUNE_2025)
        odd = Candidate("00005", D(350), D(350), HSBC.price, SEHK_JUNE_2025, sell_last=True)
        loan = value_account([pledged], []).margin_value
        cure_of_1830 = D("1830") * D("98.40") * (D("0.3") - SEHK_JUNE_2025.marginal_rate)

        plan = plan_sale(
            loan=loan + round_half_up(cure_of_1830), holdings=[pledged], candidates=[odd, whole], target=D(1)
        )

        assert [(leg.quantity, leg.why) for leg in plan.legs] == [(2000, LegReason.LEAST_COST_IN_PART)]

    def test_v14_back_to_ninety_percent(self):
        plan = plan_sale(
            loan=LOAN,
            holdings=[HSBC, TENCENT, BITCOIN_FALLEN],
            candidates=[coins(BITCOIN_FALLEN)],
            target=D("0.9"),
        )

        assert sold(plan) == {"BTC": D("0.71070873")}
        assert plan.total_gross == D("443482.25")
        assert plan.loan_after == D("1060692.38")
        assert plan.margin_value_after == D("1178547.10")
        assert plan.utilisation_after == D("0.900000")

    def test_worked_account_of_margin_peers_in_lots(self):
        tencent, hsbc, small, bitcoin, ether = holdings = [
            Holding("00700", D(8000), D(500), D("0.30")),
            Holding("00005", D(24000), D(100), D("0.30")),
            Holding("08000", D(1000000), D("1.20"), D("0.60")),
            Holding("BTC", D(2), D(700000), D("0.60")),
            Holding("ETH", D(30), D(25000), D("0.60")),
        ]
        costs = {tencent: "0.00248", hsbc: "0.00272", small: "0.03147", bitcoin: "0.00252", ether: "0.00292"}
        steps = {tencent: "100", hsbc: "400", small: "1000", bitcoin: "0.001", ether: "0.001"}
        offers = {
            holding.code: lots(holding, steps[holding], FeeSchedule(venue_fee_rate=D(costs[holding])))
            for holding in holdings
        }

        def plan(*codes):
            chosen = [offers[code] for code in codes]
            return plan_sale(loan=D(6100000), holdings=holdings, candidates=chosen, target=D("0.95"))

        assert plan("BTC").shortage_before == D("571000.00")
        assert sold(plan("BTC")) == {"BTC": D("1.322")}
        assert plan("BTC").utilisation_after.quantize(D("0.00001")) == D("0.94992")
        assert sold(plan("00005")) == {"00005": 43 * 400}
        assert plan("00005").utilisation_after.quantize(D("0.00001")) == D("0.94989")
        assert plan("08000").outcome is Outcome.CURES
        assert plan("ETH").outcome is Outcome.PARTIAL_CURE
        everything = plan(*offers)
        assert set(sold(everything)) <= {"BTC", "ETH"}
        assert everything.total_cost <= D("2334")


class TestV13:
    """0.8 BTC and 8,000 x 00005 against 900,000.00."""

    holdings = (
        Holding("BTC", D("0.8"), D(70000), D("0.60"), USD),
        Holding("00005", D(8000), D(80), D("0.30")),
    )
    loan = D("900000.00")

    @property
    def offers(self):
        return [coins(self.holdings[0]), lots(self.holdings[1], 400)]

    def test_bitcoin_alone_is_not_enough_and_planning_again_after_its_sale_takes_two_lots(self):
        first = plan_sale(loan=self.loan, holdings=self.holdings, candidates=self.offers[:1], target=D(1))

        assert first.before.deficiency == D("277280.00")
        assert first.before.utilisation == D("1.445272")
        assert first.outcome is Outcome.PARTIAL_CURE
        assert first.legs[0].why is LegReason.ALL_THAT_HELPS
        assert first.total_cost == D("873.60")
        assert first.loan_after == D("464073.60")
        assert first.deficiency_after == D("16073.60")

        left = [line.holding for line in first.after.lines]
        second = plan_sale(loan=first.loan_after, holdings=left, candidates=self.offers[1:], target=D(1))

        assert sold(second) == {"00005": 800}
        assert (second.total_gross, second.total_cost) == (D("64000.00"), D("232.14"))
        assert second.loan_after == D("400305.74")
        assert second.margin_value_after == D("403200.00")
        assert second.after.excess == D("2894.26")

    def test_in_one_plan_when_a_small_remainder_of_bitcoin_counts_as_dust(self):
        plan = plan_sale(
            loan=self.loan,
            holdings=self.holdings,
            candidates=self.offers,
            target=D(1),
            dust_value=D("5000.00"),
        )

        assert sold(plan) == {"BTC": D("0.8"), "00005": 800}
        assert [leg.why for leg in plan.legs] == [LegReason.DUST_CLEARED, LegReason.LEAST_COST_IN_PART]
        assert plan.loan_after == D("400305.74")
        assert plan.margin_value_after == D("403200.00")
        assert not plan.is_optimality_proved

    def test_the_least_cost_plan_keeps_the_bitcoin_that_two_lots_make_needless(self):
        plan = plan_sale(loan=self.loan, holdings=self.holdings, candidates=self.offers, target=D(1))

        assert sold(plan) == {"BTC": D("0.79113571"), "00005": 800}
        assert plan.deficiency_after == 0
        assert plan.total_cost == D("1096.06")
        assert plan.is_optimality_proved


class TestWhatMayBeSold:
    def test_an_account_within_its_target_sells_nothing(self):
        plan = plan_sale(loan=D("1.00"), holdings=[HSBC], candidates=[lots(HSBC, 400)], target=D(1))

        assert plan.outcome is Outcome.CURES
        assert plan.legs == ()
        assert plan.is_optimality_proved

    def test_what_the_client_wants_to_keep_is_sold_only_after_all_else(self):
        holdings = [HSBC, TENCENT, BITCOIN_FALLEN]
        offers = [lots(HSBC, 400), lots(TENCENT, 100), coins(BITCOIN_FALLEN, sell_last=True)]

        kept = plan_sale(loan=LOAN, holdings=holdings, candidates=offers, target=D(1))
        needed = plan_sale(loan=LOAN + 400000, holdings=holdings, candidates=offers, target=D(1))

        assert "BTC" not in sold(kept)
        assert sold(needed)["00005"] == 8000
        assert needed.legs[-1].code == "BTC"
        assert needed.legs[-1].why is LegReason.SELL_LAST
        assert needed.outcome is Outcome.CURES

    def test_what_cannot_be_traded_stays_with_the_reason_given(self):
        offers = [lots(HSBC, 400), coins(BITCOIN, is_tradable=False, reason="price_hard_stale")]

        plan = plan_sale(loan=LOAN, holdings=[HSBC, TENCENT, BITCOIN], candidates=offers, target=D(1))

        assert plan.excluded == (("00700", "not_offered"), ("BTC", "price_hard_stale"))
        assert sold(plan) == {"00005": 2800}

    def test_an_asset_whose_haircut_does_not_exceed_its_cost_is_never_sold(self):
        bond = Holding("04239", D(100000), D(1), D("0.001"))
        loan = D("900000.00")

        plan = plan_sale(
            loan=loan, holdings=[HSBC, bond, BITCOIN], candidates=[lots(bond, 1000)], target=D("1")
        )
        short = plan_sale(
            loan=D("1200000.00"), holdings=[HSBC, bond, BITCOIN], candidates=[lots(bond, 1000)], target=D(1)
        )

        assert plan.legs == ()
        assert short.outcome is Outcome.NOTHING_TO_SELL
        assert ("04239", "cannot_cure") in short.excluded

    def test_under_a_binding_limit_even_such_an_asset_brings_cash(self):
        bond = Holding("04239", D(500000), D(1), D("0.001"))

        plan = plan_sale(
            loan=D("400000.00"),
            holdings=[HSBC, bond],
            candidates=[lots(bond, 1000)],
            target=D(1),
            credit_limit=D("300000.00"),
        )

        assert plan.outcome is Outcome.CURES
        assert sold(plan) == {"04239": 101000}

    def test_both_limits_may_ask_for_a_mixture(self):
        cheap = Holding("00001", D(1000000), D(1), D("0.30"))
        strong = Holding("BTC", D(10), D(100000), D("0.60"))
        offers = [
            lots(cheap, 1, FeeSchedule(venue_fee_rate=D("0.0015"))),
            Candidate("BTC", D(10), SATOSHI, D(100000), FeeSchedule(venue_fee_rate=D("0.002"))),
        ]

        plan = plan_sale(
            loan=D("1200000.00"),
            holdings=[cheap, strong],
            candidates=offers,
            target=D(1),
            credit_limit=D(950000),
        )

        assert plan.outcome is Outcome.CURES
        assert set(sold(plan)) == {"00001", "BTC"}
        assert plan.loan_after <= min(plan.margin_value_after, D(950000))
        assert plan.is_optimality_proved

    def test_a_lot_and_two_small_ones_beat_the_single_lot_that_also_cures(self):
        holdings = [
            Holding("00001", D(100), D(214), D("0.50")),
            Holding("00002", D(3000), D(224), D("0.50")),
            Holding("00003", D(1000), D(25), D("0.30")),
        ]
        offers = [lots(holding, lot) for holding, lot in zip(holdings, (100, 1000, 500), strict=True)]

        plan = plan_sale(loan=D("380953.20"), holdings=holdings, candidates=offers, target=D(1))
        single = plan_sale(loan=D("380953.20"), holdings=holdings, candidates=offers[1:2], target=D(1))

        assert (sold(single), single.total_cost) == ({"00002": 1000}, D("812.46"))
        assert (sold(plan), plan.total_cost) == ({"00001": 100, "00003": 1000}, D("252.90"))

    def test_less_than_a_lot_cannot_be_sold(self):
        odd = replace(HSBC, quantity=D(350))

        plan = plan_sale(loan=D("30000.00"), holdings=[odd], candidates=[lots(odd, 400)], target=D(1))

        assert plan.outcome is Outcome.NOTHING_TO_SELL
        assert plan.excluded == (("00005", "below_one_step"),)
        assert plan.legs == ()

    def test_a_lot_that_costs_more_than_it_brings_is_left(self):
        penny = Holding("08001", D(1000), D("0.05"), D("0.90"))

        plan = plan_sale(loan=D("1000.00"), holdings=[penny], candidates=[lots(penny, 1000)], target=D(1))

        assert plan.outcome is Outcome.NOTHING_TO_SELL
        assert plan.excluded == (("08001", "costs_more_than_it_brings"),)

    def test_an_insolvent_account_is_sold_out_for_the_best_recovery(self):
        offers = [lots(HSBC, 400), lots(TENCENT, 100), coins(BITCOIN)]

        plan = plan_sale(
            loan=D("3000000.00"), holdings=[HSBC, TENCENT, BITCOIN], candidates=offers, target=D(1)
        )

        assert plan.outcome is Outcome.INSOLVENT
        assert sold(plan) == {"00005": 8000, "00700": 1200, "BTC": D("1.5")}
        assert {leg.why for leg in plan.legs} == {LegReason.BEST_RECOVERY}
        assert plan.utilisation_after is None
        assert plan.loan_after == D(3000000) - sum(leg.net for leg in plan.legs)
        assert not plan.is_optimality_proved

    def test_a_sale_while_the_rest_is_suspended_goes_as_far_as_it_can(self):
        offers = [lots(HSBC, 400), lots(TENCENT, 100, is_tradable=False, reason="suspended")]

        plan = plan_sale(
            loan=D("2000000.00"), holdings=[HSBC, TENCENT, BITCOIN], candidates=offers, target=D(1)
        )

        assert plan.outcome is Outcome.PARTIAL_CURE
        assert sold(plan) == {"00005": 8000}
        assert plan.shortage_after < plan.shortage_before

    def test_proceeds_beyond_the_loan_are_a_credit_balance(self):
        block = Holding("00005", D(400), D("98.40"), D("0.95"))

        plan = plan_sale(loan=D("10000.00"), holdings=[block], candidates=[lots(block, 400)], target=D(1))

        assert plan.loan_after == 0
        assert plan.after.credit_balance == plan.legs[0].net - D("10000.00")

    def test_a_limit_price_below_the_mark_asks_for_more(self):
        offer = replace(coins(BITCOIN_FALLEN), price=D("76000"))
        holdings = [HSBC, TENCENT, BITCOIN_FALLEN]

        plan = plan_sale(loan=LOAN, holdings=holdings, candidates=[offer], target=D(1))

        assert sold(plan)["BTC"] > D("0.39487306")
        assert plan.deficiency_after == 0

    def test_planning_again_after_a_part_fill_asks_only_for_the_rest(self):
        filled = D("0.20000000")
        proceeds = VATP_EXAMPLE.fees(D("124800.00")).net
        left = replace(BITCOIN_FALLEN, quantity=BITCOIN_FALLEN.quantity - filled)

        again = plan_sale(
            loan=LOAN - proceeds, holdings=[HSBC, TENCENT, left], candidates=[coins(left)], target=D(1)
        )

        assert sold(again) == {"BTC": D("0.39487306") - filled}
        assert again.deficiency_after == 0

    def test_the_same_question_has_the_same_answer(self):
        def ask():
            offers = [lots(TENCENT, 100), lots(HSBC, 400), coins(BITCOIN_FALLEN)]
            return plan_sale(
                loan=LOAN, holdings=[HSBC, TENCENT, BITCOIN_FALLEN], candidates=offers, target=D("0.9")
            )

        assert repr(ask()) == repr(ask())

    def test_a_node_limit_leaves_a_plan_that_cures_but_is_not_proved(self):
        account = random_account(random.Random(3), assets=12)

        limited = plan_sale(**account, node_limit=1)
        full = plan_sale(**account)

        assert limited.outcome is full.outcome is Outcome.CURES
        assert not limited.is_optimality_proved
        assert full.is_optimality_proved
        assert full.total_cost <= limited.total_cost


class TestRefusals:
    def ask(self, **changes):
        question = {"loan": LOAN, "holdings": [HSBC], "candidates": [lots(HSBC, 400)], "target": D(1)}
        return plan_sale(**(question | changes))

    @pytest.mark.parametrize("target", [D(0), D("1.01"), D("-1"), D("NaN")])
    def test_a_target_out_of_range(self, target):
        with pytest.raises(ValueError, match=r"target|finite"):
            self.ask(target=target)

    def test_more_offered_than_held(self):
        with pytest.raises(ValueError, match="more 00005 is offered than held"):
            self.ask(candidates=[lots(HSBC, 400), lots(HSBC, 400)])

    def test_something_not_held(self):
        with pytest.raises(ValueError, match="00700 is offered but not held"):
            self.ask(candidates=[lots(TENCENT, 100)])

    def test_a_code_held_twice(self):
        with pytest.raises(ValueError, match="held twice"):
            self.ask(holdings=[HSBC, HSBC])

    def test_a_negative_dust_value(self):
        with pytest.raises(ValueError, match="dust value"):
            self.ask(dust_value=D(-1))

    def test_a_loan_that_is_not_in_cents(self):
        with pytest.raises(ValueError, match="decimal places"):
            self.ask(loan=D("1503287.675"))

    @pytest.mark.parametrize(
        "wrong", [{"price": D(0)}, {"step": D(0)}, {"quantity": D(-1)}, {"fx_rate": D("NaN")}]
    )
    def test_a_candidate_out_of_range(self, wrong):
        with pytest.raises(ValueError, match=r"positive|finite"):
            replace(lots(HSBC, 400), **wrong)
