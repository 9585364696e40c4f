"""What a sale on the exchange, or on a virtual asset platform, costs a client of Harbour Securities."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin.sales.fees import SEHK_JUNE_2025, VATP_EXAMPLE, FeeSchedule, sehk_charges_on

D = Decimal


def test_v04_the_charges_of_2000_shares():
    fees = SEHK_JUNE_2025.fees(D("196800.00"))

    assert fees.commission == D("492.00")
    assert fees.stamp_duty == D("197.00")
    assert fees.sfc_levy == D("5.31")
    assert fees.afrc_levy == D("0.30")
    assert fees.trading_fee == D("11.12")
    assert fees.settlement_fee == D("8.27")
    assert fees.venue_fee == 0
    assert fees.total == D("714.00")
    assert fees.net == D("196086.00")


def test_v04_the_minimum_commission_of_a_small_sale():
    fees = SEHK_JUNE_2025.fees(D("3748.00"))

    assert fees.commission == D("100.00")
    assert fees.stamp_duty == D("4.00")
    assert fees.total == D("104.48")


@pytest.mark.parametrize(
    ("gross", "total"), [("157440.00", "571.60"), ("236160.00", "857.39"), ("275520.00", "999.79")]
)
def test_v03_the_charges_of_some_lots(gross, total):
    assert SEHK_JUNE_2025.fees(D(gross)).total == D(total)


@pytest.mark.parametrize(("gross", "total"), [("400000.00", "650.80"), ("40000.00", "145.08")])
def test_worked_account_of_a_broker_at_five_basis_points(gross, total):
    schedule = sehk_charges_on(date(2025, 6, 30), D("0.0005"), D("100.00"))

    assert schedule.fees(D(gross)).total == D(total)


def test_v02_a_platform_takes_one_fee():
    fees = VATP_EXAMPLE.fees(D("246400.79"))

    assert fees.venue_fee == fees.total == D("492.80")
    assert fees.net == D("245907.99")


def test_selling_nothing_costs_nothing():
    assert SEHK_JUNE_2025.fees(D("0.00")).total == 0


@pytest.mark.parametrize(
    ("gross", "duty"), [("196800.00", "197.00"), ("1000.00", "1.00"), ("1000.01", "2.00")]
)
def test_stamp_duty_is_rounded_up_to_the_dollar(gross, duty):
    assert SEHK_JUNE_2025.fees(D(gross)).stamp_duty == D(duty)


@pytest.mark.parametrize(
    ("on", "stamp_rate"),
    [
        (date(2021, 7, 31), "0.001"),
        (date(2021, 8, 1), "0.0013"),
        (date(2023, 11, 16), "0.0013"),
        (date(2023, 11, 17), "0.001"),
    ],
)
def test_stamp_duty_by_date(on, stamp_rate):
    assert sehk_charges_on(on, D(0), D(0)).stamp_rate == D(stamp_rate)


def test_charges_in_june_2022_as_on_a_contract_note_of_the_time():
    fees = sehk_charges_on(date(2022, 6, 15), D("0.0025"), D("100.00")).fees(D("196800.00"))

    assert fees.stamp_duty == D("256.00")
    assert fees.afrc_levy == D("0.30")
    assert fees.trading_fee == D("10.34")
    assert fees.settlement_fee == D("3.94")
    assert fees.total == D("492.00") + D("256.00") + D("5.31") + D("0.30") + D("10.34") + D("3.94")


@pytest.mark.parametrize(
    ("gross", "fee"),
    [("1000.00", "2.00"), ("100000.00", "2.00"), ("1000000.00", "20.00"), ("9000000.00", "100.00")],
)
def test_the_settlement_fee_had_a_minimum_and_a_maximum_until_june_2025(gross, fee):
    assert sehk_charges_on(date(2025, 6, 29), D(0), D(0)).fees(D(gross)).settlement_fee == D(fee)


def test_dated_levies_and_tariff():
    before, after = (sehk_charges_on(on, D(0), D(0)) for on in (date(2021, 12, 31), date(2022, 1, 1)))
    assert (before.afrc_levy_rate, after.afrc_levy_rate) == (D(0), D("0.0000015"))

    before, after = (sehk_charges_on(on, D(0), D(0)) for on in (date(2022, 12, 31), date(2023, 1, 1)))
    assert (before.trading_fee_rate, before.trading_tariff) == (D("0.00005"), D("0.50"))
    assert (after.trading_fee_rate, after.trading_tariff) == (D("0.0000565"), D(0))


def test_dates_without_recorded_charges_are_refused():
    with pytest.raises(ValueError, match="2014-10-31"):
        sehk_charges_on(date(2014, 10, 31), D(0), D(0))


def test_a_stock_free_of_stamp_duty_is_a_changed_schedule():
    exempt = replace(SEHK_JUNE_2025, stamp_rate=D(0))

    assert exempt.fees(D("196800.00")).total == D("517.00")


def test_the_marginal_rate_is_the_sum_of_all_rates():
    assert SEHK_JUNE_2025.marginal_rate == D("0.0036270")
    assert VATP_EXAMPLE.marginal_rate == D("0.002")


@pytest.mark.parametrize(
    "wrong", [{"stamp_rate": D("1.1")}, {"commission_minimum": D("-1")}, {"venue_fee_rate": D("-0.001")}]
)
def test_a_rate_or_amount_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="out of range"):
        FeeSchedule(**wrong)


@pytest.mark.parametrize("gross", [D("0.001"), D("NaN"), D("-1.00"), 1.5])
def test_a_gross_amount_that_is_not_cents_is_refused(gross):
    with pytest.raises(ValueError, match=r"decimal places|finite|negative|exact"):
        SEHK_JUNE_2025.fees(gross)


@given(st.integers(1, 10**11), st.integers(0, 10**6))
def test_a_larger_sale_never_costs_less_and_the_parts_add_up(cents, more):
    small, large = (SEHK_JUNE_2025.fees(D(gross).scaleb(-2)) for gross in (cents, cents + more))

    assert small.total <= large.total
    assert small.net + small.total == small.gross
    assert small.total >= SEHK_JUNE_2025.marginal_rate * small.gross - D("0.03")
