"""How much of one asset must be sold: the closed forms, exact and without lots.

Selling one dollar of an asset lowers the loan by 1 - c and the margin value by 1 - h. Progress is measured
on the shortage `S = L - t M` against a target utilisation `t`, never on the ratio, which may rise while an
account heals (`reference/margin-peers.md` 2.9.1, 2.9.2; `reference/regulation.md` chapter 2).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ledger.core.decimals import CONTEXT, exact

ONE: Final = Decimal(1)


class CannotCure(ValueError):
    """No amount of this asset can bring the account to the target."""


def cure_per_dollar(cost_rate: Decimal, haircut: Decimal, target: Decimal) -> Decimal:
    """Return `g = (1 - c) - t (1 - h)`: by how much one dollar sold lowers the shortage, exactly.

    >>> cure_per_dollar(Decimal("0.002"), Decimal("0.60"), Decimal(1))
    Decimal('0.598')
    """
    cash = CONTEXT.subtract(ONE, exact(cost_rate))
    margin = CONTEXT.multiply(exact(target), CONTEXT.subtract(ONE, exact(haircut)))
    return CONTEXT.subtract(cash, margin)


def shortage(loan: Decimal, margin_value: Decimal, target: Decimal) -> Decimal:
    """Return `S = L - t M`, exactly; zero or less means that the account stands at or within its target."""
    return CONTEXT.subtract(exact(loan), CONTEXT.multiply(exact(target), exact(margin_value)))


def sale_to_target(shortage: Decimal, cost_rate: Decimal, haircut: Decimal, target: Decimal) -> Decimal:
    """Return the gross amount of one asset to sell, `S / g`, unrounded; nothing when there is no shortage.

    Raises :class:`CannotCure` if `g <= 0`; with a target of 1 that is a haircut not above the cost.

    >>> gross = sale_to_target(Decimal("147347.67"), Decimal("0.002"), Decimal("0.60"), Decimal(1))
    >>> gross.quantize(Decimal("0.01"))
    Decimal('246400.79')
    """
    if exact(shortage) <= 0:
        return Decimal(0)
    cure = cure_per_dollar(cost_rate, haircut, target)
    if cure <= 0:
        raise CannotCure(f"one dollar sold at cost {cost_rate} and haircut {haircut} cures {cure}")
    return CONTEXT.divide(shortage, cure)


def sale_to_limit(excess_over_limit: Decimal, cost_rate: Decimal) -> Decimal:
    """Return the gross amount to sell when the credit limit binds: the limit does not move, so `D / (1 - c)`.

    It holds while the margin value after the sale stays above the limit (V08). Raises :class:`CannotCure`
    if the whole proceeds go in costs.
    """
    return sale_to_target(excess_over_limit, cost_rate, ONE, ONE)
