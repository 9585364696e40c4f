"""Lots of one asset against lots of another: whoever costs the same leaves the smallest surplus."""

from __future__ import annotations

from collateral.valuation import Holding, value_account
from margin.sales.exchange import exchanged, least_easing
from margin.sales.lots import SaleBook
from margin.sales.planner import plan_sale

from .offers import D, coins, lots

CKH = Holding("00001", D(1000), D("45.00"), D("0.30"))
HSBC = Holding("00005", D(8000), D("98.40"), D("0.30"))
BITCOIN = Holding("BTC", D("0.01"), D("80000"), D("0.60"), D("7.8"))


def book(short, *holdings, limit=None):
    offers = [lots(CKH, 500), lots(HSBC, 400), coins(BITCOIN)][: len(holdings)]
    loan = value_account(holdings, []).margin_value + D(short)
    question = {"loan": loan, "holdings": holdings, "target": D(1), "credit_limit": limit}
    return SaleBook(candidates=offers, **question), question | {"candidates": offers}


def test_one_lot_less_of_one_and_two_more_of_the_other_cost_less():
    account, question = book("17900.00", CKH, HSBC)
    two_lots = [0, 2]
    assert account.is_cured(two_lots)

    better = exchanged(account, two_lots, [0, 1], None, enough=10**40)

    assert better == [1, 1]
    assert account.is_cured(better)
    assert account.charges(better) < account.charges(two_lots)
    assert [leg.quantity for leg in plan_sale(**question).legs] == [500, 400]


def test_where_nothing_saves_the_choice_stands():
    account, _ = book("17900.00", CKH, HSBC)

    assert exchanged(account, [1, 1], [0, 1], None, enough=10**40) is None


def test_coins_take_up_what_the_lots_cure_beyond_need():
    account, _ = book("13000.00", CKH, HSBC, BITCOIN)

    better = exchanged(account, [2, 0, 1_000_000], [0, 1], 2, enough=10**40)

    assert better is not None
    assert better[2] < 1_000_000
    assert max(account.unrounded_shortages(better)) <= 0
    assert account.charges(better) < account.charges([2, 0, 1_000_000])


def test_the_least_number_of_lots_that_eases_both_needs():
    account, _ = book("17900.00", CKH, HSBC)

    assert least_easing(account, 1, account.needs()) == 2
    assert least_easing(account, 0, account.needs()) is None
    assert least_easing(account, 0, (0, 0)) == 0
