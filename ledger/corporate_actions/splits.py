"""What a split means to the rooms above: which are due, what still waits to be split, what old quantities are now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Final

from ledger.core import clock
from ledger.core.decimals import ZERO, from_atoms
from ledger.core.models import FourEyes
from ledger.models import Book, CorporateAction, Entitlement, Role
from ledger.requests import AccountKey

from .entitlements import rate
from .ratios import share
from .templates import Split

LIENS: Final = (Role.CLIENT_COLLATERAL, Role.CLIENT_IN_SALE)


def due_splits() -> set[int]:
    """Return the ids of the assets that a split is about to change: nothing in them is sold or settled before."""
    due = CorporateAction.objects.filter(
        kind=CorporateAction.Kind.SPLIT,
        approval=FourEyes.Approval.APPROVED,
        stage=CorporateAction.Stage.WAITING,
        ex_on__lte=clock.today(),
    )
    return set(due.values_list("asset_id", flat=True))


def splits_before_payment(action: CorporateAction) -> list[Split]:
    """Return the splits of what an action gives that came between its record date and its pay date, in order."""
    if not action.given.is_located or action.record_on is None:
        return []
    splits = CorporateAction.objects.filter(
        kind=CorporateAction.Kind.SPLIT,
        asset=action.given,
        ex_on__gt=action.record_on,
        ex_on__lte=action.pay_on,
    ).exclude(stage=CorporateAction.Stage.WAITING)
    return [
        Split(split.location_id, rate(split))
        for split in splits.select_related("asset", "other_asset", "currency").order_by("ex_on", "pk")
    ]


def pending_changes(book: Book, *, owners: Collection[str] | None = None) -> dict[tuple[str, str], Decimal]:
    """Return by (client, asset code) what splits that were applied will add to pledged accounts that are held up.

    In units, negative for a consolidation. The price has changed already, so a valuation counts it.
    """
    waiting = Entitlement.objects.filter(
        status=Entitlement.Status.PENDING,
        action__kind=CorporateAction.Kind.SPLIT,
        account__book=book,
        account__role__in=LIENS,
    )
    if owners is not None:
        waiting = waiting.filter(account__owner__in=owners)
    changes: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for row in waiting.select_related("account__asset"):
        asset = row.account.asset
        changes[row.account.owner, asset.code] += from_atoms(row.change_atoms, asset.scale)
    return dict(changes)


def since_split(book: Book, key: AccountKey, quantity: Decimal, *, since: date) -> Decimal:
    """Return what `quantity` units that came to an account on the value date `since` are there now.

    Each split that was booked on the account after that day changed them, rounded down to the asset's smallest unit.
    """
    rows = Entitlement.objects.filter(
        action__kind=CorporateAction.Kind.SPLIT,
        action__ex_on__gt=since,
        account__book=book,
        account__role=key.role,
        account__owner=key.owner,
        account__asset__code=key.asset,
        account__location__code=key.location,
    ).exclude(status=Entitlement.Status.PENDING)
    for row in rows.select_related("action__asset").order_by("action__ex_on", "action_id"):
        asset = row.action.asset
        quantity = from_atoms(share(asset.atoms(quantity), rate(row.action)).whole, asset.scale)
    return quantity
