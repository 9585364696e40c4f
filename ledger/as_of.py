"""What stood in the books as of a value date, known at a sealed block: exact, and the same for ever.

Two dates matter and are never mixed up. `value_on` asks which journals count; `known_at` asks which were known, and is
the number of a block, not a clock: a transaction that commits late cannot change what an earlier block knew. A journal
booked today with last month's value date changes what is known now about last month, and nothing that was known before.

Without `known_at` everything committed is known: the sealed days and, past them, the entries not sealed yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.db import connection
from django.utils.translation import gettext as _

from ledger.core.decimals import ZERO
from ledger.core.errors import Invalid

from .balances import natural
from .models import Account, Block, Book
from .requests import AccountKey


@dataclass(frozen=True, slots=True)
class StandingAsOf:
    """What stood on the accounts of one key, all slots together, positive on their normal side.

    `version` counts the entries that were known by then, at any value date.
    """

    account_id: int
    key: AccountKey
    asset_kind: str
    quantity: Decimal
    version: int


def newest_block(book: Book) -> int:
    """Return the number of the newest block of a book; 0 before the first, when nothing is known."""
    numbers = Block.objects.filter(book=book).order_by("-number").values_list("number", flat=True)
    return numbers.first() or 0


def check_block(book: Book, number: int) -> None:
    """Refuse a block that the book does not have yet: what it will know is not settled."""
    newest = newest_block(book)
    if not 0 <= number <= newest:
        raise Invalid(
            _("The newest block is %(newest)s; there is no block %(number)s.")
            % {"newest": newest, "number": number},
            field="block",
            code="unknown_block",
            newest=newest,
        )


def net_atoms(
    account_ids: Sequence[int], *, value_on: date, known_at: int | None = None
) -> dict[int, tuple[int, int]]:
    """Return (net atoms debit positive, version) of each account as of the end of `value_on`, by account id.

    One statement on one snapshot. `known_at` is not checked here: see :func:`check_block`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account_id, net_atoms, version FROM ledger_as_of(%s::bigint[], %s::date, %s::bigint)",
            [list(account_ids), value_on, known_at],
        )
        return {account_id: (int(net), version) for account_id, net, version in cursor.fetchall()}


def holding(book: Book, key: AccountKey, *, value_on: date, known_at: int | None = None) -> Decimal:
    """Return what the accounts of `key` held on their normal side; zero when none was ever opened.

    A key without a slot stands for all slots. Raises :class:`Invalid` (`unknown_block`).
    """
    accounts = Account.objects.filter(
        book=book,
        owner=key.owner,
        role=key.role,
        asset__code=key.asset,
        **({"location__code": key.location} if key.location else {"location": None}),
        **({} if key.slot is None else {"slot": key.slot}),
    ).select_related("asset", "location")
    found = _standings(book, accounts, value_on, known_at)
    return sum((standing.quantity for standing in found), ZERO)


def standings(
    book: Book,
    *,
    value_on: date,
    known_at: int | None = None,
    owners: Collection[str] | None = None,
    roles: Collection[str] | None = None,
    with_empty: bool = False,
) -> list[StandingAsOf]:
    """Return the balances of a book as they stood, optionally of some owners and roles, in account order.

    Raises :class:`Invalid` (`unknown_block`).
    """
    accounts = Account.objects.filter(book=book)
    if owners is not None:
        accounts = accounts.filter(owner__in=owners)
    if roles is not None:
        accounts = accounts.filter(role__in=roles)
    together: dict[AccountKey, StandingAsOf] = {}
    ordered = accounts.select_related("asset", "location").order_by("pk")
    for standing in _standings(book, ordered, value_on, known_at):
        known = together.get(standing.key)
        together[standing.key] = _sum(known, standing) if known else standing
    return [standing for standing in together.values() if with_empty or standing.quantity]


def _standings(
    book: Book, accounts: Iterable[Account], value_on: date, known_at: int | None
) -> list[StandingAsOf]:
    if known_at is not None:
        check_block(book, known_at)
    by_id = {account.pk: account for account in accounts}
    found = net_atoms(list(by_id), value_on=value_on, known_at=known_at)
    return [
        StandingAsOf(
            account_id=account_id,
            key=AccountKey.of(account),
            asset_kind=account.asset.kind,
            quantity=natural(account.role, account.asset.units(found[account_id][0])),
            version=found[account_id][1],
        )
        for account_id, account in by_id.items()
    ]


def _sum(one: StandingAsOf, other: StandingAsOf) -> StandingAsOf:
    return replace(one, quantity=one.quantity + other.quantity, version=one.version + other.version)
