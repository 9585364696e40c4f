"""A night on which many clients of Harbour Securities must sell the same thin share."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collateral.valuation import Debt, Holding, value_account
from margin.sales.allotment import allot
from margin.sales.fees import SEHK_JUNE_2025, VATP_EXAMPLE, FeeSchedule
from margin.sales.firm import FirmAccount, FirmAsset, plan_firm, split_fill
from margin.sales.planner import Candidate, plan_sale

from .offers import SATOSHI, D

THIN = FirmAsset("08000", D(1000), D("1.20"), D("0.60"), FeeSchedule(venue_fee_rate=D("0.03147")))
HSBC = FirmAsset("00005", D(400), D("100.00"), D("0.30"), SEHK_JUNE_2025)
BITCOIN = FirmAsset("BTC", SATOSHI, D("700000"), D("0.60"), VATP_EXAMPLE)


def client(key, short, held, assets=(THIN, HSBC, BITCOIN), **more):
    """A client whose loan is `short` above the margin value of what is held."""
    held = {code: D(quantity) for code, quantity in held.items()}
    margin_value = value_account(holdings(held, assets), []).margin_value
    return FirmAccount(key, margin_value + D(short), held, D(1), **more)


def holdings(held, assets):
    described = {asset.code: asset for asset in assets}
    return [
        Holding(code, quantity, described[code].price, described[code].haircut)
        for code, quantity in held.items()
    ]


def sold(plan):
    return {(leg.account, leg.code): leg.quantity for leg in plan.legs}


def assert_sound(plan, assets, accounts):
    """Nothing beyond cap or holding, blocks split without rest, and cured is what the kernel calls cured."""
    amounts = sold(plan)
    for block in plan.blocks:
        asset = next(asset for asset in assets if asset.code == block.code)
        assert block.quantity == sum(quantity for _, quantity in block.split)
        assert asset.cap is None or block.quantity <= asset.cap
        assert block.quantity % asset.step == 0
    for account in accounts:
        left = {
            code: quantity - amounts.get((account.key, code), 0) for code, quantity in account.held.items()
        }
        assert min(left.values()) >= 0
        cash = sum(leg.gross - leg.charges for leg in plan.legs if leg.account == account.key)
        value = value_account(
            holdings(left, assets),
            [Debt("loan", account.loan)],
            cash=max(cash, D(0)),
            credit_limit=account.credit_limit,
        )
        assert value.is_above(account.target) == (account.key in dict(plan.uncured))


class TestOneThinShare:
    def test_who_can_be_cured_by_nothing_else_comes_first(self):
        assets = [replace(THIN, cap=D(300000)), HSBC]
        trapped = client("Chan", "100000.00", {"08000": 400000})
        free = client("Lee", "100000.00", {"08000": 400000, "00005": 8000})

        plan = plan_firm(assets=assets, accounts=[free, trapped])

        assert_sound(plan, assets, [trapped, free])
        assert plan.uncured == ()
        assert ("Lee", "08000") not in sold(plan) or sold(plan)["Lee", "08000"] < sold(plan)["Chan", "08000"]
        assert sold(plan)["Lee", "00005"] > 0

    def test_alike_accounts_share_in_proportion_to_what_they_need(self):
        assets = [replace(THIN, cap=D(100000))]
        accounts = [
            client("Chan", "60000.00", {"08000": 400000}),
            client("Lee", "30000.00", {"08000": 400000}),
            client("Wong", "30000.00", {"08000": 400000}),
        ]

        plan = plan_firm(assets=assets, accounts=accounts)

        assert_sound(plan, assets, accounts)
        assert sold(plan) == {("Chan", "08000"): 50000, ("Lee", "08000"): 25000, ("Wong", "08000"): 25000}
        assert [block.is_scarce for block in plan.blocks] == [True]
        assert [key for key, _ in plan.uncured] == ["Chan", "Lee", "Wong"]
        assert plan.cost_bound is None
        assert not plan.is_within_a_lot

    def test_the_more_urgent_band_is_served_before_the_other(self):
        assets = [replace(THIN, cap=D(100000))]
        accounts = [
            client("Chan", "60000.00", {"08000": 400000}),
            client("Lee", "50000.00", {"08000": 400000}, band=1),
        ]

        plan = plan_firm(assets=assets, accounts=accounts)

        assert sold(plan)["Lee", "08000"] == 74000
        assert sold(plan)["Chan", "08000"] == 26000
        assert [key for key, _ in plan.uncured] == ["Chan"]

    def test_an_asset_that_cannot_be_sold_now_is_in_nobodys_plan(self):
        accounts = [client("Chan", "50000.00", {"08000": 400000, "00005": 8000})]

        plan = plan_firm(assets=[THIN, replace(HSBC, cap=D(0))], accounts=accounts)

        assert [block.code for block in plan.blocks] == ["08000"]

    def test_an_account_at_its_target_sells_nothing(self):
        plan = plan_firm(assets=[HSBC], accounts=[client("Chan", "0.00", {"00005": 8000})])

        assert (plan.legs, plan.blocks, plan.uncured) == ((), (), ())

    def test_a_credit_limit_that_binds_is_met_too(self):
        account = client("Chan", "0.00", {"00005": 8000}, credit_limit=D("500000.00"))

        plan = plan_firm(assets=[HSBC], accounts=[account])

        assert_sound(plan, [HSBC], [account])
        assert plan.uncured == ()

    def test_the_same_night_has_the_same_plan(self):
        assets, accounts = a_night(random.Random(5), share="0.15")

        assert repr(plan_firm(assets=assets, accounts=accounts)) == repr(
            plan_firm(assets=assets, accounts=accounts)
        )


def a_night(rng, share):
    """Sixty clients over a coin and four shares; the firm may sell `share` of what they hold of each."""
    assets = [replace(BITCOIN, code="A0")] + [
        FirmAsset(
            f"A{number}",
            D(rng.choice([100, 400, 1000])),
            D(rng.randint(200, 20000)) / 100,
            D(rng.choice(["0.30", "0.50", "0.70"])),
            SEHK_JUNE_2025,
        )
        for number in range(1, 5)
    ]
    accounts = []
    for number in range(60):
        held = {
            each.code: each.step * max(rng.randint(50_000, 900_000) // int(each.step * each.price), 1)
            if each.step >= 1
            else D(rng.randint(1, 100)) / 100
            for each in assets
            if rng.random() < 0.8
        } or {"A1": assets[1].step}
        short = rng.randint(1_000, 60_000)
        accounts.append(client(f"C{number}", short, held, assets, band=int(short > 50_000)))
    total = {each.code: sum(account.held.get(each.code, D(0)) for account in accounts) for each in assets}
    capped = [replace(each, cap=each.step * (total[each.code] * D(share) // each.step)) for each in assets]
    return capped, accounts


class TestManyAccounts:
    @pytest.mark.parametrize("share", ["0.02", "0.05", "0.15", "1"])
    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_is_sold_beyond_its_cap_and_all_adds_up(self, seed, share):
        assets, accounts = a_night(random.Random(seed), share)

        plan = plan_firm(assets=assets, accounts=accounts)

        assert_sound(plan, assets, accounts)

    @pytest.mark.parametrize("seed", [1, 2, 4])
    def test_without_scarcity_it_costs_hardly_more_than_the_proved_plans_one_by_one(self, seed):
        assets, accounts = a_night(random.Random(seed), "1")
        described = {asset.code: asset for asset in assets}

        plan = plan_firm(assets=assets, accounts=accounts)

        alone = D(0)
        for account in accounts:
            offers = [
                Candidate(code, quantity, described[code].step, described[code].price, described[code].fees)
                for code, quantity in account.held.items()
            ]
            single = plan_sale(
                loan=account.loan,
                holdings=holdings(account.held, assets),
                candidates=offers,
                target=account.target,
            )
            alone += single.total_cost
        assert plan.cost_bound <= alone + 1
        assert alone - 200 <= plan.total_cost <= alone * D("1.05")
        assert plan.is_within_a_lot

    def test_scarcity_costs_more_and_never_less_than_the_floor(self):
        free, accounts = a_night(random.Random(1), "1")
        scarce, _ = a_night(random.Random(1), "0.07")

        cheap = plan_firm(assets=free, accounts=accounts)
        dear = plan_firm(assets=scarce, accounts=accounts)

        assert dear.uncured == ()
        assert any(block.is_scarce for block in dear.blocks)
        assert cheap.total_cost < dear.total_cost
        assert cheap.cost_bound < dear.cost_bound <= dear.total_cost


class TestRefusals:
    def test_what_is_held_must_be_described(self):
        with pytest.raises(ValueError, match="Chan holds 00005, which is not described"):
            plan_firm(assets=[THIN], accounts=[client("Chan", "1.00", {"00005": 400})])

    def test_nobody_is_named_twice(self):
        account = client("Chan", "1.00", {"00005": 400})
        with pytest.raises(ValueError, match="given twice"):
            plan_firm(assets=[HSBC], accounts=[account, account])
        with pytest.raises(ValueError, match="given twice"):
            plan_firm(assets=[HSBC, HSBC], accounts=[])

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"cap": D(-1)}, "cap -1"),
            ({"step": D(0)}, "step 0"),
            ({"haircut": D("1.1")}, "haircut 1.1"),
            ({"price": D("NaN")}, "finite"),
        ],
    )
    def test_an_asset_out_of_range(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            replace(HSBC, **wrong)

    @pytest.mark.parametrize("wrong", [{"target": D(0)}, {"loan": D(-1)}, {"band": -1}])
    def test_an_account_out_of_range(self, wrong):
        with pytest.raises(ValueError, match=r"target|negative"):
            replace(client("Chan", "1.00", {"00005": 400}), **wrong)


class TestAllotment:
    def test_largest_remainders_get_what_is_left_over(self):
        assert allot(10, [5, 3, 2]) == [5, 3, 2]
        assert allot(11, [5, 3, 2]) == [6, 3, 2]
        assert allot(2, [1, 1, 1]) == [1, 1, 0]

    def test_what_a_limit_leaves_goes_to_the_others(self):
        assert allot(10, [8, 1, 1], [2, 9, 9]) == [2, 4, 4]
        assert allot(100, [1, 1], [3, 4]) == [3, 4]

    def test_no_weight_no_share(self):
        assert allot(5, [0, 0]) == [0, 0]
        assert allot(5, []) == []

    def test_a_negative_number_is_refused(self):
        with pytest.raises(ValueError, match="not negative"):
            allot(-1, [1])

    @settings(max_examples=200, deadline=None)
    @given(
        st.integers(0, 10**9),
        st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=12),
    )
    def test_shares_add_up_and_nobody_passes_a_limit(self, total, claims):
        weights, limits = [weight for weight, _ in claims], [limit for _, limit in claims]

        shares = allot(total, weights, limits)

        assert sum(shares) == min(total, sum(limit for weight, limit in claims if weight))
        assert all(0 <= share <= limit for share, limit in zip(shares, limits, strict=True))

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
    def test_nobody_is_a_lot_away_from_the_exact_proportion(self, total, weights):
        shares = allot(total, weights)

        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * sum(weights) - total * weight) < sum(weights)


class TestFills:
    SPLIT = (("Chan", D(4000)), ("Lee", D(2000)), ("Wong", D(1000)))

    def test_a_whole_fill_is_the_split(self):
        assert split_fill(D(7000), D(1000), self.SPLIT) == dict(self.SPLIT)

    def test_a_part_is_shared_in_proportion_and_adds_up(self):
        assert split_fill(D(5000), D(1000), self.SPLIT) == {"Chan": 3000, "Lee": 1000, "Wong": 1000}

    @pytest.mark.parametrize("filled", [D(500), D(8000), D(-1000)])
    def test_a_fill_that_is_no_part_of_the_order_is_refused(self, filled):
        with pytest.raises(ValueError, match="not a part of the order"):
            split_fill(filled, D(1000), self.SPLIT)
