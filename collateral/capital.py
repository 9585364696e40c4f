"""Regulatory-capital haircuts: what a receivable counts for in liquid capital, apart from what may be lent.

The lending schedule and this one never share a column: taking the lending haircut of Bitcoin here hides the
whole capital cost of the product (`reference/regulation.md` 1.7, 4.3, V15).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, TextIO

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.decimals import CONTEXT, round_down
from ledger.core.errors import Invalid, Refusal
from ledger.models import Asset

from .checks import exact_for, read_fraction
from .effective import approve_effective, refuse_retroactive
from .models import CapitalHaircut
from .tables import LineError, read_day, read_lines

TOPIC: Final = "collateral.capital_haircut"
COLUMNS: Final = ("asset", "capital_haircut", "valid_from")
NO_MONEY: Final = Decimal("0.00")


def validate_deduction(*, asset: Asset | str, deduction: object) -> tuple[Asset, Decimal]:
    """Return the asset and its capital haircut as an exact fraction.

    Raises Invalid: `OUT_OF_RANGE` (not from 0 to 1), `unknown_asset`, `INEXACT` (more than eight decimals).
    """
    read_fraction(deduction, field="deduction")
    found = asset if isinstance(asset, Asset) else Asset.objects.filter(code=asset).first()
    if found is None:
        raise Invalid(
            _("There is no asset %(asset)s.") % {"asset": asset}, field="asset", code="unknown_asset"
        )
    return found, exact_for(CapitalHaircut, "deduction", deduction)


def propose_deduction(
    *,
    asset: Asset | str,
    deduction: object,
    valid_from: date,
    maker: AbstractBaseUser,
    reason: str = "",
) -> CapitalHaircut:
    """Propose a capital haircut (a fraction) that applies from `valid_from` once somebody else approves it.

    Raises Invalid as :func:`validate_deduction`, and `RETROACTIVE` for a day before today once one is in force.
    """
    found, fraction = validate_deduction(asset=asset, deduction=deduction)
    proposal = CapitalHaircut(asset=found, deduction=fraction, valid_from=valid_from, reason=reason)
    check_dates(proposal)
    return approvals.propose(proposal, maker=maker, topic=f"{TOPIC}.proposed")


def check_dates(proposal: CapitalHaircut) -> None:
    """Raise Invalid (`RETROACTIVE`) where the row would change what a past return used."""
    in_force = CapitalHaircut.objects.filter(
        asset=proposal.asset_id, approval=CapitalHaircut.Approval.APPROVED, valid_from__lte=clock.today()
    )
    refuse_retroactive(proposal.valid_from, is_effective=in_force.exclude(pk=proposal.pk).exists())


def approve_deduction(proposal: CapitalHaircut, *, checker: AbstractBaseUser) -> CapitalHaircut:
    """Put a capital haircut in force from its day on, as its second person."""
    return approve_effective(proposal, checker=checker, topic=f"{TOPIC}.approved", check=check_dates)


def reject_deduction(proposal: CapitalHaircut, *, checker: AbstractBaseUser, reason: str) -> CapitalHaircut:
    """Turn a capital haircut down, with a reason that is kept."""
    return approvals.reject(proposal, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def deductions_on(on: date) -> dict[int, CapitalHaircut]:
    """Return the capital haircut in force on a day by asset id; an asset without one counts for nothing."""
    rows = CapitalHaircut.objects.filter(approval=CapitalHaircut.Approval.APPROVED, valid_from__lte=on)
    latest = rows.order_by("asset_id", "-valid_from").distinct("asset_id").select_related("asset")
    return {row.asset_id: row for row in latest}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: proposals by line, and the lines that were refused."""

    proposals: dict[int, CapitalHaircut]
    errors: tuple[LineError, ...]


def import_deductions(file: TextIO | Iterable[str], *, maker: AbstractBaseUser) -> Imported:
    """Propose every line of a file with the columns asset, capital_haircut and valid_from; reason may follow."""
    proposals: dict[int, CapitalHaircut] = {}
    errors: list[LineError] = []
    for line, row in list(read_lines(file, columns=COLUMNS)):
        try:
            proposals[line] = propose_deduction(
                asset=row["asset"],
                deduction=row["capital_haircut"],
                valid_from=read_day(row["valid_from"]),
                reason=row.get("reason", ""),
                maker=maker,
            )
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
    return Imported(proposals, tuple(errors))


@dataclass(frozen=True, slots=True)
class CapitalView:
    """What a client's loan counts for; dollars to the cent. `cost` is what it takes from liquid capital."""

    counted: dict[str, Decimal]
    loan: Decimal
    includable: Decimal
    cost: Decimal


def capital_view(
    market_values: Mapping[str, Decimal], deductions: Mapping[str, Decimal], *, loan: Decimal
) -> CapitalView:
    """Count a receivable up to the collateral behind it (Cap. 571N s.22: the lower of the two).

    `market_values` by asset code in dollars, `deductions` as fractions; an asset without one counts for nothing.

    >>> capital_view({"A": Decimal("100.00")}, {"A": Decimal("0.15")}, loan=Decimal("90.00")).cost
    Decimal('5.00')
    """
    counted = {
        code: round_down(CONTEXT.multiply(value, CONTEXT.subtract(1, deductions.get(code, Decimal(1)))))
        for code, value in market_values.items()
    }
    includable = min(loan, sum(counted.values(), NO_MONEY))
    return CapitalView(counted, loan, includable, CONTEXT.subtract(loan, includable))
