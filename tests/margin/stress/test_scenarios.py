"""What a scenario moves, and what it leaves alone."""

from __future__ import annotations

import pytest

from collateral.caps import Cap, Measure, Scope
from collateral.valuation import Debt, Holding, Tier
from margin.stress.portfolio import Account, Pledge, Portfolio
from margin.stress.scenarios import AT_REST, Scenario
from tests.builders import D

from .accounts import borrower, chan, coin, share


def under(account: Account, scenario: Scenario, *caps: Cap):
    [value] = Portfolio([account], caps).under(scenario)
    return value


def test_at_rest_nothing_moves():
    value = under(chan(), AT_REST)

    assert (value.margin_value, value.deficiency) == (D("1426140.00"), D("77147.67"))


def test_the_named_asset_goes_before_its_class_and_the_class_before_everything():
    fall = Scenario("fall", assets={"00700": D(0)}, classes={"security": D("0.5")}, everything=D("0.1"))

    [hsbc, tencent, bitcoin] = under(chan(), fall).lines

    assert hsbc.market_value == D("393600.00")
    assert tencent.market_value == 0
    assert bitcoin.market_value == D("111150.00")


def test_a_peg_that_breaks_moves_what_is_quoted_in_dollars_and_dollars_themselves():
    dollars = Pledge(Holding("USD", D(1000), D(1), D(0), D("7.8")), "fiat", "USD")
    account = borrower(dollars, coin("BTC", "1", "50000"), share("00005", "100", "50"), loan="1.00")

    value = under(account, Scenario("peg", currencies={"USD": D("0.9")}, everything=D("0.5")))

    assert [line.market_value for line in value.lines] == [D("7020.00"), D("175500.00"), D("2500.00")]


def test_a_debt_in_a_currency_that_rises_grows_with_it():
    account = Account(1, (), (Debt("principal", D("100.00"), D("7.80")),), "USD")

    assert under(account, Scenario("peg", currencies={"USD": D("1.25")})).loan == D("975.00")


def test_tiers_and_the_cap_of_the_account_are_applied_at_the_shocked_price():
    bitcoin = coin("BTC", "10", "100000", tiers=(Tier(D("4000000.00"), D("0.80")),))
    account = borrower(share("00005", "10000", "100"), bitcoin, loan="1000000.00")
    half = Scenario("half", everything=D("0.5"))
    cap = Cap(1, Scope.ACCOUNT, Measure.VIRTUAL_ASSETS, share=D("0.5"))

    assert under(account, AT_REST).margin_value == D("700000.00") + D("1600000.00") + D("760000.00")
    # 3,900,000.00 of Bitcoin lie within the first tier now.
    assert under(account, half).margin_value == D("350000.00") + D("1560000.00")
    assert under(account, half, cap).margin_value == D("350000.00") + D("175000.00")


def test_a_group_and_the_firm_are_capped_together_at_the_shocked_prices():
    one = borrower(share("00005", "1000", "100"), loan="1.00", group=7)
    other = borrower(share("00005", "3000", "100"), loan="1.00", group=7)
    stranger = borrower(share("00005", "1000", "100"), loan="1.00")
    half = Scenario("half", everything=D("0.5"))

    def counted(*caps: Cap) -> list[object]:
        return [value.margin_value for value in Portfolio([one, other, stranger], caps).under(half)]

    group = Cap(1, Scope.GROUP, Measure.AMOUNT, code="00005", amount=D("70000.00"))
    firm = Cap(2, Scope.FIRM, Measure.AMOUNT, code="00005", amount=D("70000.00"))
    assert counted() == [D("35000.00"), D("105000.00"), D("35000.00")]
    assert counted(group) == [D("17500.00"), D("52500.00"), D("35000.00")]
    assert counted(firm) == [D("14000.00"), D("42000.00"), D("14000.00")]
    assert counted(group, firm) == [D("14000.00"), D("42000.00"), D("14000.00")]


@pytest.mark.parametrize(
    "factors",
    [
        {"assets": {"BTC": D("-0.1")}},
        {"classes": {"security": D("-1")}},
        {"everything": D("-0.01")},
        {"currencies": {"USD": D(0)}},
        {"everything": D("NaN")},
    ],
)
def test_a_factor_below_zero_or_no_rate_at_all_is_refused(factors):
    with pytest.raises(ValueError, match=r"below zero|no exchange rate|finite"):
        Scenario("wrong", **factors)
