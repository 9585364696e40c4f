"""Eligibility: what may secure a product of a kind of firm, by the rules first and by the house from a date on.

The rules have the first word and it is said twice in the same codes: here for form, API and file, and in
`sql/eligibility.sql` for whoever writes the table. What they admit the house may exclude, and admit again; what
they leave to the house needs its decision; what they forbid nobody admits. Every decision is proposed by a maker,
decided by a checker, dated and kept (`reference/regulation.md` chapter 0 items 2 and 3, 1.5, 1.17, 10.7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, TextIO

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.models import FourEyes
from ledger.models import Asset

from .effective import approve_effective, refuse_retroactive
from .models import Eligibility, EntityType, Product
from .tables import LineError, read_day, read_lines

TOPIC: Final = "collateral.eligibility"
COLUMNS: Final = ("asset", "accepted", "valid_from")
# 26EC5 names Bitcoin and Ether; known by their ISO 24165 identifiers, never by ticker text.
LENDABLE_COINS: Final = frozenset({"4H95J0R2X", "X9J9K872S"})
LENDERS: Final = frozenset({EntityType.LICENSED_CORPORATION, EntityType.REGISTERED_INSTITUTION})
_YES: Final = frozenset({"yes", "true", "1"})
_NO: Final = frozenset({"no", "false", "0"})


class Standing(StrEnum):
    """What the rules say of an asset before the house has decided anything."""

    BY_RULE = "by_rule"
    ON_DECISION = "on_decision"
    FORBIDDEN = "forbidden"


def standing_of(asset: Asset, *, entity_type: str, product: str) -> Standing:
    """Return what the rules say of an asset for a product of a kind of firm.

    A securities lender takes listed securities, Bitcoin and Ether (26EC5, 1.5); a bank may also take stablecoins
    that are licensed (1.17). A perpetual of a trading platform takes money, and licensed stablecoins and tokenised
    deposits (10.7), never the coin it is on. Which stablecoin is licensed the house decides by name.
    """
    if product == Product.MARGIN_LOAN and entity_type in LENDERS:
        is_coin = asset.kind == Asset.Kind.VIRTUAL_ASSET and asset.standard_code in LENDABLE_COINS
        if asset.kind == Asset.Kind.SECURITY or is_coin:
            return Standing.BY_RULE
        if entity_type == EntityType.REGISTERED_INSTITUTION and asset.kind == Asset.Kind.STABLECOIN:
            return Standing.ON_DECISION
    if product == Product.PERPETUAL and entity_type == EntityType.TRADING_PLATFORM:
        if asset.kind == Asset.Kind.FIAT:
            return Standing.BY_RULE
        if asset.kind in (Asset.Kind.STABLECOIN, Asset.Kind.TOKENISED_DEPOSIT):
            return Standing.ON_DECISION
    return Standing.FORBIDDEN


def eligibilities_on(
    on: date, *, entity_type: str, product: str, assets: Collection[int] | None = None
) -> dict[int, Eligibility]:
    """Return the house's decision in force on a day by asset id; an asset without one is left to the rules."""
    rows = Eligibility.objects.filter(
        approval=FourEyes.Approval.APPROVED, entity_type=entity_type, product=product, valid_from__lte=on
    )
    if assets is not None:
        rows = rows.filter(asset__in=assets)
    return {row.asset_id: row for row in rows.order_by("asset_id", "-valid_from").distinct("asset_id")}


def is_eligible(asset: Asset, row: Eligibility | None, *, entity_type: str, product: str) -> bool:
    """Say whether an asset may secure a product, given the house's decision in force (None where there is none)."""
    standing = standing_of(asset, entity_type=entity_type, product=product)
    if standing == Standing.FORBIDDEN:
        return False
    return standing == Standing.BY_RULE if row is None else row.is_accepted


def may_secure(asset: Asset, *, entity_type: str, product: str, on: date | None = None) -> bool:
    """Say whether an asset may secure a product of a kind of firm on a day (today).

    Bitcoin secures a margin loan and never a perpetual.
    """
    rows = eligibilities_on(on or clock.today(), entity_type=entity_type, product=product, assets=[asset.pk])
    return is_eligible(asset, rows.get(asset.pk), entity_type=entity_type, product=product)


def may_have_haircut(asset: Asset, *, entity_type: str, product: str) -> bool:
    """Say whether an asset can have a haircut: the rules admit it, or leave it to a house that once accepted it."""
    standing = standing_of(asset, entity_type=entity_type, product=product)
    if standing != Standing.ON_DECISION:
        return standing == Standing.BY_RULE
    accepted = Eligibility.objects.filter(
        approval=FourEyes.Approval.APPROVED,
        entity_type=entity_type,
        product=product,
        asset=asset,
        is_accepted=True,
    )
    return accepted.exists()


