"""Accounts by their key: what identifies them, how they are found and opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _

from ledger.core.errors import Invalid

from .models import Account, Asset, Balance, Book, Location, Role
from .models.account import DEBIT_NORMAL_ROLES, UNBOUNDED_ROLES, in_words


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What identifies an account inside its book, by codes. The house's own accounts have no owner."""

    role: str
    asset: str
    owner: str = ""
    location: str = ""

    @classmethod
    def of(cls, account: Account) -> AccountKey:
        location = account.location.code if account.location else ""
        return cls(account.role, account.asset.code, account.owner, location)

    def label(self) -> str:
        """Name the account in words, for people."""
        return in_words(self.owner, self.role, self.asset, self.location)

    def parts(self) -> tuple[str, str, str, str]:
        return self.role, self.asset, self.owner, self.location


def resolve(book: Book, keys: Iterable[AccountKey]) -> dict[AccountKey, tuple[int, Asset]]:
    """Return the account id and asset of each key, opening the accounts that do not exist yet.

    Takes one round trip when all exist. Raises :class:`Invalid` naming an unknown asset, location or role.
    """
    wanted = set(keys)
    found = _find(book, wanted)
    missing = wanted - found.keys()
    if missing:
        _open(book, missing)
        found |= _find(book, missing)
    return found


def _find(book: Book, keys: Iterable[AccountKey]) -> dict[AccountKey, tuple[int, Asset]]:
    ordered = list(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT k.n, a.id, s.id, s.code, s.name, s.kind, s.scale, s.is_located, s.standard_code
              FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
                   WITH ORDINALITY AS k(role, asset, owner, location, n)
              JOIN ledger_asset s ON s.code = k.asset
              LEFT JOIN ledger_location l ON l.code = k.location
              JOIN ledger_account a ON a.book_id = %s AND a.owner = k.owner AND a.role = k.role
               AND a.asset_id = s.id AND a.location_id IS NOT DISTINCT FROM l.id
             WHERE k.location = '' OR l.id IS NOT NULL
            """,
            [
                [key.role for key in ordered],
                [key.asset for key in ordered],
                [key.owner for key in ordered],
                [key.location for key in ordered],
                book.pk,
            ],
        )
        rows = cursor.fetchall()
    assets = {columns[0]: Asset(*columns) for _position, _account, *columns in rows}
    return {ordered[position - 1]: (account, assets[asset]) for position, account, asset, *_rest in rows}


def _open(book: Book, keys: set[AccountKey]) -> None:
    assets = {asset.code: asset for asset in Asset.objects.filter(code__in={key.asset for key in keys})}
    locations = {
        location.code: location
        for location in Location.objects.filter(code__in={key.location for key in keys} - {""})
    }
    for key in keys:
        if key.asset not in assets:
            raise Invalid(_("There is no asset %(code)s.") % {"code": key.asset}, field="asset")
        if key.location and key.location not in locations:
            raise Invalid(_("There is no location %(code)s.") % {"code": key.location}, field="location")
        if assets[key.asset].is_located and not key.location:
            raise Invalid(_("%(code)s needs a location.") % {"code": key.asset}, field="location")
        if key.role not in Role.values:
            raise Invalid(_("There is no role %(role)s.") % {"role": key.role}, field="role")
    ordered = sorted(keys, key=AccountKey.parts)
    Account.objects.bulk_create(
        [
            Account(
                book=book,
                owner=key.owner,
                role=key.role,
                asset=assets[key.asset],
                location=locations.get(key.location),
            )
            for key in ordered
        ],
        ignore_conflicts=True,
    )
    opened = _find(book, keys)
    Balance.objects.bulk_create(
        [Balance(account_id=opened[key][0], **_bounds(key.role)) for key in ordered], ignore_conflicts=True
    )


def _bounds(role: str) -> dict[str, int | None]:
    """A client's collateral never goes short and a loan never goes negative, whoever posts."""
    if role in UNBOUNDED_ROLES:
        return {"floor_atoms": None, "ceiling_atoms": None}
    if role in DEBIT_NORMAL_ROLES:
        return {"floor_atoms": 0, "ceiling_atoms": None}
    return {"floor_atoms": None, "ceiling_atoms": 0}


def account_label(account_id: int) -> str:
    """Name an account in words, for an error message."""
    account = Account.objects.select_related("asset", "location").filter(pk=account_id).first()
    return str(account) if account else str(account_id)
