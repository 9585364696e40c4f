"""Reading what stands in the books, in units and on the natural side of each account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import QuerySet

from ledger.core.decimals import ZERO

from .models import Account, Balance, Book
from .models.account import DEBIT_NORMAL_ROLES
from .requests import AccountKey


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands on the accounts of one key, all slots together.

    `quantity` is positive on the account's normal side, and so is `held`: what holds have reserved of it. `account_id`
    is one of the accounts, the only one unless the key is the house's.
    """

    account_id: int
    key: AccountKey
    asset_kind: str
    quantity: Decimal
    held: Decimal
    version: int

    @property
    def available(self) -> Decimal:
        return self.quantity - self.held


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
    found: dict[AccountKey, Standing] = {}
    for row in rows.select_related("account__asset", "account__location").order_by("account_id"):
        standing = _standing(row.account, row)
        known = found.get(standing.key)
        found[standing.key] = _together(known, standing) if known else standing
    return [standing for standing in found.values() if with_empty or standing.quantity]


def holding(book: Book, key: AccountKey) -> Decimal:
    """Return what the accounts of `key` hold on their normal side; zero when none was ever opened."""
    rows = Balance.objects.filter(
        account__book=book,
        account__owner=key.owner,
        account__role=key.role,
        account__asset__code=key.asset,
        **({"account__location__code": key.location} if key.location else {"account__location": None}),
    ).select_related("account__asset", "account__location")
    return sum((_standing(row.account, row).quantity for row in rows), ZERO)


def _standing(account: Account, balance: Balance) -> Standing:
    return Standing(
        account_id=account.pk,
        key=AccountKey.of(account),
        asset_kind=account.asset.kind,
        quantity=natural(account.role, account.asset.units(balance.net_atoms)),
        held=account.asset.units(held_atoms(account, balance)),
        version=balance.version,
    )


def _together(one: Standing, other: Standing) -> Standing:
    return replace(
        one,
        quantity=one.quantity + other.quantity,
        held=one.held + other.held,
        version=one.version + other.version,
    )


def held_atoms(account: Account, balance: Balance) -> int:
    """Return what active holds have reserved of a balance: what they would take off its normal side."""
    return balance.held_credit_atoms if account.is_debit_normal else balance.held_debit_atoms


def available_atoms(account: Account, balance: Balance) -> int:
    """Return what is there on the account's normal side and not held."""
    on_its_side = balance.net_atoms if account.is_debit_normal else -balance.net_atoms
    return on_its_side - held_atoms(account, balance)


def natural(role: str, units: Decimal) -> Decimal:
    """Turn a debit-positive amount to the account's normal side, without making a negative zero."""
    return units if role in DEBIT_NORMAL_ROLES or not units else -units