def propose_eligibility(
    *,
    asset: Asset | str,
    is_accepted: bool,
    valid_from: date,
    maker: AbstractBaseUser,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    product: str = Product.MARGIN_LOAN,
    reason: str = "",
) -> Eligibility:
    """Propose to accept or exclude an asset (or its code) from `valid_from` on, once somebody else approves it.

    Raises Invalid: `INELIGIBLE_ASSET` (unknown, or forbidden by the rules), `RETROACTIVE` for a day before today
    where the answer of that day would change; Conflict (`already_proposed`) while the same one waits.
    """
    pledged = asset if isinstance(asset, Asset) else Asset.objects.filter(code=asset).first()
    if pledged is None:
        raise _ineligible(asset)
    proposal = Eligibility(
        entity_type=entity_type,
        product=product,
        asset=pledged,
        is_accepted=is_accepted,
        valid_from=valid_from,
        reason=reason,
    )
    check_proposal(proposal)
    with transaction.atomic():
        # Two uploads of one file at once would otherwise both find nothing waiting.
        Asset.objects.select_for_update(no_key=True).get(pk=pledged.pk)
        same = _same_key(proposal).filter(
            approval=FourEyes.Approval.PROPOSED, valid_from=valid_from, is_accepted=is_accepted
        )
        if same.exists():
            raise Conflict(_("The same proposal already waits for its checker."), code="already_proposed")
        return approvals.propose(proposal, maker=maker, topic=f"{TOPIC}.proposed")


def check_proposal(proposal: Eligibility) -> None:
    """Raise what proposing or approving this decision today would be refused for."""
    standing = standing_of(proposal.asset, entity_type=proposal.entity_type, product=proposal.product)
    if standing == Standing.FORBIDDEN:
        raise _ineligible(proposal.asset)
    approved = _same_key(proposal).filter(approval=FourEyes.Approval.APPROVED, valid_from__lte=clock.today())
    is_decided = approved.exclude(pk=proposal.pk).exists()
    refuse_retroactive(proposal.valid_from, is_effective=is_decided or standing == Standing.BY_RULE)


def approve_eligibility(proposal: Eligibility, *, checker: AbstractBaseUser) -> Eligibility:
    """Put a decision in force from its day on, as its second person; refusals as those of a haircut."""
    return approve_effective(proposal, checker=checker, topic=f"{TOPIC}.approved", check=check_proposal)


def reject_eligibility(proposal: Eligibility, *, checker: AbstractBaseUser, reason: str) -> Eligibility:
    """Turn a proposal down, with a reason that is kept."""
    return approvals.reject(proposal, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


@dataclass(frozen=True, slots=True)
class EligibilityImport:
    """What became of a file: proposals by line, and the lines that were refused."""

    proposals: dict[int, Eligibility]
    errors: tuple[LineError, ...]


def import_eligibilities(file: TextIO | Iterable[str], *, maker: AbstractBaseUser) -> EligibilityImport:
    """Propose every line of a file with the columns asset, accepted (yes or no) and valid_from.

    `entity_type`, `product` and `reason` may stand beside them. Raises Invalid (`missing_columns`, `not_text`)
    before any proposal.
    """
    proposals: dict[int, Eligibility] = {}
    errors: list[LineError] = []
    for line, row in list(read_lines(file, columns=COLUMNS)):
        try:
            proposals[line] = propose_eligibility(
                asset=row["asset"],
                is_accepted=_flag(row["accepted"]),
                valid_from=read_day(row["valid_from"]),
                entity_type=row.get("entity_type") or EntityType.LICENSED_CORPORATION,
                product=row.get("product") or Product.MARGIN_LOAN,
                reason=row.get("reason", ""),
                maker=maker,
            )
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
    return EligibilityImport(proposals, tuple(errors))


def _flag(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise Invalid(
            _("%(text)s is neither yes nor no.") % {"text": text}, field="is_accepted", code="NOT_A_FLAG"
        )
    return text.lower() in _YES


def _ineligible(asset: Asset | str) -> Invalid:
    return Invalid(
        _("%(asset)s may not secure this product of this kind of firm.") % {"asset": asset},
        field="asset",
        code="INELIGIBLE_ASSET",
    )


def _same_key(row: Eligibility) -> QuerySet[Eligibility]:
    return Eligibility.objects.filter(entity_type=row.entity_type, product=row.product, asset=row.asset_id)
