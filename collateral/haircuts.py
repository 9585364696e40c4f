"""Lending haircuts: the share of an asset's market value that may not be lent against.

A haircut is proposed by a maker, decided by a checker and takes effect on a day. The law of V05 is said three
times with the same codes: here for form, API and file, and in `sql/haircut.sql` for whoever writes the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TextIO

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.models import FourEyes
from ledger.models import Asset

from .checks import exact_for, read_fraction
from .effective import approve_effective, refuse_retroactive
from .eligibility import may_have_haircut
from .models import EntityType, HaircutTier, LendingHaircut, Product
from .models.haircut import VIRTUAL_ASSET_HAIRCUT_FLOOR
from .tables import LineError, read_day, read_lines
from .tiers import check_tiers, kept_tiers, read_tiers

TOPIC = "collateral.haircut"
COLUMNS = ("asset", "haircut", "valid_from")


def validate_haircut(
    *,
    asset: Asset | str,
    haircut: object,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    product: str = Product.MARGIN_LOAN,
) -> tuple[Asset, Decimal]:
    """Return the asset and its haircut as an exact fraction, or raise Invalid.

    `asset` may be a code. Codes in the order of the SQL law: `OUT_OF_RANGE` (not from 0 to 1, NaN and 60 for
    60% among them), `INELIGIBLE_ASSET` (unknown, or of no use for the product by :mod:`collateral.eligibility`),
    `BELOW_FLOOR` (a virtual asset under 0.60, 26EC5), `INEXACT` (more than eight decimals); what is no number at
    all is `INEXACT` too.
    """
    number = read_fraction(haircut)
    pledged = asset if isinstance(asset, Asset) else Asset.objects.filter(code=asset).first()
    if pledged is None or not may_have_haircut(pledged, entity_type=entity_type, product=product):
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
    tiers: Sequence[Mapping[str, object]] = (),
    reason: str = "",
) -> LendingHaircut:
    """Propose a haircut (a fraction, 0.60 is 60%) that applies from `valid_from` once approved.

    `tiers` name, by `above` (dollars of market value) and `haircut`, what higher slices take instead.
    Raises Invalid as :func:`validate_haircut` and :func:`collateral.tiers.check_tiers`, and `RETROACTIVE` for a
    day before today once the asset has a haircut in force; Conflict (`already_proposed`) while the same
    proposal waits for its checker.
    """
    pledged, fraction = validate_haircut(
        asset=asset, haircut=haircut, entity_type=entity_type, product=product
    )
    terms = check_tiers(pledged, fraction, tiers)
    proposal = LendingHaircut(
        entity_type=entity_type,
        product=product,
        asset=pledged,
        haircut=fraction,
        tier_count=len(terms),
        valid_from=valid_from,
        reason=reason,
    )
    check_dates(proposal)
    with transaction.atomic():
        # Two uploads of one file at once would otherwise both find nothing waiting.
        Asset.objects.select_for_update(no_key=True).get(pk=pledged.pk)
        waiting = _same_key(proposal).filter(
            approval=FourEyes.Approval.PROPOSED, valid_from=valid_from, haircut=fraction
        )
        if any(kept_tiers(other) == terms for other in waiting.prefetch_related("tiers")):
            raise Conflict(_("The same proposal already waits for its checker."), code="already_proposed")
        proposed = approvals.propose(proposal, maker=maker, topic=f"{TOPIC}.proposed")
        HaircutTier.objects.bulk_create(HaircutTier(parent=proposed, **term._asdict()) for term in terms)
        return proposed


def check_proposal(proposal: LendingHaircut) -> None:
    """Raise what proposing or approving this haircut today would be refused for."""
    validate_haircut(
        asset=proposal.asset,
        haircut=proposal.haircut,
        entity_type=proposal.entity_type,
        product=proposal.product,
    )
    check_tiers(proposal.asset, proposal.haircut, [tier._asdict() for tier in kept_tiers(proposal)])
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
    latest = rows.order_by("asset_id", "-valid_from").distinct("asset_id").prefetch_related("tiers")
    return {row.asset_id: row for row in latest}


@dataclass(frozen=True, slots=True)
class HaircutImport:
    """What became of a file of haircuts: proposals by line, and the lines that were refused."""

    proposals: dict[int, LendingHaircut]
    errors: tuple[LineError, ...]


def import_haircuts(file: TextIO | Iterable[str], *, maker: AbstractBaseUser) -> HaircutImport:
    """Propose every line of a file with the columns asset, haircut and valid_from.

    `entity_type`, `product`, `tiers` (as `2000000:0.70; 5000000:1`) and `reason` may stand beside them. A
    refused line leaves nothing behind and does not stop the others. Raises Invalid (`missing_columns`,
    `not_text`) before any proposal.
    """
    proposals: dict[int, LendingHaircut] = {}
    errors: list[LineError] = []
    for line, row in list(read_lines(file, columns=COLUMNS)):
        try:
            proposals[line] = propose_haircut(
                asset=row["asset"],
                haircut=row["haircut"],
                valid_from=read_day(row["valid_from"]),
                entity_type=row.get("entity_type") or EntityType.LICENSED_CORPORATION,
                product=row.get("product") or Product.MARGIN_LOAN,
                tiers=read_tiers(row.get("tiers", "")),
                reason=row.get("reason", ""),
                maker=maker,
            )
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
    return HaircutImport(proposals, tuple(errors))


def _same_key(haircut: LendingHaircut) -> QuerySet[LendingHaircut]:
    return LendingHaircut.objects.filter(
        entity_type=haircut.entity_type, product=haircut.product, asset=haircut.asset
    )
