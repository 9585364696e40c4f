"""Interest that Harbour Securities charges: Act/365, unrounded until the month's posting."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin.interest import (
    CENTS_DENOMINATOR,
    DENOMINATOR,
    accrual_numerator,
    daily_accrual,
    post_amount,
    rounded_cents,
    two_tier_numerator,
)

D = Decimal
JUNE = [
    (10, 2_000_000_00, D("0.08"), 4_383_56),
    (10, 1_500_000_00, D("0.08"), 3_287_67),
    (10, 1_500_000_00, D("0.0825"), 3_390_41),
]


def test_v06_a_month_with_two_balances_and_two_rates_is_rounded_once():
    numerators = [accrual_numerator(cents, rate) for days, cents, rate, _ in JUNE for _ in range(days)]

    assert rounded_cents(sum(numerators)) == 11_061_64
    assert sum(rounded_cents(numerator) for numerator in numerators) == 11_061_70


@pytest.mark.parametrize(("days", "cents", "rate", "segment_cents"), JUNE)
def test_v06_each_segment(days, cents, rate, segment_cents):
    assert rounded_cents(days * accrual_numerator(cents, rate)) == segment_cents


def test_v06_the_same_month_as_fractions():
    accruals = [daily_accrual(D(cents) / 100, rate) for days, cents, rate, _ in JUNE for _ in range(days)]

    assert post_amount(accruals) == D("11061.64")
    assert accruals[0] == Fraction(32000, 73)


def test_v01_ten_days_of_interest():
    assert rounded_cents(10 * accrual_numerator(1_500_000_00, D("0.08"))) == 3_287_67


def test_v06_the_leap_day_divides_by_365():
    assert post_amount([daily_accrual(D("1000000.00"), D("0.08"))]) == D("219.18")


def test_public_example_of_a_broker():
    assert rounded_cents(accrual_numerator(50_000_00, D("0.068"))) == 9_32


def test_v07_two_tiers_are_rounded_together():
    day = two_tier_numerator(1_500_000_00, 1_426_140_00, D("0.08"), D("0.13"))
    within = accrual_numerator(1_426_140_00, D("0.08"))
    beyond = accrual_numerator(73_860_00, D("0.13"))

    assert (rounded_cents(within), rounded_cents(beyond)) == (312_58, 26_31)
    assert rounded_cents(day) == 338_88
    assert day == within + beyond


def test_v07_within_the_margin_value_only_the_first_tier_counts():
    one_tier = accrual_numerator(1_000_000_00, D("0.08"))

    assert two_tier_numerator(1_000_000_00, 1_426_140_00, D("0.08"), D("0.13")) == one_tier


def test_nothing_accrued_posts_nothing():
    assert post_amount([]) == D("0.00")


def test_half_a_cent_is_rounded_up():
    assert rounded_cents(CENTS_DENOMINATOR // 2) == 1
    assert rounded_cents(CENTS_DENOMINATOR // 2 - 1) == 0


@pytest.mark.parametrize("rate", [D("0.080000001"), D("-0.01"), D("NaN"), 0.08])
def test_a_rate_that_cannot_be_kept_exactly_is_refused(rate):
    with pytest.raises(ValueError, match=r"decimal places|negative|finite|exact"):
        accrual_numerator(1_00, rate)


def test_a_negative_principal_margin_value_or_total_is_refused():
    with pytest.raises(ValueError, match="principal of -1 cents"):
        accrual_numerator(-1, D("0.08"))
    with pytest.raises(ValueError, match="margin value of -1 cents"):
        two_tier_numerator(1, -1, D("0.08"), D("0.13"))
    with pytest.raises(ValueError, match="accrued total -1"):
        rounded_cents(-1)


def test_an_accrual_of_another_convention_is_refused():
    with pytest.raises(ValueError, match="Act/365"):
        post_amount([Fraction(1, 366)])


@given(st.integers(0, 10**14), st.decimals(D(0), D("0.5"), places=8), st.integers(1, 366))
def test_days_of_one_balance_add_up_to_simple_interest(cents, rate, days):
    posted = post_amount([daily_accrual(D(cents) / 100, rate)] * days)
    exact = Fraction(cents, 100) * Fraction(rate) * days / 365

    assert abs(Fraction(posted) - exact) <= Fraction(1, 200)
    assert Fraction(days * accrual_numerator(cents, rate), DENOMINATOR) == exact
