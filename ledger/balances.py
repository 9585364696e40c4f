"""Reading what stands in the books, in units and on the natural side of each account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from .accounts import AccountKey
from .models import Account, Balance, Book
from .models.account import DEBIT_NORMAL_ROLES


@dataclass(frozen=True, slots=True)
class Standing:
    """What one account holds. `quantity` is positive on the account's normal side."""

    account_id: int
    key: AccountKey
    asset_kind: str
    quantity: Decimal
    version: int


def standings(
    book: Book,
    *,
    owners: Collection[str] | None = None,
    roles: Collection[str] | None = None,
    with_empty: bool = False,
) -> list[Standing]:
    """Return the balances of a book, optionally of some owners and roles, in account order."""
    rows: QuerySet[Balance] = Balance.objects.filter(account__book=book)
    if owners is not None:
        rows = rows.filter(account__owner__in=owners)
    if roles is not None:
        rows = rows.filter(account__role__in=roles)
    if not with_empty:
        rows = rows.exclude(net_atoms=0)
    rows = rows.select_related("account__asset", "account__location").order_by("account_id")
    return [_standing(row.account, row) for row in rows]


def holding(book: Book, key: AccountKey) -> Decimal:
    """Return what the account of `key` holds on its normal side; zero when it was never opened."""
    row = (
        Balance.objects.filter(
            account__book=book,
            account__owner=key.owner,
            account__role=key.role,
            account__asset__code=key.asset,
            **({"account__location__code": key.location} if key.location else {"account__location": None}),
        )
        .select_related("account__asset", "account__location")
        .first()
    )
    return _standing(row.account, row).quantity if row else Decimal(0)


def _standing(account: Account, balance: Balance) -> Standing:
    units = account.asset.units(balance.net_atoms)
    return Standing(
        account_id=account.pk,
        key=AccountKey.of(account),
        asset_kind=account.asset.kind,
        quantity=natural(account.role, units),
        version=balance.version,
    )


def natural(role: str, units: Decimal) -> Decimal:
    """Turn a debit-positive amount to the account's normal side, without making a negative zero."""
    return units if role in DEBIT_NORMAL_ROLES or not units else -units
