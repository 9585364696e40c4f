"""Ms Chan's account at Harbour Securities: two stocks and Bitcoin against one loan, to the cent."""

from __future__ import annotations

import decimal
import json
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.valuation import (
    Debt,
    Holding,
    Level,
    classify,
    explain,
    value_account,
    value_holding,
    value_quantity,
)

D = Decimal
USD_BID = D("7.8000")
LEVELS = {"warn": D("0.90"), "call": D(1), "immediate": D("1.30")}


def chan(*, hsbc="98.40", tencent="512.50", bitcoin="95000"):
    return [
        Holding("00005", D(8000), D(hsbc), D("0.30")),
        Holding("00700", D(1200), D(tencent), D("0.30")),
        Holding("BTC", D("1.5"), D(bitcoin), D("0.60"), USD_BID),
    ]


CHAN_DEBTS = (Debt("principal", D("1500000.00")), Debt("interest", D("3287.67")))


def account_at(loan, *, margin_value="1000000.00", credit_limit=None):
    """An account whose margin value is its market value, to place utilisation exactly."""
    return value_account(
        [Holding("HKD", D(margin_value), D(1), D(0))], [Debt("principal", D(loan))], credit_limit=credit_limit
    )


class TestChapterTwo:
    def test_v01_a_mixed_account_is_called(self):
        value = value_account(chan(), CHAN_DEBTS)

        assert [(line.market_value, line.margin_value) for line in value.lines] == [
            (D("787200.00"), D("551040.00")),
            (D("615000.00"), D("430500.00")),
            (D("1111500.00"), D("444600.00")),
        ]
        assert value.market_value == D("2513700.00")
        assert value.margin_value == D("1426140.00")
        assert value.loan == D("1503287.67")
        assert value.deficiency == D("77147.67")
        assert value.excess == 0
        assert value.equity == D("1010412.33")
        assert value.utilisation == D("1.054095")
        assert value.loan_to_value == D("0.598038")
        assert classify(value, **LEVELS) is Level.CALL

    def test_v02_bitcoin_falls(self):
        value = value_account(chan(bitcoin="80000"), CHAN_DEBTS)

        assert value.lines[2].market_value == D("936000.00")
        assert value.lines[2].margin_value == D("374400.00")
        assert value.margin_value == D("1355940.00")
        assert value.utilisation == D("1.108668")
        assert value.deficiency == D("147347.67")

    def test_v08_the_credit_limit_binds(self):
        value = value_account(chan(), CHAN_DEBTS, credit_limit=D("1200000.00"))

        assert value.effective_limit == D("1200000.00")
        assert value.deficiency == D("303287.67")
        assert value.margin_value == D("1426140.00")

    def test_v10_assets_at_the_bid_and_debts_at_the_ask(self):
        dollars = Holding("USD", D("50000"), D(1), D(0), D("7.7850"), D("0.01"))
        renminbi_counter = Holding("80700", D(1000), D("470.00"), D("0.30"), D("1.0862"), D("0.03"))

        value = value_account([dollars, renminbi_counter], [Debt("principal", D("70000.00"), D("7.7860"))])

        assert value.lines[0].margin_value == D("385357.50")
        assert value.lines[1].market_value == D("510514.00")
        assert value.lines[1].margin_value == D("346639.00")
        assert value.margin_value == D("731996.50")
        assert value.debts[0].value == D("545020.00")
        assert value.deficiency == 0
        assert value.excess == D("186976.50")

    def test_v11_an_odd_lot_counts_only_if_policy_says_so(self):
        whole = Holding("00005", D(8000), D("98.40"), D("0.30"))
        odd = D(350), D("98.40")

        refused = value_account([whole, Holding("00005-ODD", *odd, D(1))], [])
        counted = value_account([whole, Holding("00005-ODD", *odd, D("0.30"))], [])

        assert refused.lines[1].market_value == D("34440.00")
        assert refused.margin_value == D("551040.00")
        assert counted.margin_value == D("575148.00")

    def test_v20_stress_stocks_down_a_fifth_bitcoin_down_two(self):
        stressed = chan(hsbc="78.72", tencent="410.00", bitcoin="57000")

        value = value_account(stressed, CHAN_DEBTS)

        assert value.market_value == D("1788660.00")
        assert value.margin_value == D("1051992.00")
        assert value.deficiency == D("451295.67")
        assert value.utilisation == D("1.428992")
        assert value.equity == D("285372.33")

    @pytest.mark.parametrize(("bitcoin", "utilisation"), [("111484.54", "1"), ("37357.93", "1.3")])
    def test_v20_prices_at_which_a_level_is_reached(self, bitcoin, utilisation):
        value = value_account(chan(bitcoin=bitcoin), CHAN_DEBTS)

        assert value.utilisation == D(utilisation)


