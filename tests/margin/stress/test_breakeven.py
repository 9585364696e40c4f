"""The point found is the point: past there, not past one step above, against a search of every price."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collateral.caps import Cap, Measure, Scope
from collateral.valuation import Debt, Holding
from margin.stress.breakeven import BreakEven, Edge, fall_until, price_until, wide_ceilings
from margin.stress.portfolio import Account, Pledge, Portfolio, value_under
from margin.stress.scenarios import Scenario
from tests.builders import D

from .accounts import LEVELS, accounts, borrower, chan, coin, share

CENT = D("0.01")
STEP = D("0.000001")
EDGES = st.sampled_from(list(Edge))


def is_past_at(account: Account, edge: Edge, price: D) -> bool:
    [value] = Portfolio([at_price(account, price)]).under(Scenario("at"))
    return LEVELS.is_past(edge, value)


def at_price(account: Account, price: D) -> Account:
    one, *others = account.pledges
    holding = Holding(
        one.holding.code, one.holding.quantity, price, one.holding.haircut, tiers=one.holding.tiers
    )
    return Account(
        1,
        (Pledge(holding, one.kind, one.currency), *others),
        account.debts,
        "HKD",
        account.cash,
        account.credit_limit,
    )


@settings(max_examples=40)
@given(accounts(), EDGES)
def test_a_price_found_is_past_the_edge_and_the_tick_above_is_not(account, edge):
    found = price_until(account, "00005", edge, LEVELS, tick=CENT)

    if found.price is None:
        looked_at = account.pledges[0].holding.price
        assert is_past_at(account, edge, looked_at) is found.is_always
        assert is_past_at(account, edge, D(0)) is found.is_always
    else:
        assert is_past_at(account, edge, found.price)
        assert not is_past_at(account, edge, found.price + CENT)


@settings(max_examples=40)
@given(accounts(), EDGES, st.sampled_from([None, ("virtual_asset",), ("security",)]))
def test_a_fall_found_is_the_least_that_passes_the_edge(account, edge, kinds):
    found = fall_until(account, edge, LEVELS, kinds=kinds)

    def is_past(fall: D) -> bool:
        factor = 1 - fall
        scenario = (
            Scenario("f", everything=factor)
            if kinds is None
            else Scenario("f", classes=dict.fromkeys(kinds, factor))
        )
        return LEVELS.is_past(edge, value_under(account, scenario))

    if found is None:
        assert not is_past(D(1))
    else:
        assert is_past(found)
        assert found == 0 or not is_past(found - STEP)


@given(accounts())
def test_a_call_comes_before_the_immediate_sale(account):
    call, immediate = (fall_until(account, edge, LEVELS) for edge in (Edge.CALL, Edge.IMMEDIATE))

    assert immediate is None or (call is not None and call <= immediate)


def test_every_price_of_a_small_account_was_looked_at():
    account = borrower(share("00005", "100", "5.00", "0.40"), loan="180.00")

    for edge in Edge:
        past = [ticks for ticks in range(1000) if is_past_at(account, edge, ticks * CENT)]
        assert price_until(account, "00005", edge, LEVELS, tick=CENT).price == max(past) * CENT


def test_the_fall_of_everything_and_of_coins_alone():
    account = borrower(share("00005", "1000", "100"), coin("BTC", "1", "10000"), loan="90000.00")

    # 70,000 + 31,200 of margin value; 178,000 of market value.
    assert fall_until(account, Edge.CALL, LEVELS) == D("0.110672")
    assert fall_until(account, Edge.CALL, LEVELS, kinds=["virtual_asset"]) == D("0.358975")
    assert fall_until(account, Edge.LOSS, LEVELS) == D("0.494383")
    assert fall_until(account, Edge.LOSS, LEVELS, kinds=["virtual_asset"]) is None


def test_who_is_called_already_has_nothing_left_to_fall():
    assert fall_until(chan(), Edge.CALL, LEVELS) == 0
    assert fall_until(chan(), Edge.IMMEDIATE, LEVELS) > 0


def test_no_loan_is_never_called_and_no_price_helps_a_loan_beyond_its_limit():
    free = Account(1, (share("00005", "100", "10"),), (), "HKD")
    beyond = borrower(share("00005", "100", "10"), loan="500.00", credit_limit=D("400.00"))

    assert fall_until(free, Edge.LOSS, LEVELS) is None
    assert price_until(free, "00005", Edge.CALL, LEVELS, tick=CENT) == BreakEven(None)
    assert price_until(beyond, "00005", Edge.CALL, LEVELS, tick=CENT) == BreakEven(None, is_always=True)


def test_a_cap_of_the_account_moves_with_its_prices():
    # Bitcoin counts up to half of the stocks' 70,000, of its own 312,000.
    cap = Cap(1, Scope.ACCOUNT, Measure.VIRTUAL_ASSETS, share=D("0.5"))
    account = borrower(share("00005", "1000", "100"), coin("BTC", "1", "100000"), loan="84000.00")

    assert fall_until(account, Edge.CALL, LEVELS, kinds=["security"], caps=[cap]) == D("0.200001")
    assert fall_until(account, Edge.CALL, LEVELS, kinds=["security"]) is None
    assert fall_until(account, Edge.CALL, LEVELS, kinds=["virtual_asset"], caps=[cap]) == D("0.955129")


def test_what_a_cap_of_the_firm_leaves_is_taken_as_it_stands():
    caps = (
        Cap(1, Scope.FIRM, Measure.AMOUNT, code="00005", amount=D("70000.00")),
        Cap(2, Scope.GROUP, Measure.AMOUNT, code="00005", amount=D("60000.00")),
        Cap(3, Scope.ACCOUNT, Measure.SINGLE_NAME, share=D(1)),
    )
    one, other = (borrower(share("00005", "1000", "100"), loan="30000.00") for _each in range(2))
    book = Portfolio([one, other], caps)
    wide = wide_ceilings(one, book.bound()[0], caps)

    assert [(ceiling.ref, ceiling.amount) for ceiling in wide] == [(1, D("35000.00"))]
    assert price_until(one, "00005", Edge.CALL, LEVELS, tick=CENT, caps=caps, wide=wide).price == D("42.85")
    assert price_until(
        borrower(share("00005", "1000", "100"), loan="36000.00"),
        "00005",
        Edge.CALL,
        LEVELS,
        tick=CENT,
        caps=caps,
        wide=wide,
    ).is_always


def test_what_is_not_pledged_has_no_break_even():
    with pytest.raises(ValueError, match="not pledged"):
        price_until(chan(), "ETH", Edge.CALL, LEVELS, tick=CENT)


def test_cash_that_is_owed_to_the_client_counts_in_full():
    account = Account(
        1,
        (share("00005", "100", "10"),),
        (Debt("principal", D("900.00")),),
        "HKD",
        cash=D("400.00"),
    )

    assert price_until(account, "00005", Edge.LOSS, LEVELS, tick=CENT).price == D("4.99")
    assert price_until(account, "00005", Edge.CALL, LEVELS, tick=CENT).price == D("7.14")
