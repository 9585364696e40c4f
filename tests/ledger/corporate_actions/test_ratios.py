"""Ratios are exact: what was held times the rate is what was given plus what was left, whatever the numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.corporate_actions.ratios import (
    Ratio,
    adjusted_price,
    cash_for,
    rate_of,
    share,
    spread,
    surplus,
)

D = Decimal
terms = st.integers(1, 1_000_000)
ratios = st.builds(Ratio, terms, terms)
scales = st.integers(0, 18)
atoms = st.integers(0, 10**30)
prices = st.decimals(min_value=D("0.001"), max_value=D(1_000_000), places=3)


def test_v18_five_for_one_of_1200_is_6000_and_nothing_left() -> None:
    assert share(1200, Ratio(5, 1).rate()) == share(6000, Fraction(1))
    assert share(1200, Ratio(5, 1).rate()).whole == 6000
    assert adjusted_price(D("512.50"), Ratio(5, 1), places=18) == D("102.50")


def test_v18_a_dividend_of_2_40_on_8000_is_19_200_00() -> None:
    assert share(8000, rate_of(D("2.40"), scale=0, to_scale=2)).whole == 1_920_000


def test_a_consolidation_pays_four_tenths_of_a_share_in_cash_down_to_the_cent() -> None:
    one_for_ten = share(1234, Ratio(1, 10).rate())

    assert one_for_ten.whole == 123
    assert one_for_ten.fraction == Fraction(2, 5)
    assert cash_for(one_for_ten.fraction, D("10.49"), scale=0, money_scale=2) == 419  # 4.196


def test_a_bonus_in_an_asset_of_other_decimals() -> None:
    per_atom = Ratio(3, 20).rate(scale=8, to_scale=2)

    assert share(150_000_000, per_atom).whole == 22  # 1.5 at 3 for 20 is 0.225
    assert share(150_000_000, per_atom).fraction == Fraction(1, 2)


@pytest.mark.parametrize(
    ("new", "old"),
    [(0, 1), (1, 0), (-5, 1), (5, -1), (1_000_001, 1), (5.0, 1), (True, 1), ("5", 1), (None, 1)],
)
def test_a_ratio_is_two_whole_numbers_above_zero(new: object, old: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Ratio(new, old)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "5", "5:0", "0:1", "5/1", "-5:1", "5:1 ", "5.0:1", "٥:1", "05:1"])
def test_a_ratio_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="no ratio"):
        Ratio.parse(text)


@given(ratios)
def test_a_ratio_reads_as_it_is_written(ratio: Ratio) -> None:
    assert Ratio.parse(str(ratio)) == ratio


@given(atoms, ratios, scales, scales)
def test_what_was_held_times_the_rate_is_what_is_given_and_what_is_left(
    held: int, ratio: Ratio, scale: int, to_scale: int
) -> None:
    per_atom = ratio.rate(scale=scale, to_scale=to_scale)
    given_ = share(held, per_atom)

    assert 0 <= given_.fraction < 1
    assert given_.whole + given_.fraction == held * per_atom


@given(st.lists(atoms, max_size=8), ratios)
def test_splitting_a_holding_over_accounts_gains_nothing_and_loses_nothing(
    holdings: list[int], ratio: Ratio
) -> None:
    per_atom = ratio.rate()
    shares = spread(holdings, per_atom)
    together = share(sum(holdings), per_atom)

    assert sum(one.whole for one in shares) == together.whole
    assert sum((one.fraction for one in shares), Fraction(0)) == together.fraction
    for held, one in zip(holdings, shares, strict=True):
        assert share(held, per_atom).whole <= one.whole <= share(held, per_atom).whole + 1
    # Accounts of different holders are rounded each on its own and together never get more.
    assert sum(share(held, per_atom).whole for held in holdings) <= together.whole


@given(st.lists(st.lists(atoms, min_size=1, max_size=3), min_size=1, max_size=8), ratios)
def test_sum_before_times_ratio_is_sum_after_and_residuals(holders: list[list[int]], ratio: Ratio) -> None:
    """A pool at a custodian: what it gives is what holders get, the surplus, and its own fraction, exactly."""
    per_atom = ratio.rate()
    pool = sum(sum(holdings) for holdings in holders)
    shares = [one for holdings in holders for one in spread(holdings, per_atom)]
    left = surplus(pool, [one.whole for one in shares], per_atom)

    assert pool * per_atom == sum(one.whole for one in shares) + left.whole + left.fraction
    assert left.whole + left.fraction == sum((one.fraction for one in shares), Fraction(0))
    assert 0 <= left.whole < len(holders)


@given(atoms, ratios)
def test_a_consolidation_after_its_split_gives_back_what_was_there(held: int, ratio: Ratio) -> None:
    out = share(held, ratio.rate())
    back = share(out.whole, Ratio(ratio.old, ratio.new).rate())

    assert back.whole <= held
    if ratio.old == 1:
        assert back == share(held, Fraction(1))


@given(st.lists(st.tuples(atoms, prices), max_size=8), ratios)
def test_cash_in_lieu_never_pays_more_than_the_fractions_are_worth(
    holdings: list[tuple[int, Decimal]], ratio: Ratio
) -> None:
    for held, price in holdings:
        fraction = share(held, ratio.rate()).fraction
        cash = cash_for(fraction, price, scale=0, money_scale=2)

        assert cash <= fraction * Fraction(price) * 100 < cash + 1


@given(st.integers(1, 10**12), prices, st.integers(1, 1000), st.booleans())
def test_a_split_leaves_the_value_to_the_cent(
    quantity: int, price: Decimal, times: int, is_consolidation: bool
) -> None:
    """Whole holdings only: a fraction is paid for in cash."""
    ratio = Ratio(1, times) if is_consolidation else Ratio(times, 1)
    before = quantity * times if is_consolidation else quantity
    after = share(before, ratio.rate())
    new_price = adjusted_price(price, ratio, places=18)
    excess = after.whole * Fraction(new_price) - before * Fraction(price)

    assert after.fraction == 0
    assert 0 <= excess < Fraction(after.whole, 10**18)


@given(prices, ratios)
def test_an_adjusted_price_rounds_up_at_its_last_place_and_nowhere_else(price: Decimal, ratio: Ratio) -> None:
    exact = Fraction(price) * ratio.old / ratio.new
    assert 0 <= Fraction(adjusted_price(price, ratio, places=18)) - exact < Fraction(1, 10**18)


def test_nothing_is_owed_on_what_is_not_held() -> None:
    for held, per_atom in ((-1, Fraction(5)), (1, Fraction(-5))):
        with pytest.raises(ValueError, match="what is held"):
            share(held, per_atom)