class TestPrecision:
    def test_v12_one_satoshi_is_worth_a_cent_and_lends_nothing(self):
        assert value_quantity(chan()[2], D("0.00000001")) == (D("0.01"), D("0.00"))

    def test_v12_eighteen_decimals_of_ether(self):
        ether = Holding("ETH", D("12.345678901234567891"), D("3456.78"), D("0.60"), D("7.7995"))

        assert value_holding(ether).market_value == D("332853.77")
        assert value_holding(ether).margin_value == D("133141.50")
        assert explain(value_account([ether], []))["holdings"][0]["market_value_unrounded"].startswith(
            "332853.769967279006"
        )

    def test_v12_one_wei_is_worth_nothing(self):
        assert value_quantity(Holding("ETH", D(1), D("3456.78"), D("0.60")), D("1e-18"))[0] == D("0.00")

    @pytest.mark.parametrize(
        ("price", "rounded"), [("0.005", "0.01"), ("2.675", "2.68"), ("0.00499", "0.00")]
    )
    def test_v12_market_value_rounds_half_up(self, price, rounded):
        assert value_holding(Holding("00005", D(1), D(price), D(0))).market_value == D(rounded)

    def test_a_quantity_of_38_digits_is_exact_in_a_fresh_thread_with_the_standard_context(self):
        quantity = D("12345678901234567890.123456789012345678")
        seen = []

        def run():
            decimal.setcontext(decimal.Context(prec=28))
            held = Holding("ETH", quantity, D(10_000_000), D(0))
            value = value_account([held], [Debt("principal", D("123456789012345678901234567.88"))])
            seen.append((value.market_value, value.deficiency, value.is_above(D(1)), explain(value)))
            seen.append(value_quantity(held, quantity))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

        market_value, deficiency, is_above, explanation = seen[0]
        assert market_value == D("123456789012345678901234567.89")
        assert seen[1] == (market_value, market_value)
        assert deficiency == 0
        assert not is_above
        assert (
            explanation["holdings"][0]["market_value_unrounded"] == "123456789012345678901234567.89012345678"
        )

    @pytest.mark.parametrize("bad", [1.5, D("NaN"), D("Infinity"), D("-0"), D("-1"), True])
    def test_a_quantity_that_is_not_an_exact_amount_is_refused(self, bad):
        with pytest.raises(ValueError, match=r"not|negative"):
            Holding("BTC", bad, D(80000), D("0.60"))

    @pytest.mark.parametrize("haircut", [D("1.01"), D(60), D("-0.1")])
    def test_a_haircut_outside_0_to_1_is_refused(self, haircut):
        with pytest.raises(ValueError, match="haircut"):
            Holding("BTC", D(1), D(80000), haircut)

    def test_a_rate_of_zero_is_refused(self):
        with pytest.raises(ValueError, match="fx_rate of USD is zero"):
            Debt("USD", D(1), D(0))

    @pytest.mark.parametrize("cash", [D("0.001"), D("-1")])
    def test_cash_must_be_an_amount_of_cents(self, cash):
        with pytest.raises(ValueError, match="cash"):
            value_account([], [], cash=cash)


class TestLoanAndLimit:
    def test_cash_reduces_the_loan_in_full(self):
        value = value_account(chan(), CHAN_DEBTS, cash=D("503287.67"))

        assert value.loan == D("1000000.00")
        assert value.excess == D("426140.00")
        assert value.equity == D("1513700.00")

    def test_a_credit_balance_leaves_no_loan_and_no_utilisation(self):
        value = value_account(chan(), CHAN_DEBTS, cash=D("1600000.00"))

        assert value.loan == 0
        assert value.utilisation == 0
        assert value.credit_balance == D("96712.33")
        assert value.equity == D("2610412.33")

    def test_a_loan_on_nothing_is_infinite_and_immediate(self):
        value = value_account([], [Debt("principal", D("0.01"))])

        assert value.utilisation is None
        assert value.loan_to_value is None
        assert classify(value, **LEVELS) is Level.IMMEDIATE

    def test_nothing_owed_on_nothing_is_normal(self):
        value = value_account([], [])

        assert value.utilisation == 0
        assert classify(value, **LEVELS) is Level.NORMAL

    @pytest.mark.parametrize(
        ("loan", "level"),
        [
            ("900000.00", Level.NORMAL),
            ("900000.01", Level.WARNING),
            ("1000000.00", Level.WARNING),
            ("1000000.01", Level.CALL),
            ("1299999.99", Level.CALL),
            ("1300000.00", Level.IMMEDIATE),
        ],
    )
    def test_exactly_one_hundred_percent_is_not_a_call(self, loan, level):
        assert classify(account_at(loan), **LEVELS) is level

    def test_a_breach_too_small_for_the_shown_ratio_is_still_a_call(self):
        value = account_at("100000000.01", margin_value="100000000.00")

        assert value.utilisation == D("1.000000")
        assert classify(value, **LEVELS) is Level.CALL

    def test_levels_must_rise(self):
        with pytest.raises(ValueError, match="must rise"):
            classify(account_at("1.00"), warn=D("1.1"), call=D(1), immediate=D("1.3"))


