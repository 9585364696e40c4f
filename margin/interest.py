"""Daily interest: Actual/365 fixed, simple, accrued unrounded and rounded once when it is posted.

Source: `reference/regulation.md` 8.1 and examples V06, V07. 29 February still divides by 365.

An accrual is kept as an integer: principal in cents times rate in 1e-8 per annum. Numerators of one account
simply add up, over days, balances and rates; :func:`rounded_cents` divides the sum once. Nothing is lost in
between, and a column of integers is all the store needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ledger.core.decimals import from_atoms, to_atoms

DAYS_PER_YEAR: Final = 365
RATE_PLACES: Final = 8

CENTS_DENOMINATOR: Final = DAYS_PER_YEAR * 10**RATE_PLACES
"""A numerator divided by this is in cents."""

DENOMINATOR: Final = CENTS_DENOMINATOR * 100
"""A numerator divided by this is in whole units of currency."""


def accrual_numerator(principal_cents: int, rate: Decimal) -> int:
    """Return one day's interest as a numerator over `DENOMINATOR`.

    `rate` is a fraction per annum of at most eight decimals (0.08 for 8%). Raises `ValueError` if the rate is
    finer than that, or if the principal or the rate is negative: a credit balance earns nothing here.

    >>> rounded_cents(accrual_numerator(50_000_00, Decimal("0.068")))
    932
    """
    rate_atoms = to_atoms(rate, RATE_PLACES)
    if principal_cents < 0:
        raise ValueError(f"principal of {principal_cents} cents is negative")
    if rate_atoms < 0:
        raise ValueError(f"rate {rate} is negative")
    return principal_cents * rate_atoms


def two_tier_numerator(
    principal_cents: int, margin_value_cents: int, rate_within: Decimal, rate_beyond: Decimal
) -> int:
    """Return one day's interest at one rate within the margin value and another on the part beyond it.

    The tiers add unrounded, so that the day's total is rounded once (V07). Raises as `accrual_numerator`,
    and on a negative margin value.

    >>> rounded_cents(two_tier_numerator(1_500_000_00, 1_426_140_00, Decimal("0.08"), Decimal("0.13")))
    33888
    """
    if margin_value_cents < 0:
        raise ValueError(f"margin value of {margin_value_cents} cents is negative")
    within_cents = min(principal_cents, margin_value_cents)
    beyond_cents = max(principal_cents - margin_value_cents, 0)
    return accrual_numerator(within_cents, rate_within) + accrual_numerator(beyond_cents, rate_beyond)


def rounded_cents(total_numerator: int) -> int:
    """Round a sum of numerators half up to whole cents, once, for posting."""
    if total_numerator < 0:
        raise ValueError(f"accrued total {total_numerator} is negative")
    return (2 * total_numerator + CENTS_DENOMINATOR) // (2 * CENTS_DENOMINATOR)


def daily_accrual(principal: Decimal, rate_per_annum: Decimal) -> Fraction:
    """Return one day's interest on `principal` (exact to the cent), as an exact fraction.

    >>> daily_accrual(Decimal("2000000.00"), Decimal("0.08"))
    Fraction(32000, 73)
    """
    return Fraction(accrual_numerator(to_atoms(principal, 2), rate_per_annum), DENOMINATOR)


def post_amount(accruals: Iterable[Fraction]) -> Decimal:
    """Sum daily accruals and round the total once, half up to the cent.

    Raises `ValueError` if an accrual was not made by this module's convention.

    >>> post_amount([daily_accrual(Decimal("1000000.00"), Decimal("0.08"))])
    Decimal('219.18')
    """
    numerator = sum(accruals, Fraction(0)) * DENOMINATOR
    if numerator.denominator != 1:
        raise ValueError(f"accruals sum to {numerator / DENOMINATOR}, which is not of the Act/365 convention")
    return from_atoms(rounded_cents(numerator.numerator), 2)
