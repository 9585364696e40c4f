"""Example V20: Ms Chan of V01 when stocks fall 20% and Bitcoin 40%, and the prices at which she is called and sold."""

from __future__ import annotations

import pytest

from collateral.valuation import classify
from margin.stress.breakeven import BreakEven, Edge, price_until
from margin.stress.portfolio import Portfolio
from margin.stress.scenarios import Scenario
from tests.builders import D

from .accounts import LEVELS, chan

CENT = D("0.01")


def test_v20_stocks_fall_20_percent_and_bitcoin_40():
    fall = Scenario("v20", classes={"security": D("0.8")}, assets={"BTC": D("0.6")})

    [value] = Portfolio([chan()]).under(fall)

    assert value.market_value == D("1788660.00")
    assert value.margin_value == D("1051992.00")
    assert value.deficiency == D("451295.67")
    assert value.utilisation == D("1.428992")
    assert value.equity == D("285372.33")
    assert classify(value, warn=D("0.85"), call=LEVELS.call, immediate=LEVELS.immediate) == "immediate"


@pytest.mark.parametrize(("edge", "price"), [(Edge.CALL, "111484.54"), (Edge.IMMEDIATE, "37357.93")])
def test_v20_bitcoin_price_at_which_she_is_called_and_sold_at_once(edge, price):
    assert price_until(chan(), "BTC", edge, LEVELS, tick=CENT) == BreakEven(D(price))

    for step, is_past in ((D(0), True), (CENT, False)):
        [value] = Portfolio([chan()]).under(Scenario("at", assets={"BTC": (D(price) + step) / D(95000)}))
        assert LEVELS.is_past(edge, value) is is_past


def test_with_her_stocks_unchanged_bitcoin_alone_never_costs_the_lender_more_than_it_had():
    # 1,402,200.00 of stocks stand against 1,503,287.67: 101,087.67 of Bitcoin are needed, 8,639.97 dollars apiece.
    assert price_until(chan(), "BTC", Edge.LOSS, LEVELS, tick=CENT) == BreakEven(D("8639.97"))
