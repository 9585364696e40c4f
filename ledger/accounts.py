"""Accounts by their key: how they are found, remembered and opened.

What identifies an account never changes and no account is ever deleted, so what was read from a committed row is
remembered by the process; a posting then needs no look-up. What a transaction opened is remembered only once it
committed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Invalid

from .models import Account, Asset, Book, Location, Role
from .models.account import UNBOUNDED_ROLES
from .requests import AccountKey, quoted_parts

__all__ = [
    "AccountKey",
    "Found",
    "account_label",
    "forget_accounts",
    "known_accounts",
    "resolve",
    "slot_of_process",
]

KNOWN_MAX: Final = 2_000_000


class Found(NamedTuple):
    """An account as the posting path needs it; `quoted` are its key's parts in canonical JSON."""

    id: int
    scale: int
    asset: str
    parts: tuple[str, str, str, str]
    quoted: str


_known: defaultdict[int, dict[AccountKey, Found]] = defaultdict(dict)


def forget_accounts() -> None:
    """Drop what this process remembers; for a database that was put back to an earlier state."""
    _known.clear()


def known_accounts(book: Book) -> Mapping[AccountKey, Found]:
    """The accounts of a book that this process remembers."""
    return _known[book.pk]


def slot_of_process() -> int:
    """The slot of spread house accounts that this process posts to, so that processes do not wait for one another."""
    return os.getpid() % settings.LEDGER_HOUSE_SLOTS


def resolve(book: Book, keys: Iterable[AccountKey], *, may_open: bool = True) -> dict[AccountKey, Found]:
    """Return the account of each key, opening those that do not exist yet unless `may_open` is false.

    Takes no round trip when all are remembered and one when all exist. Raises :class:`Invalid` naming an unknown
    asset, location or role.
    """
    remembered = _known[book.pk]
    found: dict[AccountKey, Found] = {}
    missing: list[AccountKey] = []
    for key in set(keys):
        known = remembered.get(key)
        if known is None:
            missing.append(key)
        else:
            found[key] = known
    if missing:
        read = _find(book, missing)
        opened = [key for key in missing if key not in read] if may_open else []
        if opened:
            _open(book, opened)
            read |= _find(book, opened)
        found |= read
        _remember(book.pk, read)
    return found


def _remember(book_id: int, read: dict[AccountKey, Found]) -> None:
    """Remember what is sure to stay: inside a transaction that may be undone, only after its commit."""

    def keep() -> None:
        if sum(map(len, _known.values())) > KNOWN_MAX:
            _known.clear()
        _known[book_id].update(read)

    transaction.on_commit(keep)


def slot_of(key: AccountKey) -> int:
    """The slot a posting to `key` takes."""
    if key.slot is not None:
        return key.slot
    return slot_of_process() if key.role in UNBOUNDED_ROLES else 0


def _find(book: Book, keys: Iterable[AccountKey]) -> dict[AccountKey, Found]:
    ordered = list(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT k.n, a.id, s.scale
              FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[])
                   WITH ORDINALITY AS k(role, asset, owner, location, slot, n)
              JOIN ledger_asset s ON s.code = k.asset
              LEFT JOIN ledger_location l ON l.code = k.location
              JOIN ledger_account a ON a.book_id = %s AND a.owner = k.owner AND a.role = k.role
               AND a.asset_id = s.id AND a.location_id IS NOT DISTINCT FROM l.id AND a.slot = k.slot
             WHERE k.location = '' OR l.id IS NOT NULL
            """,
            [
                [key.role for key in ordered],
                [key.asset for key in ordered],
                [key.owner for key in ordered],
                [key.location for key in ordered],
                [slot_of(key) for key in ordered],
                book.pk,
            ],
        )
        rows = cursor.fetchall()
    found = {}
    for position, account_id, scale in rows:
        key = ordered[position - 1]
        found[key] = Found(account_id, scale, key.asset, key.parts(), quoted_parts(key))
    return found


def _open(book: Book, keys: list[AccountKey]) -> None:
    assets = {asset.code: asset for asset in Asset.objects.filter(code__in={key.asset for key in keys})}
    locations = {
        location.code: location
        for location in Location.objects.filter(code__in={key.location for key in keys} - {""})
    }
    for key in keys:
        if key.asset not in assets:
            raise Invalid(
                _("There is no asset %(code)s.") % {"code": key.asset},
                field="asset",
                code="unknown_asset",
                asset=key.asset,
            )
        if key.location and key.location not in locations:
            raise Invalid(
                _("There is no location %(code)s.") % {"code": key.location},
                field="location",
                code="unknown_location",
                location=key.location,
            )
        if assets[key.asset].is_located and not key.location:
            raise Invalid(
                _("%(code)s needs a location.") % {"code": key.asset},
                field="location",
                code="location_required",
                asset=key.asset,
                location="",
            )
        if key.role not in Role.values:
            raise Invalid(
                _("There is no role %(role)s.") % {"role": key.role},
                field="role",
                code="unknown_role",
                role=key.role,
            )
    ordered = sorted(keys, key=AccountKey.parts)
    columns: list[list[Any]] = [
        [key.owner for key in ordered],
        [key.role for key in ordered],
        [key.asset for key in ordered],
        [key.location for key in ordered],
        [slot_of(key) for key in ordered],
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_open_accounts(%s, %s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[])",
            [book.pk, *columns],
        )


def account_label(account_id: int) -> str:
    """Name an account in words, for an error message."""
    account = Account.objects.select_related("asset", "location").filter(pk=account_id).first()
    return str(account) if account else str(account_id)
