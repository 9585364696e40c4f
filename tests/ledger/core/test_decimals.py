from __future__ import annotations

import decimal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import decimals
from ledger.core.decimals import InexactValue, exact
from ledger.core.formatting import format_quantity


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("0", Decimal(0)),
        ("-12.50", Decimal("-12.50")),
        ("007", Decimal(7)),
        (10**77, Decimal(10**77)),
        (Decimal("1E-18"), Decimal("0.000000000000000001")),
    ],
)
def test_exact_numbers_come_in_as_they_are(given_: object, kept: Decimal) -> None:
    assert exact(given_) == kept


@pytest.mark.parametrize(
    "given_",
    [
        "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1E2", "+1", " 1", "1 ", "1,000", "١٢", "0x10",
        "1_000", "", ".5", "5.", "-", "-0", "-0.00", "1\n", "9" * 81, 0.1, 1.0, True, None, b"1", [1],
        Decimal("NaN"), Decimal("Infinity"), Decimal("-0"), Decimal("1E+400"), Decimal("1E-400"),
    ],
)  # fmt: skip
def test_what_is_no_exact_number_stays_out(given_: object) -> None:
    with pytest.raises(InexactValue):
        exact(given_)


@pytest.mark.parametrize(
    "given_",
    [
        pytest.param("1." + "0" * 77 + "1", id="text whose last digit the context would drop"),
        pytest.param(Decimal("1." + "0" * 77 + "1"), id="the same as a Decimal"),
        pytest.param(10**78 + 1, id="an int"),
    ],
)
def test_more_digits_than_the_context_keeps_are_refused_and_not_rounded_away(given_: object) -> None:
    with pytest.raises(InexactValue, match="at most 78 digits"):
        decimals.to_atoms(given_, 18)


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 18))
def test_atoms_and_units_are_one_number_written_twice(atoms: int, scale: int) -> None:
    units = decimals.from_atoms(atoms, scale)

    assert decimals.to_atoms(units, scale) == atoms
    assert decimals.to_atoms(decimals.plain(units), scale) == atoms


@pytest.mark.parametrize(("value", "scale"), [("0.001", 2), ("1.5", 0), ("0.0000000000000000001", 18)])
def test_surplus_decimals_are_refused(value: str, scale: int) -> None:
    with pytest.raises(InexactValue, match="decimal places"):
        decimals.to_atoms(value, scale)


@pytest.mark.parametrize(("value", "scale", "atoms"), [("1.500", 1, 15), ("2.00", 0, 2), ("0.000", 2, 0)])
def test_trailing_zeros_are_no_surplus(value: str, scale: int, atoms: int) -> None:
    assert decimals.to_atoms(value, scale) == atoms


@pytest.mark.parametrize(
    ("value", "half_up", "down", "up"),
    [
        ("2.345", "2.35", "2.34", "2.35"),
        ("-2.345", "-2.35", "-2.35", "-2.34"),
        ("2.3449999999999999999999999999999999", "2.34", "2.34", "2.35"),
        ("2.30", "2.30", "2.30", "2.30"),
    ],
)
def test_the_three_ways_to_round(value: str, half_up: str, down: str, up: str) -> None:
    number = Decimal(value)

    assert decimals.plain(decimals.round_half_up(number)) == half_up
    assert decimals.plain(decimals.round_down(number)) == down
    assert decimals.plain(decimals.round_up(number)) == up


@given(st.decimals("-1000000", "1000000", places=6), st.sampled_from(["0.001", "0.05", "1", "100", "500"]))
def test_steps_below_and_above_hold_the_value_between_them(value: Decimal, step: str) -> None:
    size = Decimal(step)
    below, above = decimals.floor_to(value, size), decimals.ceil_to(value, size)

    assert below <= value <= above
    assert above - below in (0, size)
    assert below % size == above % size == 0


def test_every_thread_computes_with_seventy_eight_digits() -> None:
    def third() -> int:
        return len((Decimal(1) / 3).as_tuple().digits)

    with ThreadPoolExecutor(1) as pool:
        assert (third(), pool.submit(third).result()) == (78, 78)


def test_a_float_cannot_slip_into_a_comparison() -> None:
    with pytest.raises(decimal.FloatOperation):
        _is_less = Decimal("0.1") < 0.1


@pytest.mark.parametrize(
    ("amount", "places", "locale", "shown"),
    [
        (Decimal("1234567.5"), 2, "en", "1,234,567.50"),
        (Decimal("-1234567.5"), 2, "zh-hant", "-1,234,567.50"),
        (Decimal("0.000000000000000001"), 18, "en", "0.000000000000000001"),
        (Decimal("99999999999999999999.99"), 2, "en", "99,999,999,999,999,999,999.99"),
        (Decimal("1E+3"), 0, "fr", "1,000"),
        (0, 2, "en", "0.00"),
    ],
)
def test_numbers_are_shown_with_every_digit(
    amount: Decimal | int, places: int, locale: str, shown: str
) -> None:
    assert format_quantity(amount, places, locale) == shown


def test_a_number_is_not_rounded_to_be_shown() -> None:
    with pytest.raises(InexactValue):
        format_quantity(Decimal("0.005"), 2)
