"""Lending haircuts: the share of an asset's market value that may not be lent against.

A haircut is proposed by a maker, decided by a checker and takes effect on a day. The law of V05 is said three
times with the same codes: here for form, API and file, and in `sql/haircut.sql` for whoever writes the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TextIO

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.decimals import InexactValue, exact
from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.models import FourEyes
from ledger.models import Asset

from .checks import exact_for
from .effective import approve_effective, refuse_retroactive
from .models import EligibleAsset, EntityType, LendingHaircut, Product
from .models.haircut import VIRTUAL_ASSET_HAIRCUT_FLOOR
from .tables import LineError, read_lines

TOPIC = "collateral.haircut"
COLUMNS = ("asset", "haircut", "valid_from")

_NO_NUMBERS = frozenset({"nan", "snan", "inf", "infinity"})


def validate_haircut(
    *,
    asset: Asset | str,
    haircut: object,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    product: str = Product.MARGIN_LOAN,
) -> tuple[Asset, Decimal]:
    """Return the asset and its haircut as an exact fraction, or raise Invalid.

    `asset` may be a code. Codes in the order of the SQL law: `OUT_OF_RANGE` (not from 0 to 1, NaN and 60 for
    60% among them), `INELIGIBLE_ASSET` (unknown, or no security and not on the list of the kind of firm and
    product), `BELOW_FLOOR` (a virtual asset under 0.60, 26EC5), `INEXACT` (more than eight decimals); what is
    no number at all is `INEXACT` too.
    """
    number = _fraction(haircut)
    pledged = asset if isinstance(asset, Asset) else Asset.objects.filter(code=asset).first()
    if pledged is None or not _is_eligible(pledged, entity_type, product):
        raise Invalid(
            _("%(asset)s may not secure this product of this kind of firm.") % {"asset": asset},
            field="asset",
            code="INELIGIBLE_ASSET",
        )
    if pledged.kind == Asset.Kind.VIRTUAL_ASSET and number < VIRTUAL_ASSET_HAIRCUT_FLOOR:
        raise Invalid(
            _("The haircut of %(asset)s is at least %(floor)s, not %(haircut)s.")
            % {"asset": pledged.code, "floor": VIRTUAL_ASSET_HAIRCUT_FLOOR, "haircut": haircut},
            field="haircut",
            code="BELOW_FLOOR",
        )
    return pledged, exact_for(LendingHaircut, "haircut", haircut)


def propose_haircut(
    *,
    asset: Asset | str,
    haircut: object,
    valid_from: date,
    maker: AbstractBaseUser,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    product: str = Product.MARGIN_LOAN,
    reason: str = "",
) -> LendingHaircut:
    """Propose a haircut (a fraction, 0.60 is 60%) that applies from `valid_from` once approved.

    Raises Invalid as :func:`validate_haircut`, and `RETROACTIVE` for a day before today once the asset has a
    haircut in force; Conflict (`already_proposed`) while the same proposal waits for its checker.
    """
    pledged, fraction = validate_haircut(
        asset=asset, haircut=haircut, entity_type=entity_type, product=product
    )
    proposal = LendingHaircut(
        entity_type=entity_type,
        product=product,
        asset=pledged,
        haircut=fraction,
        valid_from=valid_from,
        reason=reason,
    )
    check_dates(proposal)
    with transaction.atomic():
        # Two uploads of one file at once would otherwise both find nothing waiting.
        Asset.objects.select_for_update(no_key=True).get(pk=pledged.pk)
        if (
            _same_key(proposal)
            .filter(approval=FourEyes.Approval.PROPOSED, valid_from=valid_from, haircut=fraction)
            .exists()
        ):
            raise Conflict(_("The same proposal already waits for its checker."), code="already_proposed")
        return approvals.propose(proposal, maker=maker, topic=f"{TOPIC}.proposed")


def check_proposal(proposal: LendingHaircut) -> None:
    """Raise what proposing or approving this haircut today would be refused for."""
    validate_haircut(
        asset=proposal.asset,
        haircut=proposal.haircut,
        entity_type=proposal.entity_type,
        product=proposal.product,
    )
    check_dates(proposal)


def check_dates(proposal: LendingHaircut) -> None:
    """Raise Invalid (`RETROACTIVE`) where the haircut would change what past valuations used."""
    in_force = _same_key(proposal).filter(approval=FourEyes.Approval.APPROVED, valid_from__lte=clock.today())
    refuse_retroactive(proposal.valid_from, is_effective=in_force.exclude(pk=proposal.pk).exists())


def approve_haircut(proposal: LendingHaircut, *, checker: AbstractBaseUser) -> LendingHaircut:
    """Put a proposed haircut in force from its day on.

    Raises Forbidden (`maker_is_checker`), Conflict (`already_decided`, `already_effective`) and Invalid
    (`RETROACTIVE` when its day has passed since it was proposed, or what V05 refuses by now).
    """
    return approve_effective(proposal, checker=checker, topic=f"{TOPIC}.approved", check=check_proposal)


def reject_haircut(proposal: LendingHaircut, *, checker: AbstractBaseUser, reason: str) -> LendingHaircut:
    """Reject a proposed haircut for a reason; Forbidden and Conflict as when approving."""
    return approvals.reject(proposal, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def haircuts_on(
    on: date,
    *,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    product: str = Product.MARGIN_LOAN,
) -> dict[int, LendingHaircut]:
    """Return the approved haircut in force on a day, by asset id; an asset without one is absent."""
    rows = LendingHaircut.objects.filter(
        approval=FourEyes.Approval.APPROVED, entity_type=entity_type, product=product, valid_from__lte=on
    )
    latest = rows.order_by("asset_id", "-valid_from").distinct("asset_id")
    return {row.asset_id: row for row in latest}


@dataclass(frozen=True, slots=True)
class HaircutImport:
    """What became of a file of haircuts: proposals by line, and the lines that were refused."""

    proposals: dict[int, LendingHaircut]
    errors: tuple[LineError, ...]


def import_haircuts(file: TextIO | Iterable[str], *, maker: AbstractBaseUser) -> HaircutImport:
    """Propose every line of a file with the columns asset, haircut and valid_from.

    `entity_type`, `product` and `reason` may stand beside them. A refused line leaves nothing behind and
    does not stop the others. Raises Invalid (`missing_columns`, `not_text`) before any proposal.
    """
    proposals: dict[int, LendingHaircut] = {}
    errors: list[LineError] = []
    for line, row in list(read_lines(file, columns=COLUMNS)):
        try:
            proposals[line] = propose_haircut(
                asset=row["asset"],
                haircut=row["haircut"],
                valid_from=_day(row["valid_from"]),
                entity_type=row.get("entity_type") or EntityType.LICENSED_CORPORATION,
                product=row.get("product") or Product.MARGIN_LOAN,
                reason=row.get("reason", ""),
                maker=maker,
            )
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
    return HaircutImport(proposals, tuple(errors))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            _("%(text)s is no date; write 2026-02-11.") % {"text": text},
            field="valid_from",
            code="NOT_A_DATE",
        ) from error


def _same_key(haircut: LendingHaircut) -> QuerySet[LendingHaircut]:
    return LendingHaircut.objects.filter(
        entity_type=haircut.entity_type, product=haircut.product, asset=haircut.asset
    )


def _fraction(haircut: object) -> Decimal:
    """Read a number that may have surplus decimals, so that range and floor are judged before its form."""
    number = _number(haircut)
    if not number.is_finite() or not 0 <= number <= 1:
        raise Invalid(
            _("A haircut is a fraction from 0 to 1, not %(haircut)s.") % {"haircut": haircut},
            field="haircut",
            code="OUT_OF_RANGE",
        )
    return number


def _number(haircut: object) -> Decimal:
    if isinstance(haircut, str) and haircut.strip().lstrip("+-").lower() in _NO_NUMBERS:
        return Decimal(haircut.strip())
    if isinstance(haircut, Decimal) and not haircut.is_finite():
        return haircut
    try:
        return exact(haircut)
    except InexactValue as error:
        raise Invalid(str(error), field="haircut", code="INEXACT") from error


def _is_eligible(asset: Asset, entity_type: str, product: str) -> bool:
    if entity_type not in EntityType.values or product not in Product.values:
        return False
    return (
        asset.kind == Asset.Kind.SECURITY
        or EligibleAsset.objects.filter(entity_type=entity_type, product=product, asset=asset).exists()
    )