class TestExplanation:
    def test_every_price_rate_haircut_and_rounding_is_named(self):
        bitcoin = Holding(
            "BTC",
            D("1.50000000"),
            D("95000.00"),
            D("0.600000"),
            USD_BID,
            D("0"),
            "price:41",
            7,
            ("haircut", 3),
        )
        told = explain(value_account([bitcoin], CHAN_DEBTS, credit_limit=D("400000")))

        line = told["holdings"][0]
        assert line["quantity"] == "1.5"
        assert line["price"] == "95000"
        assert line["price_ref"] == "price:41"
        assert line["fx_ref"] == "7"
        assert line["haircut_ref"] == "('haircut', 3)"
        assert line["margin_ratio"] == "0.4"
        assert line["market_value_rounding"] == "half up to 0.01"
        assert line["margin_value"] == "444600.00"
        assert told["debts"][1]["value"] == "3287.67"
        assert told["effective_limit_is"] == "credit limit"
        assert told["utilisation"] == "3.758219"

    def test_a_replay_from_columns_of_another_scale_is_byte_equal(self):
        stored = [Holding("00005", D("8000.000000"), D("98.4000"), D("0.300000"), D("1.00000000"))]
        fresh = [Holding("00005", D(8000), D("98.40"), D("0.3"))]

        texts = {json.dumps(explain(value_account(held, CHAN_DEBTS))) for held in (stored, fresh)}

        assert len(texts) == 1

    def test_an_infinite_utilisation_is_null(self):
        assert explain(value_account([], CHAN_DEBTS))["utilisation"] is None


prices = st.decimals(min_value=D("0.001"), max_value=D("100000"), places=3)
quantities = st.decimals(min_value=D(0), max_value=D("1000000"), places=8)
haircuts = st.decimals(min_value=D(0), max_value=D(1), places=6)


class TestLaws:
    @given(quantities, prices, prices, haircuts)
    def test_a_higher_price_is_never_worth_less(self, quantity, one, other, haircut):
        low, high = sorted((one, other))
        before, after = (value_holding(Holding("00005", quantity, price, haircut)) for price in (low, high))

        assert before.market_value <= after.market_value
        assert before.margin_value <= after.margin_value

    @given(quantities, prices, haircuts, haircuts)
    def test_a_higher_haircut_never_lends_more(self, quantity, price, one, other):
        low, high = sorted((one, other))
        generous, strict = (
            value_holding(Holding("00005", quantity, price, haircut)) for haircut in (low, high)
        )

        assert strict.margin_value <= generous.margin_value <= generous.market_value

    @given(st.integers(1, 10**12), haircuts.filter(lambda h: h < 1))
    def test_a_loan_of_exactly_the_margin_value_is_not_a_call(self, cents, haircut):
        held = [Holding("HKD", D(cents) / 100, D(1), haircut)]
        margin_value = value_account(held, []).margin_value

        at, over = (
            value_account(held, [Debt("principal", margin_value + extra)]) for extra in (D(0), D("0.01"))
        )

        assert not at.is_above(D(1))
        assert over.is_above(D(1))
        assert over.deficiency == D("0.01")

    @given(st.lists(st.tuples(quantities, prices, haircuts), max_size=5), st.integers(0, 10**11))
    def test_limit_less_loan_is_excess_less_deficiency(self, rows, loan_cents):
        held = [Holding(f"A{i}", *row) for i, row in enumerate(rows)]
        value = value_account(held, [Debt("principal", D(loan_cents) / 100)], credit_limit=D("500000.00"))

        assert value.excess - value.deficiency == value.effective_limit - value.loan
        assert value.excess == 0 or value.deficiency == 0
        assert value.equity == value.market_value - value.loan + value.credit_balance
